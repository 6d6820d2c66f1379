//! What a task that starts an Execution asks for, in the words of each language (fdl.md §6, §7.3; asl.md §13).

use sha2::{Digest as _, Sha256};

use crate::cluster::object::is_name;
use crate::engine::{TaskCommand, TaskError};
use crate::value::{Object, Value};

/// Longest name of an Execution, in characters.
const NAME_CHARS_MAX: usize = crate::api::execution::NAME_CHARS_MAX;

/// Characters of a name that stay where it cannot name an object.
const SLUG_CHARS_MAX: usize = 40;

/// Hexadecimal digits that tell such names apart: 48 bits.
const HASH_CHARS: usize = 12;

/// What stands before the name of a flow in its ARN.
const FLOW_PARTS: [&str; 2] = ["flow/", "flows/"];

/// In whose words a task is written, and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// CloudFlow's; errors of the call begin with the product as it was written.
    Fnf {
        /// `FNF`, `fnf` or `FnF`.
        product: &'static str,
    },
    /// Step Functions'.
    StepFunctions {
        /// Whether outputs are told as text, as `.sync` has it.
        is_text: bool,
    },
}

impl Words {
    /// What an error of the call is called.
    #[must_use]
    pub fn error(&self, code: &str) -> String {
        match self {
            Self::Fnf { product } => format!("{product}.{code}"),
            Self::StepFunctions { .. } => match code {
                "FlowNotExists" => "StepFunctions.StateMachineDoesNotExistException".to_owned(),
                "InvalidArgument" => "StepFunctions.ValidationException".to_owned(),
                "ResourceThrottled" => "StepFunctions.ExecutionLimitExceededException".to_owned(),
                code => format!("StepFunctions.{code}Exception"),
            },
        }
    }

    fn of(resource: &str) -> Self {
        match resource {
            "FNF:StartExecution" => Self::Fnf { product: "FNF" },
            "fnf:StartExecution" => Self::Fnf { product: "fnf" },
            resource if resource.starts_with("acs:fnf:") => Self::Fnf { product: "FnF" },
            resource => Self::StepFunctions { is_text: !resource.contains(":startExecution.sync:2") },
        }
    }
}

/// An Execution to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildRequest {
    /// In whose words.
    pub words: Words,
    /// The Flow.
    pub flow: String,
    /// Which revision or alias.
    pub qualifier: Option<String>,
    /// The name of the Execution, where one is asked for.
    pub name: Option<String>,
    /// Its input.
    pub input: Option<Value>,
    /// Who is told of its end.
    pub callback: Option<String>,
}

/// Names of the members that a language has for what can be asked for.
struct Members {
    flow: Option<&'static str>,
    name: &'static str,
    input: &'static str,
    qualifier: Option<&'static str>,
    callback: Option<&'static str>,
}

