//! Letting go of Jobs: what goes on without anyone wanting it is deleted, and the finalizer taken off.

use std::sync::Arc;

use http::{Request, StatusCode, header};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use tracing::warn;

use crate::api::{FINALIZER_RESULT, LABEL_EXECUTION_UID, LABEL_RELEASED};
use crate::cluster::api_server::{ApiError, path_of};
use crate::cluster::object::Key;

use super::outcome::has_done_its_work;
use super::runner::{JobRunner, Propagation, RETRY};

impl JobRunner {
    /// Lets go of the Jobs of a run that are not wanted any more.
    pub(super) fn release(self: &Arc<Self>, uid: &str, is_over: impl Fn(&Key) -> bool) {
        let mut state = self.locked();
        state.wanted.retain(|key, wanted| wanted.uid != uid || !is_over(key));
        let of_run = |job: &Job| job.labels().get(LABEL_EXECUTION_UID).is_some_and(|of| of == uid);
        let over: Vec<Key> = state
            .jobs
            .iter()
            .filter(|(key, job)| of_run(job) && is_over(key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            if state.releasing.insert(key.clone()) {
                self.tenure.spawn(self.clone().release_one(key));
            }
        }
    }

    /// Deletes a Job that goes on without anyone wanting it, and takes the finalizer off it.
    async fn release_one(self: Arc<Self>, key: Key) {
        let mut backoff = RETRY;
        while self.tenure.is_valid() {
            match self.try_release(&key).await {
                Ok(()) | Err(ApiError::NotFound) => break,
                // It has changed since it was read.
                Err(
                    ApiError::Conflict | ApiError::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, .. },
                ) => {}
                Err(error) => warn!(job = %key, %error, "a Job cannot be let go of"),
            }
            backoff.pause().await;
        }
        let mut state = self.locked();
        state.releasing.remove(&key);
        state.jobs.remove(&key);
        state.pods.remove(&key);
    }

    async fn try_release(&self, key: &Key) -> Result<(), ApiError> {
        let Some(job) = self.api.read::<Job>(key).await? else { return Ok(()) };
        if job.metadata.deletion_timestamp.is_none() && self.goes_on(key, &job).await? {
            self.delete(key, Propagation::Background).await?;
        }
        let finalizers = job.metadata.finalizers.as_deref().unwrap_or_default();
        let Some(position) = finalizers.iter().position(|finalizer| finalizer == FINALIZER_RESULT) else {
            return Ok(());
        };
        let path = format!("/metadata/finalizers/{position}");
        let label = format!("/metadata/labels/{}", LABEL_RELEASED.replace('/', "~1"));
        let patch = serde_json::json!([
            { "op": "test", "path": path, "value": FINALIZER_RESULT },
            { "op": "remove", "path": path },
            { "op": "add", "path": label, "value": "true" },
        ]);
        let request =
            Request::patch(path_of::<Job>(key)).header(header::CONTENT_TYPE, "application/json-patch+json");
        self.tenure.checked(&self.api)?.send(request, patch.to_string()).await.map(drop)
    }

    /// Whether there is anything of a Job to end. Its result may be known before it has ended itself.
    async fn goes_on(&self, key: &Key, job: &Job) -> Result<bool, ApiError> {
        let is_done = || self.locked().pods.get(key).is_some_and(|pod| has_done_its_work(job, pod));
        if has_ended(job) || is_done() {
            return Ok(false);
        }
        self.read_pod(key).await?;
        Ok(!is_done())
    }
}

fn has_ended(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| {
        matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
    })
}
