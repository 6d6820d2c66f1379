//! Tasks that are calls: from the command to the report.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::mpsc::UnboundedSender;

use crate::api::flow::{Binding, Header, SecretKeyRef};
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::object::Key;
use crate::engine::{Report, TaskCommand, TaskError};

use super::binding::{self, Executor};
use super::http::{HttpCaller, Request, conclude};
use super::object_store::run_store::RunStore;
use super::object_store::{self, RUN_BUCKET, StoreRequest, config_map};
use super::tenure::Tenure;
use super::{News, Owner, What, idempotency_key};

/// How long to wait before something that somebody has to mend is tried again.
const BLOCKED_RETRY: Duration = Duration::from_secs(10);

/// How long to wait before the API server is asked again.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(1);

/// Port of a Service whose binding names none.
const SERVICE_PORT: i32 = 80;

/// What a task does outside, ready to be done.
pub(super) enum Effect {
    Request(Box<Request>),
    Store(StoreRequest),
}

/// What is to be done. Waits for the time of the call, and for what it needs.
pub(super) async fn prepare(
    api: &ApiServer,
    owner: &Owner,
    task: &TaskCommand,
    news: &UnboundedSender<News>,
) -> Result<Effect, TaskError> {
    wait_until(task.not_before).await;
    let request = match binding::executor_of(task, &owner.bindings) {
        Executor::Post(binding) => bound_request(api, owner, task, binding, news).await,
        Executor::Store(operation) => {
            let unique = idempotency_key(&owner.uid, &task.id);
            return StoreRequest::of(operation, task, &unique).map(Effect::Store);
        }
        Executor::HttpInvoke => Request::from_invocation(&task.arguments),
        Executor::Http | Executor::Job | Executor::JobTemplate(_) | Executor::Child | Executor::Unbound => {
            Request::from_arguments(&task.arguments)
        }
    };
    request.map(Box::new).map(Effect::Request)
}

/// What comes of a call; nothing where the term has ended before.
pub(super) async fn answer(
    (http, api, store): (&HttpCaller, &ApiServer, &RunStore),
    tenure: &Tenure,
    owner: &Owner,
    task: &TaskCommand,
    effect: Result<Effect, TaskError>,
    news: &UnboundedSender<News>,
) -> Option<Report> {
    let outcome = match effect {
        Ok(Effect::Request(request)) => {
            // It may have waited for long.
            let _out = tenure.begin()?;
            http.call(*request, &idempotency_key(&owner.uid, &task.id), task.answer_bytes_max).await
        }
        Ok(Effect::Store(request)) => {
            let api = api.acting_as(&owner.key.namespace, &owner.service_account);
            let telling = Telling { owner, task, news };
            let ask = || async {
                let over = || ApiError::Unavailable("the lease has run out".to_owned());
                let _out = tenure.begin().ok_or_else(over)?;
                match request.bucket() {
                    RUN_BUCKET => store.perform(owner, &request).await,
                    _ => config_map::perform(&api, &owner.key.namespace, &request).await,
                }
            };
            let what = match request.bucket() {
                RUN_BUCKET => "keep objects of the run in ExecutionData",
                _ => "use a ConfigMap as a bucket",
            };
            let done = telling.patiently(what, ask).await;
            match done.unwrap_or_else(|why| Err(object_store::error(object_store::REFUSED, why))) {
                Ok(answer) => Report::Accepted(answer),
                Err(error) => Report::Failed(error),
            }
        }
        // Also what is only told is told in the term.
        Err(error) => return tenure.may_begin().then_some(Report::Failed(error)),
    };
    Some(conclude(task.completion, outcome))
}

/// Waits for an instant, in pieces, so that a clock that was set is noticed.
pub(super) async fn wait_until(at: Option<Timestamp>) {
    const PIECE: Duration = Duration::from_secs(10);
    while let Some(left) = at.and_then(|at| Duration::try_from(at.duration_since(Timestamp::now())).ok()) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(PIECE)).await;
    }
}

