//! What the answer to a request means for the task it was sent for.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

use crate::engine::TaskError;
use crate::ir::ErrorKind;
use crate::value::{Object, Str, Value};

use super::function::Platform;

/// Most of an answer that is shown in the cause of an error, in characters.
const EXCERPT_CHARS_MAX: usize = 256;

/// Longest wish for a pause that is listened to, in seconds.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 3_600;

/// How the result of a task is made of an answer, and what its errors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Convention {
    /// That of `HTTP:Request`: `{statusCode, headers, body}`, `HTTP.<code>`.
    Request,
    /// That of `http:invoke` (asl.md §13): `{StatusCode, StatusText, Headers, ResponseBody}`,
    /// `States.Http.StatusCode.<code>`.
    Invoke,
    /// That of whatever is bound to a URL: the body, and `HTTP.<code>`.
    Bound,
    /// That of a service which runs functions.
    Function {
        /// Which one.
        platform: Platform,
        /// Whether the result is wrapped as that of `lambda:invoke`.
        is_wrapped: bool,
    },
}

/// An answer as it arrived.
#[derive(Debug)]
pub(super) struct Answer {
    /// Method and URL it is the answer to, for messages.
    pub(super) what: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// JSON where it is JSON, else the text; `null` where there is none.
    pub(super) body: Value,
    /// The key the request was sent under.
    pub(super) idempotency_key: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Timeout,
    InvalidResponse,
    Unreachable,
}

impl Convention {
    /// The result in an answer.
    ///
    /// # Errors
    /// Where the answer is one.
    pub(super) fn result(self, answer: Answer) -> Result<Value, TaskError> {
        if let Some(error) = self.error(&answer) {
            return Err(error);
        }
        Ok(match self {
            Self::Request => whole(&answer),
            Self::Invoke => invoked(&answer),
            Self::Bound | Self::Function { is_wrapped: false, .. } => answer.body,
            Self::Function { is_wrapped: true, .. } => super::function::wrapped(answer),
        })
    }

    fn error(self, answer: &Answer) -> Option<TaskError> {
        let is_refused = answer.status.is_client_error() || answer.status.is_server_error();
        let named = match self {
            Self::Function { platform, .. } => platform.error(answer, is_refused),
            Self::Request | Self::Invoke | Self::Bound => None,
        };
        let error = match named {
            Some((name, cause)) => TaskError::named(name, cause),
            None if is_refused => TaskError::named(self.status_name(answer.status), answer.refusal()),
            None => return None,
        };
        Some(TaskError { retry_after_seconds: answer.retry_after_seconds(), ..error })
    }

    fn status_name(self, status: StatusCode) -> String {
        match self {
            Self::Invoke => format!("States.Http.StatusCode.{}", status.as_u16()),
            Self::Request | Self::Bound | Self::Function { .. } => format!("HTTP.{}", status.as_u16()),
        }
    }

    /// What it is called that there is no answer.
    pub(super) fn silence(self, silence: Silence) -> &'static str {
        match (self, silence) {
            (Self::Invoke, _) => "States.Http.Socket",
            (Self::Function { platform: Platform::Lambda, .. }, _) => "Lambda.SdkClientException",
            (Self::Function { platform: Platform::Fc, .. }, _) => "FC.Unknown",
            (Self::Request | Self::Bound, Silence::Timeout) => "HTTP.Timeout",
            (Self::Request | Self::Bound, Silence::InvalidResponse) => "HTTP.InvalidResponse",
            (Self::Request | Self::Bound, Silence::Unreachable) => "HTTP.Unreachable",
        }
    }
}

impl Answer {
    /// What was refused, and how, for a person.
    pub(super) fn refusal(&self) -> String {
        let shown = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => {
                format!(": {}", text.chars().take(EXCERPT_CHARS_MAX).collect::<String>())
            }
            body @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                format!(": {}", body.excerpt(EXCERPT_CHARS_MAX))
            }
        };
        format!("{} was answered with {}{shown}", self.what, self.status)
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        // The other form, a date, is rare and as good as no wish.
        let wait: Option<u64> = wait.and_then(|seconds| seconds.trim().parse().ok());
        wait.map(|seconds| seconds.min(RETRY_AFTER_SECONDS_MAX))
    }
}

/// The error that a function threw: runtimes of functions tell it as `{errorType, errorMessage, …}`.
/// The cause is the whole of it as text, as the services have it (asl.md §10).
pub(super) fn thrown(body: &Value) -> Option<(Str, Str)> {
    let name = body.get("errorType")?.as_str().filter(|name| !name.is_empty())?;
    Some((name.into(), body.to_json().into()))
}

/// The value of a body: JSON where the answer says that it is JSON, or a function gave it, and it is; text
/// otherwise; `null` where there is none.
///
/// # Errors
/// Where it is no text, or JSON that is nested too deep.
pub(super) fn read_body(
    convention: Convention,
    what: &str,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<Value, TaskError> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let text = String::from_utf8(body).map_err(|_| {
        TaskError::named("HTTP.InvalidResponse", format!("{what}: the answer is no UTF-8 text"))
    })?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Functions answer in JSON, whatever their runtimes say of it.
    let is_function = matches!(convention, Convention::Function { .. });
    let is_json = is_function || essence == "application/json" || essence.ends_with("+json");
    if !is_json {
        return Ok(Value::from(text));
    }
    match Value::parse(&text) {
        Ok(value) => Ok(value),
        Err(error @ crate::value::ParseError::TooDeep { .. }) => {
            Err(TaskError::of(ErrorKind::DataLimit, format!("{what}: the answer is {error}")))
        }
        Err(_) => Ok(Value::from(text)),
    }
}

/// `{statusCode, headers, body}`; several values of a header are one text.
fn whole(answer: &Answer) -> Value {
    let headers = headers(answer).map(|(name, values)| (name, Value::from(values.join(", "))));
    let members = [
        ("statusCode", Value::from(u32::from(answer.status.as_u16()))),
        ("headers", Value::Object(headers.collect::<Object>())),
        ("body", answer.body.clone()),
    ];
    Value::Object(members.into_iter().collect())
}

/// `{Headers, ResponseBody, StatusCode, StatusText}`; each header is a list.
fn invoked(answer: &Answer) -> Value {
    let headers = headers(answer).map(|(name, values)| (name, values.into_iter().map(Value::from).collect()));
    let members = [
        ("Headers", Value::Object(headers.collect::<Object>())),
        ("ResponseBody", answer.body.clone()),
        ("StatusCode", Value::from(u32::from(answer.status.as_u16()))),
        ("StatusText", Value::from(answer.status.canonical_reason().unwrap_or_default())),
    ];
    Value::Object(members.into_iter().collect())
}

fn headers(answer: &Answer) -> impl Iterator<Item = (Str, Vec<String>)> {
    answer.headers.keys().map(|name| {
        let values = answer.headers.get_all(name).iter();
        let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        (name.as_str().into(), values.collect())
    })
}
