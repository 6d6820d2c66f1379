//! Requests, as the arguments of tasks and bindings ask for them.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::engine::TaskError;
use crate::value::Value;

use super::answer::Convention;
use super::function::FunctionCall;

/// A request that can be sent.
#[derive(Debug)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) convention: Convention,
    /// A header came from a Secret: it goes to whom it was meant for and to nobody else.
    pub(super) holds_secret: bool,
}

/// What the parameters of a request are called.
struct Names {
    convention: Convention,
    url: &'static str,
    method: &'static str,
    headers: &'static str,
    query: &'static str,
    body: &'static str,
    timeout: &'static str,
    /// What there is beside them.
    others: &'static [&'static str],
}

const REQUEST: Names = Names {
    convention: Convention::Request,
    url: "url",
    method: "method",
    headers: "headers",
    query: "query",
    body: "body",
    timeout: "timeoutSeconds",
    others: &[],
};

const INVOCATION: Names = Names {
    convention: Convention::Invoke,
    url: "ApiEndpoint",
    method: "Method",
    headers: "Headers",
    query: "QueryParameters",
    body: "RequestBody",
    // A state's own time-out is the only one.
    timeout: "",
    others: &["Transform", "Authentication", "InvocationConfig"],
};

impl Names {
    fn all(&self) -> impl Iterator<Item = &'static str> {
        let own = [self.url, self.method, self.headers, self.query, self.body, self.timeout];
        own.into_iter().filter(|name| !name.is_empty()).chain(self.others.iter().copied())
    }
}

impl Request {
    /// The request that the arguments of `HTTP:Request` ask for:
    /// `{url, method = GET, headers, query, body, timeoutSeconds}`.
    ///
    /// # Errors
    /// Where a member has the wrong shape; the cause names it, what was found and what was expected.
    pub fn from_arguments(arguments: &Value) -> Result<Self, TaskError> {
        Self::read(arguments, &REQUEST)
    }

    /// The request that the arguments of `http:invoke` ask for (asl.md §13): `{ApiEndpoint, Method,
    /// Headers, QueryParameters, RequestBody, Transform}`. Connections are not known here: what they
    /// would add comes from the headers of a binding.
    ///
    /// # Errors
    /// As [`Self::from_arguments`].
    pub fn from_invocation(arguments: &Value) -> Result<Self, TaskError> {
        Self::read(arguments, &INVOCATION)
    }

    fn read(arguments: &Value, names: &Names) -> Result<Self, TaskError> {
        let arguments = arguments.as_object().ok_or_else(|| {
            refuse(format!(
                "the parameters must be an object, found {} `{}`",
                arguments.kind(),
                arguments.excerpt(64)
            ))
        })?;
        if let Some((unknown, _)) =
            arguments.iter().find(|(name, _)| !names.all().any(|known| known == &***name))
        {
            let known = names.all().collect::<Vec<_>>().join(", ");
            return Err(refuse(format!("there is no parameter `{unknown}`; there are {known}")));
        }
        let present = |name: &str| arguments.get(name).filter(|value| **value != Value::Null);
        let url =
            present(names.url).ok_or_else(|| refuse(format!("the parameter `{}` is missing", names.url)))?;
        let mut url = parse_url(names.url, url)?;
        if let Some(query) = present(names.query) {
            let pairs = scalars(names.query, query)?;
            url.query_pairs_mut().extend_pairs(pairs.iter().map(|(name, value)| (&**name, &**value)));
        }
        let method = present(names.method).map_or(Ok(Method::GET), |method| {
            let name = method.as_str().map(str::to_ascii_uppercase).unwrap_or_default();
            Method::from_bytes(name.as_bytes()).map_err(|_| expected(names.method, "an HTTP method", method))
        })?;
        let mut headers = HeaderMap::new();
        let pairs =
            present(names.headers).map_or(Ok(Vec::new()), |headers| scalars(names.headers, headers))?;
        for (name, value) in pairs {
            insert_header(&mut headers, &name, &value)?;
        }
        let timeout = present(names.timeout).map(|timeout| {
            let seconds = timeout.as_i64().and_then(|seconds| u64::try_from(seconds).ok());
            let seconds = seconds.filter(|seconds| *seconds > 0);
            seconds.ok_or_else(|| expected(names.timeout, "a whole number from 1", timeout))
        });
        let is_form = present("Transform").and_then(|transform| transform.get("RequestBodyEncoding"))
            == Some(&Value::from("URL_ENCODED"));
        let body = match present(names.body) {
            Some(body) if is_form => Some(write_form(names.body, body, &mut headers)?),
            Some(body) => Some(write_body(body, &mut headers)),
            None => None,
        };
        let timeout = timeout.transpose()?.map(Duration::from_secs);
        Ok(Self { method, url, headers, body, timeout, convention: names.convention, holds_secret: false })
    }