impl ChildRequest {
    /// What a task asks for.
    ///
    /// # Errors
    /// Where something is missing or of another shape; the error is called as the API calls it.
    pub fn of(task: &TaskCommand) -> Result<Self, TaskError> {
        let words = Words::of(&task.resource);
        let refuse = |why: String| TaskError::named(words.error("InvalidArgument"), why);
        let resource = &*task.resource;
        let members = members_of(resource);
        let nothing = Object::default();
        let arguments = match &task.arguments {
            Value::Object(arguments) => arguments,
            Value::Null => &nothing,
            other => {
                let found = format!("{} `{}`", other.kind(), other.excerpt(64));
                return Err(refuse(format!(
                    "the parameters of `{resource}` must be an object, found {found}"
                )));
            }
        };
        let known =
            [members.flow, Some(members.name), Some(members.input), members.qualifier, members.callback];
        let is_known = |name: &str| known.into_iter().flatten().any(|known| known == name);
        // What Step Functions has beside them is about tracing.
        if let Some((unknown, _)) =
            arguments.iter().find(|(name, _)| !is_known(name) && &***name != "TraceHeader")
        {
            let known: Vec<_> = known.into_iter().flatten().collect();
            return Err(refuse(format!(
                "`{resource}` has no parameter `{unknown}`; there are {}",
                known.join(", ")
            )));
        }
        let text = |name: &'static str| match arguments.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.to_string())),
            Some(other) => Err(refuse(format!(
                "the parameter `{name}` of `{resource}` must be a text, found {} `{}`",
                other.kind(),
                other.excerpt(64)
            ))),
        };
        let optional = |name: Option<&'static str>| name.map_or(Ok(None), text);
        let flow = match members.flow {
            Some(member) => {
                let named = text(member)?;
                named.ok_or_else(|| refuse(format!("`{resource}` needs the parameter `{member}`")))?
            }
            None => resource.to_owned(),
        };
        let (flow, version) = flow_of(&flow);
        if !is_name(&flow) {
            let why = format!("there is no Flow `{}`: no object can have that name", cut(&flow));
            return Err(TaskError::named(words.error("FlowNotExists"), why));
        }
        let input = arguments.get(members.input).filter(|input| **input != Value::Null).map(unpacked);
        Ok(Self {
            flow,
            qualifier: optional(members.qualifier)?.or(version),
            name: text(members.name)?,
            input,
            callback: optional(members.callback)?,
            words,
        })
    }

    /// The name that the object has, where one was asked for: the same where an object can have it, otherwise
    /// what is left of it and a hash, and the Execution has it as `spec.name`.
    #[must_use]
    pub fn object_name(&self) -> Option<String> {
        let name = self.name.as_deref()?;
        if is_name(name) && name.len() <= NAME_CHARS_MAX && !name.contains('.') {
            return Some(name.to_owned());
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let slug: String = name.chars().map(plain).take(SLUG_CHARS_MAX).collect();
        let digest = Sha256::digest(format!("{}/{name}", self.flow));
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash: String = hash.chars().take(HASH_CHARS).collect();
        let slug = slug.trim_matches('-');
        Some(if slug.is_empty() { format!("run-{hash}") } else { format!("{slug}-{hash}") })
    }
}

fn members_of(resource: &str) -> Members {
    match resource {
        "FNF:StartExecution" => Members {
            flow: Some("resourceArn"),
            name: "executionName",
            input: "input",
            qualifier: Some("qualifier"),
            callback: None,
        },
        "fnf:StartExecution" => Members {
            flow: Some("FlowName"),
            name: "ExecutionName",
            input: "Input",
            qualifier: Some("Qualifier"),
            callback: Some("CallbackFnFTaskToken"),
        },
        resource if resource.starts_with("acs:fnf:") => {
            Members { flow: None, name: "ExecutionName", input: "Input", qualifier: None, callback: None }
        }
        _ => Members {
            flow: Some("StateMachineArn"),
            name: "Name",
            input: "Input",
            qualifier: None,
            callback: None,
        },
    }
}

/// The Flow that an ARN or a plain name is about, and the version or alias that an ARN may end with.
fn flow_of(text: &str) -> (String, Option<String>) {
    if let Some((_, named)) = text.split_once(":stateMachine:") {
        return match named.split_once(':') {
            Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
            None => (named.to_owned(), None),
        };
    }
    let part = text.rsplit(':').next().unwrap_or(text);
    let named = FLOW_PARTS.iter().find_map(|before| part.strip_prefix(before)).unwrap_or(part);
    (named.to_owned(), None)
}

