//! Calls of functions: which function, with what event, and what its errors are called (fdl.md §5.1,
//! §7.3; asl.md §10, §13).

use reqwest::StatusCode;

use crate::engine::TaskCommand;
use crate::value::{Object, Str, Value};

use super::answer::{Answer, Convention, thrown};

/// A service that runs functions, by the way it is called and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Function Compute.
    Fc,
    /// Lambda.
    Lambda,
}

/// A task that calls a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionCall<'t> {
    platform: Platform,
    /// The function as the definition names it: a binding may be about it. Nothing where the task names
    /// none.
    pub function: Option<&'t str>,
    /// Its event.
    pub event: Option<&'t Value>,
    is_wrapped: bool,
}

impl<'t> FunctionCall<'t> {
    /// The call that a task is, nothing for a task of another kind.
    #[must_use]
    pub fn of(task: &'t TaskCommand) -> Option<Self> {
        let arguments = &task.arguments;
        let resource = &*task.resource;
        let member = |name: &str| arguments.get(name);
        let named = |name: &str| member(name).and_then(Value::as_str);
        let call = |platform, function, event, is_wrapped| Self { platform, function, event, is_wrapped };
        if resource == "FC:InvokeFunction" {
            return Some(call(Platform::Fc, named("resourceArn"), member("body").or(Some(arguments)), false));
        }
        if resource.starts_with("acs:fc:") {
            return Some(call(Platform::Fc, Some(resource), Some(arguments), false));
        }
        match service(resource)? {
            ("lambda", _) => Some(call(Platform::Lambda, Some(resource), Some(arguments), false)),
            ("states", action) if action == "lambda:invoke" || action.starts_with("lambda:invoke.") => {
                Some(call(Platform::Lambda, named("FunctionName"), member("Payload"), true))
            }
            _ => None,
        }
    }

    pub(super) fn convention(&self) -> Convention {
        Convention::Function { platform: self.platform, is_wrapped: self.is_wrapped }
    }
}

/// Service and action of an `arn:<partition>:<service>:<region>:<account>:<action>`.
fn service(resource: &str) -> Option<(&str, &str)> {
    let mut parts = resource.splitn(6, ':');
    let (arn, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    let action = parts.nth(2)?;
    (arn == "arn").then_some((service, action))
}

impl Platform {
    /// Name and cause of the error in an answer, nothing where there is none or no word for it.
    pub(super) fn error(self, answer: &Answer, is_refused: bool) -> Option<(Str, Str)> {
        let header = match self {
            Self::Fc => "x-fc-error-type",
            Self::Lambda => "x-amz-function-error",
        };
        let is_thrown = answer.headers.contains_key(header);
        if let Some(thrown) = thrown(&answer.body).filter(|_| is_thrown || is_refused) {
            return Some(thrown);
        }
        if is_thrown {
            return Some((self.unknown().into(), answer.refusal().into()));
        }
        if !is_refused {
            return None;
        }
        let name = match (self, answer.body.get("ErrorCode").and_then(Value::as_str)) {
            (Self::Fc, Some(code)) => format!("FC.{code}").into(),
            (Self::Fc, None) => fc_status(answer.status).into(),
            (Self::Lambda, _) => lambda_status(answer.status).into(),
        };
        Some((name, answer.refusal().into()))
    }

    /// The error of a function that failed without saying why.
    fn unknown(self) -> &'static str {
        match self {
            Self::Fc => "FC.Unknown",
            Self::Lambda => "Lambda.Unknown",
        }
    }
}

fn fc_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "FC.ResourceThrottled",
        StatusCode::NOT_FOUND => "FC.FunctionNotFound",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "FC.AccessDenied",
        status if status.is_server_error() => "FC.InternalServerError",
        _ => "FC.InvalidArgument",
    }
}

fn lambda_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "Lambda.TooManyRequestsException",
        StatusCode::NOT_FOUND => "Lambda.ResourceNotFoundException",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "Lambda.AccessDeniedException",
        status if status.is_server_error() => "Lambda.ServiceException",
        _ => "Lambda.InvalidRequestContentException",
    }
}

