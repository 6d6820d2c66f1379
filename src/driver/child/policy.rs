//! Asking children to end.

use http::StatusCode;

use crate::api::execution::{ChildPolicy, StopModeName, StopRequest};
use crate::api::{Execution, Phase};
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::object::{Key, Stored};

/// Error that children end with which end for their parent's sake.
const PARENT_ENDED: &str = "Execution.ParentEnded";

/// How a child is to end, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    mode: StopModeName,
    cause: String,
}

impl Wish {
    /// A wish.
    #[must_use]
    pub fn new(mode: StopModeName, cause: &str) -> Self {
        Self { mode, cause: cause.to_owned() }
    }

    /// The wish as it is written into a spec.
    #[must_use]
    pub fn stop(&self) -> StopRequest {
        StopRequest { mode: self.mode, error: Some(PARENT_ENDED.to_owned()), cause: Some(self.cause.clone()) }
    }

    /// What a policy wishes of a child; nothing where it is left alone.
    #[must_use]
    pub fn of(policy: ChildPolicy, cause: &str) -> Option<Self> {
        match policy {
            ChildPolicy::Terminate => Some(Self::new(StopModeName::Terminate, cause)),
            ChildPolicy::RequestCancel => Some(Self::new(StopModeName::Cancel, cause)),
            ChildPolicy::Abandon => None,
        }
    }
}

/// Asks the child of a parent to end, if it goes on. Whether it does.
///
/// # Errors
/// [`ApiError`].
pub async fn ask(api: &ApiServer, child: &Key, parent_uid: &str, wish: &Wish) -> Result<bool, ApiError> {
    #[derive(serde::Deserialize)]
    struct PhaseOnly {
        phase: Phase,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ParentOnly {
        parent_ref: Option<crate::api::execution::ParentRef>,
    }
    let Some(object): Option<Stored<Execution>> = api.get(child).await? else { return Ok(false) };
    let parent = object.decode_spec::<ParentOnly>().ok().and_then(|spec| spec.parent_ref);
    let is_open = object.decode_status::<PhaseOnly>().is_ok_and(|status| !status.phase.is_ended());
    if !is_open || parent.is_none_or(|parent| parent.uid != parent_uid) {
        return Ok(false);
    }
    let patch = serde_json::json!({
        // Of another object of this name nothing is wished.
        "metadata": {"uid": object.uid()},
        "spec": {"stop": wish.stop()},
    });
    match api.merge::<Execution>(child, &patch).await {
        Ok(_) => Ok(true),
        // It is to end at once already.
        Err(ApiError::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, .. }) => Ok(true),
        Err(ApiError::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Children with these labels that have not ended.
///
/// # Errors
/// [`ApiError`].
pub async fn open_children(api: &ApiServer, namespace: &str, labels: &str) -> Result<Vec<Key>, ApiError> {
    let open = Phase::selector(|phase| !phase.is_ended());
    let found = api.list_metadata::<Execution>(Some(namespace), labels, &open).await?;
    let names = found.into_iter().filter_map(|metadata| metadata.name);
    Ok(names.map(|name| Key::new(namespace, name)).collect())
}
