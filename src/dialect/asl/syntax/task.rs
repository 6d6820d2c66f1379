//! Tasks (asl.md §11 and §13).

use crate::diagnostic::Code;

use super::super::super::reader::{Field, Fields, Problems, Text};
use super::Reading;
use super::field::Computed;

#[derive(Debug)]
pub(in super::super) struct Task<'n> {
    pub(in super::super) resource: Option<Text>,
    pub(in super::super) timeout: Option<Computed<'n>>,
    pub(in super::super) heartbeat: Option<Computed<'n>>,
    pub(in super::super) credentials: Option<Field<'n>>,
}

impl<'n> Task<'n> {
    pub(super) fn read(fields: &mut Fields<'n>, reading: Reading<'_>) -> Self {
        Self {
            resource: read_resource(fields, reading.problems),
            timeout: Computed::read(fields, "TimeoutSeconds", "TimeoutSecondsPath", reading),
            heartbeat: Computed::read(fields, "HeartbeatSeconds", "HeartbeatSecondsPath", reading),
            credentials: fields.given("Credentials"),
        }
    }
}

/// `Resource`: a URI, never an expression (§1).
pub(super) fn read_resource(fields: &mut Fields<'_>, problems: &Problems) -> Option<Text> {
    let field = fields.needed("Resource", problems)?;
    let text = field.text(problems)?;
    if !is_uri(&text.value) {
        let message = format!("`{}` is no ARN and no other URI", text.value);
        let help = "such as `arn:aws:states:::http:invoke`, `arn:aws:lambda:eu-west-1:123456789012:function:name` or `HTTP:Request`";
        problems.push(field.problem(Code::InvalidValue, message).with_help(help));
    }
    Some(text)
}

/// Whether there is a scheme with something behind it, and no blank.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme && !rest.is_empty() && !text.contains(char::is_whitespace)
}