/// The result of `lambda:invoke`: `{ExecutedVersion, Payload, SdkHttpMetadata, SdkResponseMetadata,
/// StatusCode}` (asl.md §13).
pub(super) fn wrapped(answer: Answer) -> Value {
    let object = |members: Vec<(&str, Value)>| Value::Object(members.into_iter().collect::<Object>());
    let status = Value::from(u32::from(answer.status.as_u16()));
    let http = vec![
        ("AllHttpHeaders", object(vec![])),
        ("HttpHeaders", object(vec![])),
        ("HttpStatusCode", status.clone()),
    ];
    object(vec![
        ("ExecutedVersion", Value::from("$LATEST")),
        ("Payload", answer.body),
        ("SdkHttpMetadata", object(http)),
        ("SdkResponseMetadata", object(vec![("RequestId", Value::from(answer.idempotency_key))])),
        ("StatusCode", status),
    ])
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;
    use crate::engine::ANSWER_BYTES_MAX;
    use crate::ir::Completion;

    fn task(resource: &str, arguments: &str) -> TaskCommand {
        TaskCommand {
            id: "T@1".into(),
            resource: resource.into(),
            arguments: Value::parse(arguments).unwrap(),
            completion: Completion::Response,
            not_before: None,
            deadline: None,
            is_accepted: false,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    #[test]
    fn every_way_to_call_a_function_names_it_and_its_event() {
        let cases = [
            (
                "FC:InvokeFunction",
                r#"{"resourceArn": "acs:fc:::f", "body": {"a": 1}}"#,
                "acs:fc:::f",
                r#"{"a":1}"#,
            ),
            (
                "acs:fc:::services/s/functions/f",
                r#"{"a": 1}"#,
                "acs:fc:::services/s/functions/f",
                r#"{"a":1}"#,
            ),
            ("arn:aws:lambda:us-east-1:1:function:f", "[1]", "arn:aws:lambda:us-east-1:1:function:f", "[1]"),
            ("arn:aws:states:::lambda:invoke", r#"{"FunctionName": "f", "Payload": 1}"#, "f", "1"),
            (
                "arn:aws-cn:states:::lambda:invoke.waitForTaskToken",
                r#"{"FunctionName": "f", "Payload": "x"}"#,
                "f",
                "\"x\"",
            ),
        ];
        for (resource, arguments, function, event) in cases {
            let task = task(resource, arguments);
            let call = FunctionCall::of(&task).unwrap();
            assert_eq!(call.function, Some(function), "{resource}");
            assert_eq!(call.event.unwrap().to_json(), event, "{resource}");
        }
        for resource in ["HTTP:Request", "arn:aws:states:::sqs:sendMessage", "lambda", "arn:aws:lambda", ""] {
            assert_eq!(FunctionCall::of(&task(resource, "{}")), None, "{resource}");
        }
    }

    fn answer(status: u16, header: Option<&'static str>, body: &str) -> Answer {
        let headers = header.map(|name| (name.parse().unwrap(), HeaderValue::from_static("Unhandled")));
        Answer {
            what: "POST http://f/".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.into_iter().collect::<HeaderMap>(),
            body: Value::parse(body).unwrap(),
            idempotency_key: "k".to_owned(),
        }
    }

    #[test]
    fn errors_have_the_names_that_definitions_catch() {
        let thrown = r#"{"errorType": "BookError", "errorMessage": "full"}"#;
        let (fc, lambda) = (Platform::Fc, Platform::Lambda);
        let cases = [
            (fc, 200, None, thrown, None),
            (fc, 200, Some("x-fc-error-type"), thrown, Some("BookError")),
            (fc, 200, Some("x-fc-error-type"), "1", Some("FC.Unknown")),
            (fc, 502, None, thrown, Some("BookError")),
            (fc, 429, None, r#"{"ErrorCode": "ResourceExhausted"}"#, Some("FC.ResourceExhausted")),
            (fc, 429, None, "null", Some("FC.ResourceThrottled")),
            (fc, 404, None, "null", Some("FC.FunctionNotFound")),
            (fc, 403, None, "null", Some("FC.AccessDenied")),
            (fc, 400, None, "null", Some("FC.InvalidArgument")),
            (fc, 500, None, "null", Some("FC.InternalServerError")),
            (lambda, 200, Some("x-amz-function-error"), thrown, Some("BookError")),
            (lambda, 200, Some("x-amz-function-error"), "null", Some("Lambda.Unknown")),
            (lambda, 200, None, "{}", None),
            (lambda, 429, None, "{}", Some("Lambda.TooManyRequestsException")),
            (lambda, 404, None, "{}", Some("Lambda.ResourceNotFoundException")),
            (lambda, 503, None, "{}", Some("Lambda.ServiceException")),
        ];
        for (platform, status, header, body, expected) in cases {
            let convention = Convention::Function { platform, is_wrapped: false };
            let found = convention.result(answer(status, header, body)).err().map(|error| match error.name {
                crate::engine::TaskErrorName::Named(name) => name.to_string(),
                other @ crate::engine::TaskErrorName::Kind(_) => format!("{other:?}"),
            });
            assert_eq!(found.as_deref(), expected, "{platform:?} {status} {header:?} {body}");
        }
    }

    #[test]
    fn the_cause_of_what_a_function_threw_is_the_text_it_threw() {
        let thrown = r#"{"errorType":"E","errorMessage":"m"}"#;
        let convention = Convention::Function { platform: Platform::Lambda, is_wrapped: true };
        let error = convention.result(answer(200, Some("x-amz-function-error"), thrown)).unwrap_err();
        assert_eq!(error.cause.as_deref(), Some(thrown));
    }

    #[test]
    fn lambda_invoke_wraps_what_the_function_gave() {
        let convention = Convention::Function { platform: Platform::Lambda, is_wrapped: true };
        let result = convention.result(answer(200, None, "[1]")).unwrap();
        let names: Vec<_> = result.as_object().unwrap().iter().map(|(name, _)| &**name).collect();
        assert_eq!(
            names,
            ["ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode"]
        );
        assert_eq!(result.get("Payload").unwrap().to_json(), "[1]");
    }
}