    /// A request that posts a payload as JSON to a URL; the answer's body is the result.
    ///
    /// # Errors
    /// Where the URL or a header is none.
    pub fn post(
        url: &str,
        headers: &[(String, String)],
        payload: &Value,
        timeout_seconds: Option<u64>,
    ) -> Result<Self, TaskError> {
        let url = parse_url("url", &Value::from(url))?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            insert_header(&mut map, name, value)?;
        }
        map.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        Ok(Self {
            method: Method::POST,
            url,
            headers: map,
            body: Some(payload.to_json().into_bytes()),
            timeout: timeout_seconds.map(Duration::from_secs),
            convention: Convention::Bound,
            holds_secret: false,
        })
    }

    /// The same request to a service that runs functions: its answer is read as such.
    #[must_use]
    pub fn calling(self, function: &FunctionCall<'_>) -> Self {
        Self { convention: function.convention(), ..self }
    }

    /// The same request with a header from a Secret, or without.
    #[must_use]
    pub fn with_secret(self, holds_secret: bool) -> Self {
        Self { holds_secret, ..self }
    }
}

fn refuse(cause: impl AsRef<str>) -> TaskError {
    TaskError::named("HTTP.InvalidRequest", cause.as_ref())
}

fn expected(parameter: &str, expected: &str, found: &Value) -> TaskError {
    refuse(format!("the parameter `{parameter}` must be {expected}, found `{}`", found.excerpt(64)))
}

fn parse_url(parameter: &str, url: &Value) -> Result<Url, TaskError> {
    let text = url.as_str().ok_or_else(|| expected(parameter, "a string", url))?;
    // The text may hold credentials, so it is not shown.
    let url = Url::parse(text).map_err(|error| refuse(format!("the URL cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse(format!("only http and https URLs can be called, found `{}:`", url.scheme())));
    }
    Ok(url)
}

/// The members of an object as text; `null` members are left out.
fn scalars(parameter: &str, value: &Value) -> Result<Vec<(String, String)>, TaskError> {
    let members = value.as_object().ok_or_else(|| expected(parameter, "an object", value))?;
    let mut out = Vec::with_capacity(members.len());
    for (name, value) in members.iter() {
        match value {
            Value::Null => {}
            Value::String(text) => out.push((name.to_string(), text.to_string())),
            Value::Bool(_) | Value::Number(_) => out.push((name.to_string(), value.to_json())),
            Value::Array(_) | Value::Object(_) => {
                let member = format!("{parameter}.{name}");
                return Err(expected(&member, "a string, a number or a boolean", value));
            }
        }
    }
    Ok(out)
}

fn insert_header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), TaskError> {
    // Values may be secrets: they are not shown.
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| refuse(format!("`{}` is no name of a header", Value::from(name).excerpt(64))))?;
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        refuse(format!("the value of header `{header}` has characters that no header may have"))
    })?;
    value.set_sensitive(true);
    headers.insert(header, value);
    Ok(())
}

/// The members of an object as a web form sends them.
fn write_form(parameter: &str, body: &Value, headers: &mut HeaderMap) -> Result<Vec<u8>, TaskError> {
    let pairs = scalars(parameter, body)?;
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/x-www-form-urlencoded"));
    let mut form = Url::parse("http://form/").map_err(|error| refuse(error.to_string()))?;
    form.query_pairs_mut().extend_pairs(pairs.iter().map(|(name, value)| (&**name, &**value)));
    Ok(form.query().unwrap_or_default().as_bytes().to_vec())
}

/// Text goes out as it is, everything else as JSON.
fn write_body(body: &Value, headers: &mut HeaderMap) -> Vec<u8> {
    let (content_type, bytes) = match body.as_str() {
        Some(text) => ("text/plain; charset=utf-8", text.as_bytes().to_vec()),
        None => ("application/json", body.to_json().into_bytes()),
    };
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    bytes
}
