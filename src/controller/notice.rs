//! Events of Kubernetes, for people. An Event costs as much as a status write, so a run that succeeds
//! makes none; they go out behind everything else and are dropped under load.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::debug;

use crate::api::{API_VERSION, FIELD_MANAGER};
use crate::cluster::object::Key;

/// Notices that wait to be sent; more are dropped.
const WAITING_MAX: usize = 256;

/// Longest note, in characters: the API takes 1,024 bytes.
const NOTE_CHARS_MAX: usize = 250;

/// Which notices are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    /// None.
    None,
    /// Of what went wrong.
    Warnings,
    /// Of everything that happens.
    All,
}

/// Something to tell about an object.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Kind of the object.
    pub kind: &'static str,
    /// The object.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// One word.
    pub reason: &'static str,
    /// For people.
    pub note: String,
    /// What went on when it happened.
    pub action: &'static str,
    /// Whether it is a warning.
    pub is_warning: bool,
}

/// Where notices are given to.
#[derive(Clone, Debug)]
pub struct Notices {
    level: Level,
    waiting: Sender<Notice>,
}

impl Notices {
    /// A place to give notices to, and where they come out.
    #[must_use]
    pub fn new(level: Level) -> (Self, Receiver<Notice>) {
        let (waiting, receiver) = channel(WAITING_MAX);
        (Self { level, waiting }, receiver)
    }

    /// Whether a notice that is no warning would be sent.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.level == Level::All
    }

    /// Gives a notice. Under load it is dropped.
    pub fn give(&self, notice: Notice) {
        let least = if notice.is_warning { Level::Warnings } else { Level::All };
        if self.level >= least && self.waiting.try_send(notice).is_err() {
            debug!("a notice was dropped");
        }
    }
}

/// Sends notices until nobody gives any.
pub async fn send(client: kube::Client, mut notices: Receiver<Notice>) {
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: None };
    let recorder = Recorder::new(client, reporter);
    while let Some(notice) = notices.recv().await {
        let Notice { kind, key, uid, reason, note, action, is_warning } = notice;
        let regarding = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(kind.to_owned()),
            name: Some(key.name),
            namespace: Some(key.namespace),
            uid: Some(uid),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: if is_warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(crate::api::condition::cut(note, NOTE_CHARS_MAX)),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &regarding).await {
            debug!(%error, "an event cannot be sent");
        }
    }
}
