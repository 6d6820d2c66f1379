//! HTTP tasks: `HTTP:Request`, and anything that is bound to a URL.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url, redirect};

use crate::engine::{Report, TaskError};
use crate::ir::{Completion, ErrorKind};
use crate::value::{Object, Value};

use super::egress::{Egress, GuardedResolver, Refused};

/// Most of an answer that is read, in bytes. The languages allow less and say so by their own error;
/// this keeps a service that never stops from filling the controller's memory.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Longest wish for a pause that is listened to, in seconds.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 3_600;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Most of an answer that is shown in the cause of an error, in characters.
const EXCERPT_CHARS_MAX: usize = 256;

/// Header by which a service can tell a repetition from a new wish.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request that can be sent.
#[derive(Debug)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    answer: Answer,
    /// A header came from a Secret: it goes to whom it was meant for and to nobody else.
    holds_secret: bool,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The whole of it, as `{statusCode, headers, body}`.
    Whole,
    /// Its body.
    Body,
}

/// Sends requests.
#[derive(Clone, Debug)]
pub struct HttpCaller {
    client: reqwest::Client,
    /// Follows no redirect to another host.
    loyal: reqwest::Client,
    egress: Arc<Egress>,
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made: {0}")]
pub struct BuildError(#[from] reqwest::Error);

impl HttpCaller {
    /// A caller that keeps to `egress`.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(egress: Egress) -> Result<Self, BuildError> {
        let egress = Arc::new(egress);
        Ok(Self { client: client(&egress, false)?, loyal: client(&egress, true)?, egress })
    }

    /// Sends a request and says what came of it. The answer to a repetition under the same key is up
    /// to the service.
    pub async fn call(&self, request: Request, idempotency_key: &str) -> Report {
        match self.answer(request, idempotency_key).await {
            Ok(value) => Report::Accepted(value),
            Err(error) => Report::Failed(error),
        }
    }

    async fn answer(&self, request: Request, idempotency_key: &str) -> Result<Value, TaskError> {
        let Request { method, url, mut headers, body, timeout, answer, holds_secret } = request;
        if let Some(address) = literal_address(&url) {
            self.egress.check(address).map_err(|refused| egress_error(&refused))?;
        }
        let shown = shown(&url);
        if !headers.contains_key(IDEMPOTENCY_KEY)
            && let Ok(key) = HeaderValue::from_str(idempotency_key)
        {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        let client = if holds_secret { &self.loyal } else { &self.client };
        let mut builder = client.request(method.clone(), url).headers(headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        let what = format!("{method} {shown}");
        let mut response = builder.send().await.map_err(|error| transport_error(&what, &error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(&what, &error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let cause = format!("{what}: the answer has more than {ANSWER_BYTES_MAX} bytes");
                return Err(TaskError::of(ErrorKind::DataLimit, cause));
            }
            body.extend_from_slice(&chunk);
        }
        let body = read_body(&what, &headers, body)?;
        if status.is_client_error() || status.is_server_error() {
            return Err(status_error(&what, status, &headers, &body));
        }
        Ok(match answer {
            Answer::Body => body,
            Answer::Whole => whole_answer(status, &headers, body),
        })
    }
}

/// A client that keeps to `egress`. One that is loyal follows redirects within a host only.
fn client(egress: &Arc<Egress>, is_loyal: bool) -> Result<reqwest::Client, reqwest::Error> {
    let guard = egress.clone();
    let redirects = redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > REDIRECTS_MAX {
            return attempt.error("too many redirects");
        }
        let leaves = attempt.previous().first().is_some_and(|first| first.origin() != attempt.url().origin());
        if is_loyal && leaves {
            return attempt.error(Disloyal);
        }
        match literal_address(attempt.url()).map(|address| guard.check(address)) {
            Some(Err(refused)) => attempt.error(refused),
            Some(Ok(())) | None => attempt.follow(),
        }
    });
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config())
        .dns_resolver(GuardedResolver(egress.clone()))
        .redirect(redirects)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A redirect that would take the value of a Secret elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("a request with a header from a Secret is not redirected to another host")]
struct Disloyal;

/// What the outcome of a call says of the task it was made for. Whoever was called has done the work
/// when the answer is there; nobody else would report its end. Only what a callback is awaited for
/// goes on.
#[must_use]
pub fn conclude(completion: Completion, outcome: Report) -> Report {
    match (completion, outcome) {
        (Completion::Job, Report::Accepted(answer)) => Report::Succeeded(answer),
        (Completion::Response | Completion::Job | Completion::Callback, outcome) => outcome,
    }
}

impl Request {
    /// The request that the arguments of `HTTP:Request` ask for:
    /// `{url, method = GET, headers, query, body, timeoutSeconds}`.
    ///
    /// # Errors
    /// Where a member has the wrong shape; the cause names it, what was found and what was expected.
    pub fn from_arguments(arguments: &Value) -> Result<Self, TaskError> {
        const MEMBERS: &[&str] = &["url", "method", "headers", "query", "body", "timeoutSeconds"];
        let arguments = arguments.as_object().ok_or_else(|| {
            refuse(format!(
                "the parameters must be an object, found {} `{}`",
                arguments.kind(),
                arguments.excerpt(64)
            ))
        })?;
        if let Some((unknown, _)) = arguments.iter().find(|(name, _)| !MEMBERS.contains(&&***name)) {
            return Err(refuse(format!(
                "there is no parameter `{unknown}`; there are {}",
                MEMBERS.join(", ")
            )));
        }
        let present = |name: &str| arguments.get(name).filter(|value| **value != Value::Null);
        let url = present("url").ok_or_else(|| refuse("the parameter `url` is missing"))?;
        let mut url = parse_url(url)?;
        if let Some(query) = present("query") {
            let pairs = scalars("query", query)?;
            url.query_pairs_mut().extend_pairs(pairs.iter().map(|(name, value)| (&**name, &**value)));
        }
        let method = present("method").map_or(Ok(Method::GET), |method| {
            let name = method.as_str().map(str::to_ascii_uppercase).unwrap_or_default();
            Method::from_bytes(name.as_bytes()).map_err(|_| expected("method", "an HTTP method", method))
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in
            present("headers").map_or(Ok(Vec::new()), |headers| scalars("headers", headers))?
        {
            insert_header(&mut headers, &name, &value)?;
        }
        let timeout = present("timeoutSeconds")
            .map(|timeout| {
                let seconds = timeout.as_i64().and_then(|seconds| u64::try_from(seconds).ok());
                let seconds = seconds.filter(|seconds| *seconds > 0);
                seconds.ok_or_else(|| expected("timeoutSeconds", "a whole number from 1", timeout))
            })
            .transpose()?;
        let body = present("body").map(|body| write_body(body, &mut headers));
        let timeout = timeout.map(Duration::from_secs);
        Ok(Self { method, url, headers, body, timeout, answer: Answer::Whole, holds_secret: false })
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
        let url = parse_url(&Value::from(url))?;
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
            answer: Answer::Body,
            holds_secret: false,
        })
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

fn parse_url(url: &Value) -> Result<Url, TaskError> {
    let text = url.as_str().ok_or_else(|| expected("url", "a string", url))?;
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

/// Text goes out as it is, everything else as JSON.
fn write_body(body: &Value, headers: &mut HeaderMap) -> Vec<u8> {
    let (content_type, bytes) = match body.as_str() {
        Some(text) => ("text/plain; charset=utf-8", text.as_bytes().to_vec()),
        None => ("application/json", body.to_json().into_bytes()),
    };
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    bytes
}

/// JSON where the answer says that it is JSON and it is, text otherwise; `null` where there is none.
fn read_body(what: &str, headers: &HeaderMap, body: Vec<u8>) -> Result<Value, TaskError> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let text = String::from_utf8(body).map_err(|_| {
        TaskError::named("HTTP.InvalidResponse", format!("{what}: the answer is no UTF-8 text"))
    })?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || essence.ends_with("+json");
    match Value::parse(&text) {
        Ok(value) if is_json => Ok(value),
        Err(error @ crate::value::ParseError::TooDeep { .. }) if is_json => {
            Err(TaskError::of(ErrorKind::DataLimit, format!("{what}: the answer is {error}")))
        }
        Ok(_) | Err(_) => Ok(Value::from(text)),
    }
}

fn whole_answer(status: StatusCode, headers: &HeaderMap, body: Value) -> Value {
    let mut merged: Vec<(String, Value)> = Vec::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let joined = values.collect::<Vec<_>>().join(", ");
        merged.push((name.as_str().to_owned(), Value::from(joined)));
    }
    let members = [
        ("statusCode", Value::from(u32::from(status.as_u16()))),
        ("headers", Value::Object(merged.into_iter().collect::<Object>())),
        ("body", body),
    ];
    Value::Object(members.into_iter().collect())
}

fn status_error(what: &str, status: StatusCode, headers: &HeaderMap, body: &Value) -> TaskError {
    let shown = match body {
        Value::Null => String::new(),
        Value::String(text) => format!(": {}", text.chars().take(EXCERPT_CHARS_MAX).collect::<String>()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!(": {}", body.excerpt(EXCERPT_CHARS_MAX))
        }
    };
    let name = format!("HTTP.{}", status.as_u16());
    let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    // The other form, a date, is rare and as good as no wish.
    let wait = wait.and_then(|seconds| seconds.trim().parse().ok());
    TaskError {
        retry_after_seconds: wait.map(|seconds: u64| seconds.min(RETRY_AFTER_SECONDS_MAX)),
        ..TaskError::named(name, format!("{what} was answered with {status}{shown}"))
    }
}

fn egress_error(refused: &dyn std::error::Error) -> TaskError {
    TaskError::named("HTTP.EgressForbidden", refused.to_string())
}

fn transport_error(what: &str, error: &reqwest::Error) -> TaskError {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return egress_error(refused);
        }
        if let Some(refused) = cause.downcast_ref::<Disloyal>() {
            return egress_error(refused);
        }
        causes.push(cause.to_string());
        source = cause.source();
    }
    // The outermost error repeats the URL, which may hold credentials; its causes do not.
    let reason = causes.pop().unwrap_or_else(|| "no answer".to_owned());
    let name = if error.is_timeout() {
        "HTTP.Timeout"
    } else if error.is_body() || error.is_decode() {
        "HTTP.InvalidResponse"
    } else {
        "HTTP.Unreachable"
    };
    TaskError::named(name, format!("{what}: {reason}"))
}

