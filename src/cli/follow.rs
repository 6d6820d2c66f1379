//! Following one Execution to its end.

use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Error};
use tokio::time::Instant;

use crate::api::Execution;
use crate::cluster::api_server::{ApiError, with_sources};
use crate::cluster::object::{Key, Stored};

use super::EXIT_INTERRUPTED;
use super::apart::Older;
use super::connection::Connection;
use super::execution::View;
use super::plugin;
use super::terminal::{Reader, complain};

/// Pause after a watch has failed. A person waits for it.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long the API server may be away. Restarts take minutes; what is away for longer does not come
/// back while somebody looks.
const OUTAGE_MAX: Duration = Duration::from_secs(300);

/// Why following is over.
#[derive(Debug)]
pub(super) enum End {
    /// The run has ended.
    Ended(Box<View>),
    /// The run has not ended in the time that was given.
    OutOfTime(Duration),
    /// The object is gone.
    Gone,
    /// Nobody wants to wait any longer.
    Interrupted,
    /// Nobody reads any longer what is shown.
    Unread,
}

impl End {
    /// The exit status of who has not seen the run end.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Interrupted => EXIT_INTERRUPTED,
            Self::Ended(_) | Self::OutOfTime(_) | Self::Gone | Self::Unread => 1,
        }
    }

    /// What to say where the run has not ended before the eyes of who waits.
    pub(super) fn explain(&self, key: &Key) -> String {
        let Key { namespace, name } = key;
        let goes_on =
            format!("the execution goes on: `{} tree {name} --namespace {namespace}`", plugin::program());
        match self {
            Self::Ended(_) | Self::Unread => String::new(),
            Self::OutOfTime(limit) => {
                format!("`{name}` has not ended within {}s; {goes_on}", limit.as_secs_f64())
            }
            Self::Gone => format!("`{name}` was deleted before it ended"),
            Self::Interrupted => format!("stopped waiting; {goes_on}"),
        }
    }
}

/// How long following may take and what is shown meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// When to give up.
    pub(super) limit: Option<Duration>,
    /// How often to show what has not changed, for a person who watches time pass.
    pub(super) refresh: Option<Duration>,
    /// Whether the whole history is shown, also what is kept beside the Execution.
    pub(super) has_history: bool,
    /// The oldest spec whose end counts: that of an older one is taken back.
    pub(super) generation: i64,
}

/// Follows the run `uid` to its end and shows it at every change, for as long as somebody looks.
///
/// # Errors
/// Where it cannot be watched; the message says what to do.
pub(super) async fn follow(
    connection: &Connection,
    (key, uid): (&Key, &str),
    pace: Pace,
    mut show: impl FnMut(&View) -> Reader,
) -> Result<End, String> {
    let out_of_time = async {
        match pace.limit {
            Some(limit) => {
                tokio::time::sleep(limit).await;
                End::OutOfTime(limit)
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        end = watch(connection, key, uid, pace, &mut show) => end,
        end = out_of_time => Ok(end),
        _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
    }
}

async fn watch(
    connection: &Connection,
    key: &Key,
    uid: &str,
    pace: Pace,
    show: &mut impl FnMut(&View) -> Reader,
) -> Result<End, String> {
    let api: Api<Stored<Execution>> = Api::namespaced(connection.server.client().clone(), &key.namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={}", key.name));
    let mut events = Box::pin(watcher::watcher(api, config));
    let mut outage: Option<Instant> = None;
    // Whether it was in the list that a watch begins with.
    let mut is_listed = true;
    let mut view: Option<View> = None;
    let mut older = Older::default();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = pass(pace.refresh) => match view.as_ref().map(&mut *show) {
                Some(Reader::Gone) => return Ok(End::Unread),
                Some(Reader::There) | None => continue,
            },
        };
        let object = match event {
            Some(Ok(Event::Init)) => {
                is_listed = false;
                continue;
            }
            Some(Ok(Event::InitApply(object) | Event::Apply(object))) if object.uid() == uid => object,
            Some(Ok(Event::InitDone)) if is_listed => continue,
            // Also where another has its name by now.
            Some(Ok(_)) | None => return Ok(End::Gone),
            Some(Err(error)) => {
                bear(connection, &format!("execution {key}"), error, &mut outage)?;
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
        };
        outage = None;
        is_listed = true;
        let mut seen = View::of(&object).map_err(|why| format!("execution {key} cannot be read: {why}"))?;
        if pace.has_history {
            older.fill(connection, &mut seen).await;
        }
        if seen.is_ended() && seen.status.observed_generation >= pace.generation {
            return Ok(End::Ended(Box::new(seen)));
        }
        if show(&seen) == Reader::Gone {
            return Ok(End::Unread);
        }
        view = Some(seen);
    }
}

/// Time passes that somebody watches.
async fn pass(refresh: Option<Duration>) {
    match refresh {
        Some(refresh) => tokio::time::sleep(refresh).await,
        None => std::future::pending().await,
    }
}

/// Bears what passes while something is watched.
///
/// # Errors
/// Where it does not pass; the message says what to do.
pub(super) fn bear(
    connection: &Connection,
    what: &str,
    error: watcher::Error,
    outage: &mut Option<Instant>,
) -> Result<(), String> {
    let what = format!("{what} cannot be watched");
    let error = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => Error::Api(status),
        watcher::Error::NoResourceVersion => {
            return Err(format!("{what}: the API server tells no resourceVersion"));
        }
    };
    let message = match &error {
        Error::Api(status) if matches!(status.code, 401 | 403) => {
            return Err(connection.explain(&what, ApiError::Forbidden(status.message.clone())));
        }
        Error::Api(status) if status.code == 404 => {
            return Err(connection.explain(&what, ApiError::NotFound));
        }
        // A version that is too old, for one: the watch begins anew.
        Error::Api(status) if status.code == 410 => return Ok(()),
        error => with_sources(error),
    };
    match outage {
        None => {
            complain(format_args!(
                "{}; it is tried again",
                connection.explain(&what, ApiError::Unavailable(message))
            ));
            *outage = Some(Instant::now());
            Ok(())
        }
        Some(began) if began.elapsed() < OUTAGE_MAX => Ok(()),
        Some(_) => Err(connection.explain(&what, ApiError::Unavailable(message))),
    }
}
