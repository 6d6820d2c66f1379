//! The resources that must be installed before anything else.

use std::time::Duration;

use kube::Client;
use tracing::warn;

use super::readiness::Readiness;
use crate::api::{Execution, ExecutionData, Flow, FlowRevision, Schedule, TaskReport};

/// How often it is looked whether the resources are installed.
const RESOURCES_RETRY: Duration = Duration::from_millis(500);

/// Waits until the API server knows our resources, and shows them in one of the scopes at least.
/// A scope is a namespace, or all of them.
pub async fn wait_for_resources(client: &Client, scopes: &[Option<String>], readiness: &Readiness) {
    let mut was_told = String::new();
    loop {
        let mut missing = String::new();
        // The last word is the first namespace's.
        for scope in scopes.iter().rev() {
            match first_missing(client, scope.as_deref()).await {
                None => return,
                Some(why) => missing = why,
            }
        }
        if missing != was_told {
            warn!("waiting: {missing}");
            readiness.waits_for(missing.clone());
            was_told = missing;
        }
        tokio::time::sleep(RESOURCES_RETRY).await;
    }
}

async fn first_missing(client: &Client, namespace: Option<&str>) -> Option<String> {
    let params = kube::api::ListParams::default().limit(1);
    let kinds = [
        ("flows", <Flow as kube::Resource>::url_path(&(), namespace)),
        ("flowrevisions", <FlowRevision as kube::Resource>::url_path(&(), namespace)),
        ("executions", <Execution as kube::Resource>::url_path(&(), namespace)),
        ("executiondata", <ExecutionData as kube::Resource>::url_path(&(), namespace)),
        ("schedules", <Schedule as kube::Resource>::url_path(&(), namespace)),
        ("taskreports", <TaskReport as kube::Resource>::url_path(&(), namespace)),
    ];
    for (kind, path) in kinds {
        let request = kube::core::Request::new(path).list(&params).ok()?;
        match client.request_text(request).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Some(format!(
                    "the resource {kind}.millrace.dev is not installed; `millrace crds | kubectl apply -f -` installs it"
                ));
            }
            Err(kube::Error::Api(status)) => {
                return Some(format!("{kind} cannot be listed: {}", status.message));
            }
            Err(error) => return Some(format!("the API server cannot be reached: {error}")),
        }
    }
    None
}
