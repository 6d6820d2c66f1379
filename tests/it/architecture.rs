//! The structure that src/lib.rs promises, held against the sources.

use std::path::{Path, PathBuf};

use regex::Regex;

/// Most lines of a file. Beyond it there is a seam to be found.
const FILE_LINES_MAX: usize = 500;

/// Most lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer, and why they stay whole.
const LONG_FILES: &[(&str, &str)] =
    &[("engine/snapshot/v1.rs", "one stored form, field by field, with the way there and back side by side")];

/// Pairs that may not know each other although the order would allow it.
const APART: &[(&str, &str, &str)] = &[("engine", "dialect", "quirks of languages end in `lower.rs`")];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path below src/, and its text without comments.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![sources()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(sources()).unwrap().to_str().unwrap().to_owned();
                files.push((name, without_comments(&std::fs::read_to_string(&path).unwrap())));
            }
        }
    }
    assert!(files.len() > 50, "only {} files were found", files.len());
    files.sort();
    files
}

/// The text with its comments emptied; lines keep their numbers.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The modules in the order in which src/lib.rs lists them: each may use those before it.
fn order() -> Vec<String> {
    let text = without_comments(&std::fs::read_to_string(sources().join("lib.rs")).unwrap());
    let module = Regex::new(r"(?m)^pub mod (\w+);").unwrap();
    module.captures_iter(&text).map(|found| found[1].to_owned()).collect()
}

/// The top module that a file belongs to.
fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// The top modules that a text names, with the lines.
fn used(text: &str) -> Vec<(usize, String)> {
    let one = Regex::new(r"\bcrate::(\w+)").unwrap();
    let several = Regex::new(r"\bcrate::\{([^}]*)").unwrap();
    let mut used = Vec::new();
    let line_of = |at: usize| text[..at].lines().count().max(1);
    for found in one.captures_iter(text) {
        used.push((line_of(found.get(0).unwrap().end()), found[1].to_owned()));
    }
    for found in several.captures_iter(text) {
        let line = line_of(found.get(0).unwrap().start());
        used.extend(
            found[1]
                .split(',')
                .map(|path| (line, module_of(path.trim().split("::").next().unwrap()).to_owned())),
        );
    }
    used
}

/// What is wrong with the arrows of one file.
fn wrong_arrows(order: &[String], file: &str, text: &str) -> Vec<String> {
    let place = |module: &str| order.iter().position(|known| known == module);
    let from = module_of(file);
    let Some(own) = place(from) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (line, to) in used(text) {
        let apart = APART.iter().find(|(one, other, _)| *one == from && *other == to);
        if let Some((_, _, why)) = apart {
            wrong.push(format!("src/{file}:{line} uses `{to}`: {why}"));
        } else if place(&to).is_some_and(|other| other > own) {
            wrong.push(format!("src/{file}:{line} uses `{to}`, which stands after `{from}` in src/lib.rs"));
        }
    }
    wrong
}

#[test]
fn modules_use_only_those_before_them() {
    let order = order();
    assert!(order.len() >= 14, "{order:?}");
    let wrong: Vec<String> =
        files().iter().flat_map(|(file, text)| wrong_arrows(&order, file, text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_arrow_would_be_seen() {
    let order = order();
    let wrong = |file: &str, text: &str| wrong_arrows(&order, file, &without_comments(text)).len();
    assert_eq!(wrong("engine/step.rs", "use crate::controller::run;\n"), 1);
    assert_eq!(wrong("engine/step.rs", "use crate::dialect::compile;\n"), 1);
    assert_eq!(wrong("expr/mod.rs", "use crate::{value::Value, ir};\n"), 1);
    assert_eq!(wrong("ir/mod.rs", "fn f() -> crate::engine::Run {}\n"), 1);
    assert_eq!(wrong("ir/mod.rs", "// crate::engine explains it\nuse crate::value::Value;\n"), 0);
    assert_eq!(wrong("dialect/mod.rs", "use crate::{expr, ir::Program};\n"), 0);
}

/// Functions as rustfmt lays them out: from the line with `fn` to the next brace in the same column.
fn long_functions(file: &str, text: &str) -> Vec<String> {
    let head = Regex::new(r"^(\s*)(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe )*fn (\w+)").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(found) = head.captures(line) else { continue };
        if line.trim_end().ends_with('}') {
            continue;
        }
        let end = format!("{}}}", &found[1]);
        let length = lines[at..].iter().position(|line| *line == end).unwrap_or_default() + 1;
        if length > FUNCTION_LINES_MAX {
            let name = &found[2];
            long.push(format!("src/{file}:{}: `{name}` has {length} lines", at + 1));
        }
    }
    long
}

#[test]
fn files_and_functions_can_be_read_at_once() {
    let mut long = Vec::new();
    for (file, text) in files() {
        let lines = text.lines().count();
        let is_known = LONG_FILES.iter().any(|(known, _)| *known == file);
        match (lines > FILE_LINES_MAX, is_known) {
            (true, false) => long.push(format!("src/{file} has {lines} lines, more than {FILE_LINES_MAX}")),
            (false, true) => long.push(format!("src/{file} is short enough now: strike it from LONG_FILES")),
            (true, true) | (false, false) => {}
        }
        long.extend(long_functions(&file, &text));
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_pure_half_names_nothing_of_the_other() {
    let text = std::fs::read_to_string(sources().join("lib.rs")).unwrap();
    let pure = text.split("--- the Kubernetes half").next().unwrap();
    let foreign = Regex::new(r"\b(kube|k8s_openapi|tokio|reqwest|axum|schemars|async fn|\.await)\b").unwrap();
    let module = Regex::new(r"(?m)^pub mod (\w+);").unwrap();
    let modules: Vec<String> = module.captures_iter(pure).map(|found| found[1].to_owned()).collect();
    assert!(modules.iter().any(|module| module == "engine") && !modules.iter().any(|module| module == "api"));
    for (file, text) in files() {
        if modules.iter().any(|module| module == module_of(&file)) {
            let found = foreign.find(&text).map(|found| found.as_str());
            assert_eq!(found, None, "src/{file} is in the pure half");
        }
    }
}

#[test]
fn the_pure_half_and_its_tests_need_no_library_of_the_other() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--no-default-features",
            "--locked",
            "--offline",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--edges", "normal,dev"])
        // Of benches only, which are not built for tests; it brings a command line of its own.
        .args(["--prune", "criterion"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("serde-saphyr "), "{tree}");
    for library in ["kube ", "k8s-openapi ", "tokio ", "reqwest ", "axum ", "clap ", "schemars "] {
        assert!(!tree.lines().any(|line| line.starts_with(library)), "{library}is needed:\n{tree}");
    }
}
