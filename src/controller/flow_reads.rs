//! Reads of Flows for admission. An admission does not trust a cached Flow, and one read serves every
//! admission that was waiting when it began, so that a burst of starts costs few reads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::execution::admit::{FlowFacts, FlowView, Latest};
use crate::api::condition::{self, ConditionStatus, ConditionType};
use crate::api::flow_revision::revision_name;
use crate::api::{Flow, FlowRevision, FlowSpec, FlowStatus};
use crate::cluster::api_server::ApiServer;
use crate::cluster::object::{Key, Stored};

type Answer = Result<FlowView, String>;

/// Reads Flows.
pub struct FlowReads {
    api: ApiServer,
    /// The last read of each Flow that may not have begun yet.
    last: Mutex<HashMap<Key, Read>>,
}

#[derive(Clone)]
struct Read {
    has_begun: Arc<AtomicBool>,
    answer: Shared<BoxFuture<'static, Answer>>,
}

impl FlowReads {
    /// Reads from an API server.
    #[must_use]
    pub fn new(api: ApiServer) -> Self {
        Self { api, last: Mutex::default() }
    }

    /// The Flow as it is, or as it was at some time after this was called.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn read(&self, key: &Key) -> Answer {
        self.next(key).answer.await
    }

    fn next(&self, key: &Key) -> Read {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = last.get(key).filter(|read| !read.has_begun.load(Ordering::Acquire)) {
            return read.clone();
        }
        let before = last.get(key).map(|read| read.answer.clone());
        let (api, flow) = (self.api.clone(), key.clone());
        let has_begun = Arc::new(AtomicBool::new(false));
        let begins = has_begun.clone();
        let answer = async move {
            // Behind the one that is under way, so that those who come meanwhile share this one.
            if let Some(before) = before {
                let _ = before.await;
            }
            begins.store(true, Ordering::Release);
            view(&api, &flow).await
        };
        // Reads of Flows that nobody asks for any more are forgotten with the next one.
        last.retain(|_, read| read.answer.peek().is_none());
        let read = Read { has_begun, answer: answer.boxed().shared() };
        last.insert(key.clone(), read.clone());
        read
    }
}

async fn view(api: &ApiServer, key: &Key) -> Answer {
    let flow: Option<Stored<Flow>> = api.get(key).await.map_err(|error| error.to_string())?;
    let Some(flow) = flow else { return Ok(FlowView::Missing) };
    if flow.is_deleting() {
        return Ok(FlowView::Leaving);
    }
    // A Flow that nobody has looked at has no status, and one that cannot be read is as good.
    let status: FlowStatus = flow.decode_status().unwrap_or_default();
    let ready = condition::find(&status.conditions, ConditionType::Ready);
    let latest_revision = match status.latest_revision {
        Some(number) => {
            let name = revision_name(&key.name, number);
            let uid = api.uid::<FlowRevision>(&Key::new(&key.namespace, name)).await;
            Some(Latest { number, uid: uid.map_err(|error| error.to_string())? })
        }
        None => None,
    };
    let problem =
        ready.filter(|ready| ready.status == ConditionStatus::False).map(|ready| ready.message.clone());
    let version = flow.version();
    let is_observed = status.observed_generation >= flow.generation();
    Ok(FlowView::Present(Box::new(match flow.decode_spec::<FlowSpec>() {
        Ok(spec) => FlowFacts { version, is_observed, latest_revision, problem, terms: spec.into() },
        // It is left alone by whoever looks at Flows, and will not be looked at before it is changed.
        Err(why) => FlowFacts { is_observed: true, problem: Some(why), ..FlowFacts::default() },
    })))
}
