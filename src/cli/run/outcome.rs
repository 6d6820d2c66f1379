//! How a run ended, for people and for programs.

use crate::engine::Outcome;
use crate::value::{Object, Str, Value};

use super::super::ending;

/// `{"status", "output", "error", "cause"}`; what there is none of is absent. This is a contract.
pub(super) fn to_json(outcome: &Outcome) -> Value {
    let (error, cause) = reason(outcome);
    let output = match outcome {
        Outcome::Succeeded(output) => Some(output.clone()),
        Outcome::Failed(_) | Outcome::TimedOut | Outcome::Stopped(_) => None,
    };
    let members = [
        ("status", Some(Value::from(status(outcome)))),
        ("output", output),
        ("error", error.map(Value::from)),
        ("cause", cause.map(Value::from)),
    ];
    Value::Object(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Object>())
}

/// The output of a run that succeeded, laid out.
///
/// # Errors
/// Of any other run, what to tell a person of its end.
pub(super) fn to_text(outcome: &Outcome) -> Result<String, String> {
    if let Outcome::Succeeded(output) = outcome {
        return Ok(serde_json::to_string_pretty(output).unwrap_or_else(|_| output.to_json()));
    }
    let (error, cause) = reason(outcome);
    Err(ending::to_text(status(outcome), error.as_deref(), cause.as_deref()))
}

/// Exit status of the program.
pub(super) fn exit_status(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Succeeded(_) => 0,
        Outcome::Failed(_) | Outcome::TimedOut | Outcome::Stopped(_) => 1,
    }
}

fn status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded(_) => "Succeeded",
        Outcome::Failed(_) => "Failed",
        Outcome::TimedOut => "TimedOut",
        Outcome::Stopped(_) => "Stopped",
    }
}

fn reason(outcome: &Outcome) -> (Option<Str>, Option<Str>) {
    match outcome {
        Outcome::Succeeded(_) | Outcome::TimedOut => (None, None),
        Outcome::Failed(failure) => (failure.name.clone(), failure.cause.clone()),
        Outcome::Stopped(stop) => (stop.error.clone(), stop.cause.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Stop, StopMode};

    #[test]
    fn what_there_is_none_of_is_absent() {
        let succeeded = Outcome::Succeeded(Value::Null);
        assert_eq!(to_json(&succeeded).to_json(), r#"{"status":"Succeeded","output":null}"#);
        assert_eq!(to_json(&Outcome::TimedOut).to_json(), r#"{"status":"TimedOut"}"#);
        let stop = Stop { cause: Some("c".into()), ..Stop::new(StopMode::Terminate) };
        assert_eq!(to_json(&Outcome::Stopped(stop)).to_json(), r#"{"status":"Stopped","cause":"c"}"#);
    }

    #[test]
    fn only_success_is_success() {
        assert_eq!(exit_status(&Outcome::Succeeded(Value::Null)), 0);
        assert_eq!(exit_status(&Outcome::TimedOut), 1);
        assert_eq!(exit_status(&Outcome::Stopped(Stop::new(StopMode::Cancel))), 1);
    }
}