fn literal_address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// A URL without its credentials and its query.
fn shown(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// TLS with the machine's certificate authorities, and with those of the Mozilla list where the
/// machine has none: our image holds nothing but the program.
fn tls_config() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(arguments: &str) -> String {
        let error = Request::from_arguments(&Value::parse(arguments).unwrap()).unwrap_err();
        error.cause.unwrap().to_string()
    }

    #[test]
    fn a_request_is_read_from_its_parameters() {
        let arguments = r#"{"url": "http://h/p?a=1", "method": "post", "query": {"b": 2, "c": null, "d": "x y"},
            "headers": {"X-A": "1", "X-N": 3}, "body": {"k": [1]}, "timeoutSeconds": 5}"#;
        let request = Request::from_arguments(&Value::parse(arguments).unwrap()).unwrap();
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.url.as_str(), "http://h/p?a=1&b=2&d=x+y");
        assert_eq!(request.headers["x-n"], "3");
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.body.as_deref(), Some(&br#"{"k":[1]}"#[..]));
        assert_eq!(request.timeout, Some(Duration::from_secs(5)));
    }

    #[test]
    fn wrong_parameters_are_named() {
        let cases = [
            ("[]", "must be an object"),
            ("{}", "`url` is missing"),
            (r#"{"url": "ftp://h/"}"#, "only http and https"),
            (r#"{"url": "no url"}"#, "cannot be read"),
            (r#"{"url": 1}"#, "`url` must be a string"),
            (r#"{"url": "http://h", "header": {}}"#, "no parameter `header`"),
            (r#"{"url": "http://h", "headers": {"a b": "1"}}"#, "`\"a b\"` is no name of a header"),
            (r#"{"url": "http://h", "headers": {"a": "secret\n"}}"#, "value of header `a`"),
            (r#"{"url": "http://h", "headers": {"a": []}}"#, "`headers.a` must be a string"),
            (r#"{"url": "http://h", "query": []}"#, "`query` must be an object"),
            (r#"{"url": "http://h", "method": "A B"}"#, "`method` must be an HTTP method"),
            (r#"{"url": "http://h", "timeoutSeconds": 0}"#, "`timeoutSeconds` must be a whole number from 1"),
        ];
        for (arguments, expected) in cases {
            let found = cause(arguments);
            assert!(found.contains(expected), "{arguments}: {found}");
            assert!(!found.contains("secret"), "{found}");
        }
    }

    #[test]
    fn only_a_callback_is_awaited_after_the_answer() {
        let answer = || Report::Accepted(Value::Null);
        assert_eq!(conclude(Completion::Job, answer()), Report::Succeeded(Value::Null));
        assert_eq!(conclude(Completion::Callback, answer()), answer());
        assert_eq!(conclude(Completion::Response, answer()), answer());
    }

    #[test]
    fn credentials_of_a_url_are_not_shown() {
        let url = Url::parse("https://user:pass@h:8443/a/b?token=t#f").unwrap();
        assert_eq!(shown(&url), "https://h:8443/a/b");
        assert!(!cause(r#"{"url": "https://user:pass@"}"#).contains("pass"));
    }
}
