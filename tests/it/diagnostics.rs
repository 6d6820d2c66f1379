//! docs/diagnostics.md, held against the codes that there are.

use millrace::diagnostic::Code;

/// Set to anything, the table is written and not compared: `make docs`.
const WRITE: &str = "MILLRACE_WRITE_DOCS";

/// Where the table begins; it goes on to the end of the file.
const BEGIN: &str = "| code | name | meaning |\n";

fn table() -> String {
    let row = |code: &Code| format!("| `{}` | {} | {} |\n", code.as_str(), code.name(), code.explanation());
    format!("{BEGIN}|---|---|---|\n{}", Code::ALL.iter().map(row).collect::<String>())
}

#[test]
fn every_code_is_in_the_documentation() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, found) = text.split_at(text.find(BEGIN).expect("docs/diagnostics.md has the table"));
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, format!("{before}{}", table())).unwrap();
        return;
    }
    assert_eq!(found, table(), "docs/diagnostics.md is not what src/diagnostic.rs says: run `make docs`");
}