async fn bound_request(
    api: &ApiServer,
    owner: &Owner,
    task: &TaskCommand,
    binding: &Binding,
    news: &UnboundedSender<News>,
) -> Result<Request, TaskError> {
    let url = target(owner, binding);
    let mut headers = Vec::with_capacity(binding.headers.len());
    for header in &binding.headers {
        headers.push((header.name.clone(), header_value(api, owner, task, header, news).await?));
    }
    let holds_secret = binding.headers.iter().any(|header| header.value_from.is_some());
    let request = binding::request(task, &url, &headers, binding.timeout_seconds)?;
    Ok(request.with_secret(holds_secret))
}

fn target(owner: &Owner, binding: &Binding) -> String {
    if let Some(url) = &binding.url {
        return url.clone();
    }
    binding.service.as_ref().map_or_else(String::new, |service| {
        let namespace = service.namespace.as_deref().unwrap_or(&owner.key.namespace);
        let port = service.port.unwrap_or(SERVICE_PORT);
        let path = service.path.as_deref().unwrap_or("/").trim_start_matches('/');
        format!("http://{}.{namespace}.svc:{port}/{path}", service.name)
    })
}

/// The value of a header. A Secret is read as the run's account, whenever it is needed; while it cannot
/// be read the task waits, and its run says so.
async fn header_value(
    api: &ApiServer,
    owner: &Owner,
    task: &TaskCommand,
    header: &Header,
    news: &UnboundedSender<News>,
) -> Result<String, TaskError> {
    let Some(source) = &header.value_from else { return Ok(header.value.clone().unwrap_or_default()) };
    let reference = &source.secret_key_ref;
    let api = api.acting_as(&owner.key.namespace, &owner.service_account);
    let telling = Telling { owner, task, news };
    let what = format!("read Secret {}", reference.name);
    let read = telling.patiently(&what, || read_secret(&api, &owner.key.namespace, reference)).await;
    read.and_then(|value| value).map_err(|why| TaskError::named("HTTP.SecretMissing", why))
}

/// What a task waits for is said of its run.
struct Telling<'a> {
    owner: &'a Owner,
    task: &'a TaskCommand,
    news: &'a UnboundedSender<News>,
}

impl Telling<'_> {
    /// Asks the API server for `what` until it answers. Where that is not allowed somebody has to mend it,
    /// which the run says meanwhile.
    ///
    /// # Errors
    /// Where the API server refuses for good; its words.
    async fn patiently<T, F>(&self, what: &str, ask: impl Fn() -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut was_blocked = false;
        loop {
            match ask().await {
                Ok(answer) => {
                    if was_blocked {
                        self.tell(What::Clear);
                    }
                    return Ok(answer);
                }
                Err(ApiError::Forbidden(message)) => {
                    was_blocked = true;
                    self.tell(What::Blocked(format!("cannot {what}: {message}")));
                    tokio::time::sleep(BLOCKED_RETRY).await;
                }
                Err(ApiError::Refused { message, .. }) => return Err(message),
                Err(ApiError::Conflict | ApiError::NotFound | ApiError::Unavailable(_)) => {
                    tokio::time::sleep(UNAVAILABLE_RETRY).await;
                }
            }
        }
    }

    fn tell(&self, what: What) {
        let (key, uid) = (self.owner.key.clone(), self.owner.uid.clone());
        let _ = self.news.send(News { key, uid, task: self.task.id.clone(), what });
    }
}

/// The value under a key of a Secret; what is wrong with it where it has none.
async fn read_secret(
    api: &ApiServer,
    namespace: &str,
    reference: &SecretKeyRef,
) -> Result<Result<String, String>, ApiError> {
    let SecretKeyRef { name, key } = reference;
    let Some(secret) = api.read::<Secret>(&Key::new(namespace, name)).await? else {
        return Ok(Err(format!("Secret {name} does not exist")));
    };
    let Some(bytes) = secret.data.unwrap_or_default().remove(key) else {
        return Ok(Err(format!("Secret {name} has no key `{key}`")));
    };
    Ok(String::from_utf8(bytes.0)
        .map(|value| value.trim_end_matches('\n').to_owned())
        .map_err(|_| format!("key `{key}` of Secret {name} is no text")))
}
