//! What is said of an execution where it is started, for its definition to read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::ExecutionSpec;
use crate::api::execution::{PARAMETER_CHARS_MAX, PARAMETERS_MAX, TAGS_MAX, WORD_CHARS_MAX};

/// Arguments that `start` and `run` share.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Attributes {
    /// Tag to find it by; repeat it for more, up to five
    #[arg(long = "tag", value_name = "TAG", value_parser = parse_tag)]
    tags: Vec<String>,
    /// Parameter that the definition can read; repeat it for more
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, String)>,
    /// Priority among executions that wait for the same, higher ones first
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    priority: Option<i32>,
    /// List whose workers do the tasks
    #[arg(long, value_name = "NAME", value_parser = parse_word)]
    task_list: Option<String>,
    /// Instant that it is for, such as 2026-11-21T07:06:07Z, whenever it runs
    #[arg(long, value_name = "TIME")]
    scheduled_time: Option<Timestamp>,
}

impl Attributes {
    /// The spec of an execution of which all this is said.
    ///
    /// # Errors
    /// Where there are too many things, or two of one name.
    pub(super) fn spec(&self) -> Result<ExecutionSpec, String> {
        if self.tags.len() > TAGS_MAX {
            return Err(format!("--tag is given {} times, at most {TAGS_MAX} are allowed", self.tags.len()));
        }
        let parameters: BTreeMap<_, _> = self.parameters.iter().cloned().collect();
        if parameters.len() < self.parameters.len() {
            return Err("--parameter is given twice with the same name".to_owned());
        }
        if parameters.len() > PARAMETERS_MAX {
            let count = parameters.len();
            return Err(format!("--parameter is given {count} times, at most {PARAMETERS_MAX} are allowed"));
        }
        Ok(ExecutionSpec {
            tags: self.tags.clone(),
            parameters,
            priority: self.priority,
            task_list: self.task_list.clone(),
            scheduled_time: self.scheduled_time,
            ..ExecutionSpec::default()
        })
    }
}

fn parse_tag(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    match length {
        1..=WORD_CHARS_MAX if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        1..=WORD_CHARS_MAX => Err("a tag must not contain control characters".to_owned()),
        _ => Err(format!("a tag has 1 to {WORD_CHARS_MAX} characters, found {length}")),
    }
}

fn parse_word(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    match length {
        1..=WORD_CHARS_MAX => Ok(text.to_owned()),
        _ => Err(format!("a name has 1 to {WORD_CHARS_MAX} characters, found {length}")),
    }
}

fn parse_parameter(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err("expected NAME=VALUE".to_owned());
    };
    let length = value.chars().count();
    if length > PARAMETER_CHARS_MAX {
        return Err(format!("a value has at most {PARAMETER_CHARS_MAX} characters, found {length}"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