/// The API takes an input as JSON text; a value is meant either way.
fn unpacked(input: &Value) -> Value {
    let parsed = input.as_str().and_then(|text| Value::parse(text).ok());
    parsed.filter(|value| value.as_object().is_some()).unwrap_or_else(|| input.clone())
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ANSWER_BYTES_MAX, TaskErrorName, TaskId};
    use crate::ir::Completion;

    fn ask(resource: &str, arguments: &str) -> Result<ChildRequest, String> {
        let task = TaskCommand {
            id: TaskId::from("A@1"),
            resource: resource.into(),
            arguments: Value::parse(arguments).unwrap(),
            completion: Completion::Response,
            not_before: None,
            deadline: None,
            is_accepted: false,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        ChildRequest::of(&task).map_err(|error| match error.name {
            TaskErrorName::Named(name) => format!("{name}: {}", error.cause.unwrap_or_default()),
            TaskErrorName::Kind(kind) => format!("{kind:?}"),
        })
    }

    #[test]
    fn every_language_says_the_same_in_its_words() {
        let cases = [
            (
                "FNF:StartExecution",
                r#"{"resourceArn": "acs:fnf:::flow/child", "executionName": "n", "input": {"k": 1}}"#,
            ),
            ("fnf:StartExecution", r#"{"FlowName": "child", "ExecutionName": "n", "Input": "{\"k\": 1}"}"#),
            ("acs:fnf:cn-hangzhou:1:flow/child", r#"{"ExecutionName": "n", "Input": {"k": 1}}"#),
            (
                "arn:aws:states:::states:startExecution",
                r#"{"StateMachineArn": "arn:aws:states:us-east-1:1:stateMachine:child", "Name": "n", "Input": {"k": 1}}"#,
            ),
        ];
        for (resource, arguments) in cases {
            let request = ask(resource, arguments).unwrap();
            assert_eq!(
                (&*request.flow, request.object_name().as_deref()),
                ("child", Some("n")),
                "{resource}"
            );
            assert_eq!(request.input, Some(Value::parse(r#"{"k": 1}"#).unwrap()), "{resource}");
        }
        let versioned = ask(
            "arn:aws:states:::states:startExecution.sync:2",
            r#"{"StateMachineArn": "arn:aws:states:r:1:stateMachine:child:prod"}"#,
        );
        let versioned = versioned.unwrap();
        assert_eq!((versioned.qualifier.as_deref(), versioned.name), (Some("prod"), None));
        assert_eq!(versioned.words, Words::StepFunctions { is_text: false });
    }

    #[test]
    fn what_cannot_be_is_refused_by_the_name_of_the_api() {
        let cases = [
            (
                "FNF:StartExecution",
                "[]",
                "FNF.InvalidArgument: the parameters of `FNF:StartExecution` must be an object, found array `[]`",
            ),
            (
                "FNF:StartExecution",
                "{}",
                "FNF.InvalidArgument: `FNF:StartExecution` needs the parameter `resourceArn`",
            ),
            (
                "FNF:StartExecution",
                r#"{"resourceArn": 1}"#,
                "FNF.InvalidArgument: the parameter `resourceArn` of `FNF:StartExecution` must be a text, found number `1`",
            ),
            (
                "fnf:StartExecution",
                r#"{"Flow": "a"}"#,
                "fnf.InvalidArgument: `fnf:StartExecution` has no parameter `Flow`; there are FlowName, ExecutionName, Input, Qualifier, CallbackFnFTaskToken",
            ),
            (
                "acs:fnf:::flow/../x",
                "{}",
                "FnF.FlowNotExists: there is no Flow `../x`: no object can have that name",
            ),
        ];
        for (resource, arguments, expected) in cases {
            assert_eq!(ask(resource, arguments).unwrap_err(), expected);
        }
    }

    #[test]
    fn names_that_no_object_can_have_keep_what_can_be_kept_and_never_meet() {
        let named = |name: &str| {
            let request = ask("acs:fnf:::flow/child", &format!(r#"{{"ExecutionName": "{name}"}}"#)).unwrap();
            request.object_name().unwrap()
        };
        let names = ["My_Exec", "my-exec", "My-Exec", "a.b", "ü", "___"];
        let objects: Vec<_> = names.iter().map(|name| named(name)).collect();
        assert!(objects[0].starts_with("my-exec-") && objects[1] == "my-exec", "{objects:?}");
        assert!(objects.iter().all(|name| is_name(name) && name.len() <= NAME_CHARS_MAX), "{objects:?}");
        let distinct: std::collections::BTreeSet<_> = objects.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(named(&"x".repeat(200)).len() <= NAME_CHARS_MAX);
    }
}
