//! Answers to tasks without a world: what `millrace run --mock` reads.
//!
//! ```json
//! {"<resource or name of a state>": [{"output": …}, {"error": "…", "cause": "…"}]}
//! ```
//!
//! One answer per call, in order, the last one repeated. The name of a state wins over a resource;
//! each name counts its own calls.

use std::collections::BTreeMap;

use crate::engine::{Report, TaskCommand, TaskError, TaskErrorName};
use crate::ir::ErrorKind;
use crate::value::{Object, Value};

/// Scripted answers.
#[derive(Clone, Debug, Default)]
pub struct Mocks(BTreeMap<String, Script>);

#[derive(Clone, Debug)]
struct Script {
    answers: Vec<Report>,
    calls: usize,
}

/// Why a document holds no mocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mocks: {0}")]
pub struct MockError(String);

impl Mocks {
    /// Reads the answers from a document.
    ///
    /// # Errors
    /// Where the document has another shape; the message names the entry.
    pub fn new(document: &Value) -> Result<Self, MockError> {
        let entries = document.as_object().ok_or_else(|| {
            MockError(format!("expected an object, found {} `{}`", document.kind(), document.excerpt(64)))
        })?;
        let scripts = entries.iter().map(|(name, answers)| {
            let answers = answers.as_array().filter(|answers| !answers.is_empty()).ok_or_else(|| {
                MockError(format!("`{name}` needs a list of at least one answer, found `{}`", answers.excerpt(64)))
            })?;
            let answers = answers
                .iter()
                .enumerate()
                .map(|(number, answer)| {
                    report(answer).ok_or_else(|| {
                        let (number, found) = (number + 1, answer.excerpt(64));
                        MockError(format!(
                            "answer {number} of `{name}` must be {{\"output\": …}} or {{\"error\": \"…\", \"cause\": \"…\"}}, found `{found}`"
                        ))
                    })
                })
                .collect::<Result<_, _>>()?;
            Ok((name.to_string(), Script { answers, calls: 0 }))
        });
        scripts.collect::<Result<_, _>>().map(Self)
    }

    /// The answer to the next call of a task, nothing where none is scripted.
    pub fn answer(&mut self, task: &TaskCommand) -> Option<Report> {
        let state = task.id.state_name();
        let name = if self.0.contains_key(&state) { &state } else { &*task.resource };
        let script = self.0.get_mut(name)?;
        let answer = script.answers.get(script.calls).or(script.answers.last()).cloned();
        script.calls = script.calls.saturating_add(1);
        answer
    }
}

fn report(answer: &Value) -> Option<Report> {
    let answer = answer.as_object()?;
    match (answer.get("output"), is_error(answer)) {
        (Some(output), false) if answer.len() == 1 => Some(Report::Succeeded(output.clone())),
        (None, true) => {
            let text = |key: &str| match answer.get(key) {
                None | Some(Value::Null) => Some(None),
                Some(value) => value.as_str().map(|text| Some(text.into())),
            };
            let name = match text("error")? {
                Some(name) => TaskErrorName::Named(name),
                None => TaskErrorName::Kind(ErrorKind::Unnamed),
            };
            Some(Report::Failed(TaskError { name, cause: text("cause")?, retry_after_seconds: None }))
        }
        (_, _) => None,
    }
}

fn is_error(answer: &Object) -> bool {
    !answer.is_empty() && answer.iter().all(|(key, _)| matches!(&**key, "error" | "cause"))
}
