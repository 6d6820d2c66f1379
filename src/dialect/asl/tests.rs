//! What no case can state: laws over all documents, and time.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::diagnostic::{Code, Severity};
use crate::dialect::{Compiled, Dialect, compile, compile_document};
use crate::source::Node;
use crate::value::Value;

fn compile_asl(text: &str) -> Compiled {
    compile(text, Some(Dialect::Asl))
}

/// A machine with something of everything.
const MACHINE: &str = r#"{
  "Comment": "c", "StartAt": "A", "TimeoutSeconds": 60, "QueryLanguage": "JSONPath",
  "States": {
    "A": {"Type": "Pass", "InputPath": "$.a", "Parameters": {"x.$": "$.y", "z": [{"u.$": "States.UUID()"}]},
          "ResultPath": "$.r", "OutputPath": null, "Assign": {"v.$": "$"}, "Next": "B"},
    "B": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "QueryLanguage": "JSONata",
          "Arguments": {"t": "{% $states.context.Task.Token %}"}, "HeartbeatSeconds": 5, "TimeoutSeconds": 9,
          "Credentials": {"RoleArn": "r"}, "Output": "{% $states.result %}", "Assign": {"w": "{% $v %}"},
          "Retry": [{"ErrorEquals": ["E", "States.Timeout"], "IntervalSeconds": 2, "JitterStrategy": "FULL"}],
          "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "F"}],
          "Next": "C"},
    "C": {"Type": "Choice", "Default": "W",
          "Choices": [{"And": [{"Variable": "$.n", "NumericEquals": 1}, {"Not": {"Variable": "$.s", "StringMatches": "a*"}}],
                       "Assign": {"k": 1}, "Next": "M"}]},
    "W": {"Type": "Wait", "Timestamp": "2016-08-18T17:33:00Z", "Next": "P"},
    "P": {"Type": "Parallel", "Branches": [{"StartAt": "PA", "States": {"PA": {"Type": "Succeed"}}}], "Next": "M"},
    "M": {"Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"i.$": "$$.Map.Item.Value"}, "MaxConcurrency": 2,
          "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"},
                         "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["h"], "MaxItems": 3}},
          "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"b": 1}}, "Label": "l",
          "ToleratedFailurePercentage": 1.5, "ToleratedFailureCount": 1,
          "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"},
                           "WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSON"}},
          "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                            "StartAt": "I", "States": {"I": {"Type": "Pass", "Result": [1, null], "End": true}}},
          "End": true},
    "F": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "States.Format('{}', $.Cause)"}
  }
}"#;

#[test]
fn something_of_everything_has_no_problem() {
    let compiled = compile_asl(MACHINE);
    assert_eq!(compiled.diagnostics, []);
    assert!(compiled.program.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever a piece is replaced with, there is either a program or an error, and nothing panics.
    #[test]
    fn any_text_gives_a_program_or_an_error(
        at in 0..MACHINE.len(),
        length in 0..12_usize,
        piece in prop_oneof![
            Just("null"), Just("\"\""), Just("{}"), Just("[]"), Just("-1"), Just("1e400"), Just("\"$\""),
            Just("\"{% %}\""), Just("\"{%%}\""), Just("\"{%\""), Just("\"$$.\u{e9}\""), Just("\"States.Format('\""),
            Just("true"), Just("\\u0000"), Just("\u{1F600}"), Just(""),
        ],
    ) {
        let end = MACHINE.len().min(at + length);
        let text = format!("{}{piece}{}", &MACHINE[..at], &MACHINE[end..]);
        let compiled = compile_asl(&text);
        let is_refused = compiled.diagnostics.iter().any(|problem| problem.severity() == Severity::Error);
        prop_assert_eq!(compiled.program.is_none(), is_refused);
    }
}

/// A chain of Pass and Choice states with templates.
fn chain(states: usize) -> String {
    let mut text = String::from(r#"{"StartAt": "S0", "States": {"#);
    for number in 0..states {
        let next = number + 1;
        let state = match number % 2 {
            0 => format!(
                r#""S{number}": {{"Type": "Pass", "Parameters": {{"a.$": "$.a", "b": {{"c.$": "$$.State.Name"}}}}, "ResultPath": "$.r", "Next": "S{next}"}}, "#
            ),
            _ => format!(
                r#""S{number}": {{"Type": "Choice", "Choices": [{{"Variable": "$.a", "NumericEquals": 1, "Next": "S{next}"}}], "Default": "S{next}"}}, "#
            ),
        };
        text.push_str(&state);
    }
    let _ = write!(text, r#""S{states}": {{"Type": "Succeed"}}}}}}"#);
    text
}

#[test]
fn ten_thousand_states_compile_in_no_more_than_linear_time() {
    let time = |states: usize| {
        let text = chain(states);
        let begun = Instant::now();
        let compiled = compile_asl(&text);
        assert!(compiled.program.is_some(), "{:?}", compiled.diagnostics);
        begun.elapsed()
    };
    let (few, many) = (time(500), time(5_000));
    assert!(many < few * 40 + Duration::from_millis(500), "{few:?} for 500 states, {many:?} for 5,000");
}

#[test]
fn more_states_than_that_are_refused() {
    let compiled = compile_asl(
        &chain(10_000).replace(r#""Parameters": {"a.$": "$.a", "b": {"c.$": "$$.State.Name"}}, "#, ""),
    );
    let codes: Vec<_> = compiled.diagnostics.iter().map(|problem| problem.code).collect();
    assert!(matches!(codes[..], [Code::LimitExceeded | Code::Syntax]), "{:?}", compiled.diagnostics);
}

#[test]
fn scopes_nest_as_deep_as_documents_do() {
    let mut text = r#"{"StartAt": "L20", "States": {"L20": {"Type": "Succeed"}}}"#.to_owned();
    for level in (0..20).rev() {
        text = format!(
            r#"{{"StartAt": "L{level}", "States": {{"L{level}": {{"Type": "Parallel", "End": true, "Branches": [{text}]}}}}}}"#
        );
    }
    let document = Node::from(&Value::parse(&text).unwrap());
    let compiled = compile_document(&document, None);
    assert_eq!(compiled.diagnostics, []);
    assert_eq!(compiled.program.unwrap().states().count(), 21);
}
