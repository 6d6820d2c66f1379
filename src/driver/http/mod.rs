//! Tasks that are HTTP requests: `HTTP:Request`, `http:invoke`, and whatever is bound to a URL.

mod answer;
pub mod function;
mod request;

#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Url, redirect};
use tokio::sync::Semaphore;

use crate::engine::{ANSWER_BYTES_MAX, Report, TaskError};
use crate::ir::{Completion, ErrorKind};
use crate::value::Value;

use super::egress::{Egress, GuardedResolver, Refused};
use answer::{Answer, Convention, Silence, read_body};

pub use answer::RETRY_AFTER_SECONDS_MAX;
pub use request::Request;

/// Answers larger than most that are read side by side: each may take many megabytes.
const LARGE_ANSWERS_MAX: usize = 4;

/// How long what makes an answer large may take, from when there is a place for it. Whoever sends it
/// slower would keep the place from others.
const LARGE_ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Header by which a service can tell a repetition from a new wish.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Sends requests.
#[derive(Clone, Debug)]
pub struct HttpCaller {
    client: reqwest::Client,
    /// Follows no redirect to another host.
    loyal: reqwest::Client,
    egress: Arc<Egress>,
    /// Places of answers larger than most.
    large: Arc<Semaphore>,
}

/// Why an answer was not read.
enum Unread {
    TooLarge,
    TooSlow,
    Failed(reqwest::Error),
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
        let large = Arc::new(Semaphore::new(LARGE_ANSWERS_MAX));
        Ok(Self { client: client(&egress, false)?, loyal: client(&egress, true)?, egress, large })
    }

    /// Sends a request and says what came of it; an answer of more than so many bytes is an error. The
    /// answer to a repetition under the same key is up to the service.
    pub async fn call(&self, request: Request, idempotency_key: &str, answer_bytes_max: usize) -> Report {
        match self.answer(request, idempotency_key, answer_bytes_max).await {
            Ok(value) => Report::Accepted(value),
            Err(error) => Report::Failed(error),
        }
    }

    async fn answer(
        &self,
        request: Request,
        idempotency_key: &str,
        answer_bytes_max: usize,
    ) -> Result<Value, TaskError> {
        let Request { method, url, mut headers, body, timeout, convention, holds_secret } = request;
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
        let mut response =
            builder.send().await.map_err(|error| transport_error(convention, &what, &error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = self.gather(response, answer_bytes_max).await.map_err(|unread| match unread {
            Unread::TooLarge => {
                let cause = format!("{what}: the answer has more than {answer_bytes_max} bytes");
                TaskError::of(ErrorKind::DataLimit, cause)
            }
            Unread::TooSlow => {
                let seconds = LARGE_ANSWER_TIME_MAX.as_secs();
                let cause = format!(
                    "{what}: the answer has more than {ANSWER_BYTES_MAX} bytes and took longer than {seconds} seconds"
                );
                TaskError::named(convention.silence(Silence::Timeout), cause)
            }
            Unread::Failed(error) => transport_error(convention, &what, &error),
        })?;
        let body = read_body(convention, &what, &headers, body)?;
        let idempotency_key = idempotency_key.to_owned();
        convention.result(Answer { what, status, headers, body, idempotency_key })
    }

    /// The body of an answer. What is larger than most waits for a place.
    async fn gather(&self, mut response: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, Unread> {
        let mut body = Vec::new();
        if gather(&mut response, &mut body, bytes_max.min(ANSWER_BYTES_MAX)).await? {
            return Ok(body);
        }
        if bytes_max <= ANSWER_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
        // Closed it is never.
        let _place = self.large.acquire().await;
        let rest = gather(&mut response, &mut body, bytes_max);
        match tokio::time::timeout(LARGE_ANSWER_TIME_MAX, rest).await {
            Ok(Ok(true)) => Ok(body),
            Ok(Ok(false)) => Err(Unread::TooLarge),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Unread::TooSlow),
        }
    }
}

/// Reads on until there are more than so many bytes. Whether that was all.
async fn gather(
    response: &mut reqwest::Response,
    body: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<bool, Unread> {
    while let Some(chunk) = response.chunk().await.map_err(Unread::Failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > bytes_max {
            return Ok(false);
        }
    }
    Ok(true)
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

fn egress_error(refused: &dyn std::error::Error) -> TaskError {
    TaskError::named("HTTP.EgressForbidden", refused.to_string())
}

fn transport_error(convention: Convention, what: &str, error: &reqwest::Error) -> TaskError {
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
    let silence = if error.is_timeout() {
        Silence::Timeout
    } else if error.is_body() || error.is_decode() {
        Silence::InvalidResponse
    } else {
        Silence::Unreachable
    };
    TaskError::named(convention.silence(silence), format!("{what}: {reason}"))
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
