//! Documents that nobody meant to write.

use proptest::prelude::*;

use crate::dialect::{Dialect, compile};

/// A flow with everything in it.
const WHOLE: &str = r#"
version: v1
type: flow
timeoutSeconds: 60
inputMappings: [{target: a, source: $input.a}]
outputMappings: [{target: a, source: $local.a}, {target: b, source: {c: [1, null]}}]
steps:
  - type: task
    name: t
    resourceArn: acs:fnf:::flow/f
    pattern: sync
    timeoutSeconds: 5
    serviceParams: {Input: {x: [$.a, $]}, ExecutionName: e}
    retry: [{errors: [E], intervalSeconds: 1, maxIntervalSeconds: 9, maxAttempts: 2, multiplier: 1.5}]
    catch: [{errors: [FnF.ALL], goto: c}]
    errorMappings: [{target: e, source: $local.error}]
  - {type: wait, name: w, duration: $.s}
  - {type: wait, name: x, timestamp: "2026-01-01T00:00:00Z", end: false}
  - type: choice
    name: c
    choices:
      - {condition: '$.n > 1 && "k" in $.l', steps: [{type: pass, name: p}, {type: succeed, name: s}], goto: t}
    default: {goto: f}
  - type: foreach
    name: f
    iterationMapping: {collection: $.l, item: i, index: n}
    steps: [{type: parallel, name: b, branches: [{steps: [{type: fail, name: g, error: E, cause: c}]}]}]
    outputMappings: [{target: l, source: "$local[*].x[*]"}]
"#;

#[test]
fn the_whole_flow_compiles() {
    let compiled = compile(WHOLE, None);
    assert_eq!(compiled.dialect, Some(Dialect::FdlLegacy));
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    assert_eq!(compiled.program.unwrap().states().count(), 9);
}

/// Pieces that mean something somewhere.
const PIECES: &[&str] = &[
    "",
    " ",
    "null",
    "[]",
    "{}",
    "-1",
    "1e999",
    "true",
    "''",
    "$",
    "$.",
    "$input",
    "$local[",
    "steps",
    "goto: t",
    "type: loop",
    "name: t",
    "- ",
    "\n",
    "  ",
    ": ",
    ", ",
    "}",
    "]",
    "&a ",
    "*a",
    "((((",
    "end: true",
    "99999999999999999999",
    "é",
];

proptest! {
    /// Whatever becomes of a document, it compiles or has an error, and nothing panics.
    #[test]
    fn documents_compile_or_have_an_error(
        edits in prop::collection::vec((0..WHOLE.len(), 0_usize..12, 0..PIECES.len()), 1..5),
    ) {
        let mut text = WHOLE.as_bytes().to_vec();
        for (at, length, piece) in edits {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, PIECES[piece].bytes());
        }
        let compiled = compile(&String::from_utf8_lossy(&text), Some(Dialect::FdlLegacy));
        prop_assert_eq!(compiled.program.is_none(), crate::diagnostic::has_errors(&compiled.diagnostics));
    }
}

#[test]
fn what_branches_have_in_common_is_not_copied_for_each_of_them() {
    let mappings: String =
        (0..5_000).map(|number| format!("{{target: t{number}, source: $input.a}},")).collect();
    let choices = "{condition: $.a},".repeat(20_000);
    let text = format!(
        "{{version: v1, type: flow, steps: [{{type: choice, name: c, choices: [{choices}], outputMappings: [{mappings}]}}]}}"
    );
    // A hundred million expressions would neither fit nor end in time.
    assert!(compile(&text, None).program.is_some());
}
