//! The key under which task tokens are made: a Secret beside the lease, made once. All controllers that
//! share the lease share it, and nobody else has it.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;
use tracing::warn;

use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::leader::Candidate;
use crate::cluster::object::Key;

/// Member of the Secret that holds the key.
const MEMBER: &str = "key";

const RETRY: Duration = Duration::from_secs(1);

/// Name of the Secret that belongs to a lease.
#[must_use]
pub fn secret_name(lease: &str) -> String {
    format!("{lease}-task-tokens")
}

/// Reads the key; makes it where there is none.
pub async fn read_or_make(api: &ApiServer, candidate: &Candidate) -> [u8; 32] {
    let key = Key::new(&candidate.namespace, secret_name(&candidate.lease));
    loop {
        match read(api, &key).await {
            Ok(Some(bytes)) => return bytes,
            Ok(None) => match make(api, &key).await {
                // Read again: somebody may have been quicker.
                Ok(()) | Err(ApiError::Conflict) => continue,
                Err(error) => warn!(secret = %key, %error, "the key of task tokens cannot be stored"),
            },
            Err(error) => warn!(secret = %key, %error, "the key of task tokens cannot be read"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn read(api: &ApiServer, key: &Key) -> Result<Option<[u8; 32]>, ApiError> {
    let Some(secret) = api.read::<Secret>(key).await? else { return Ok(None) };
    let bytes = secret.data.unwrap_or_default().remove(MEMBER).map(|bytes| bytes.0).unwrap_or_default();
    match bytes.try_into() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(bytes) => {
            let found = bytes.len();
            let why = format!(
                "Secret {key} must hold 32 bytes under `{MEMBER}`, found {found}; delete it to have it made anew"
            );
            Err(ApiError::Unavailable(why))
        }
    }
}

async fn make(api: &ApiServer, key: &Key) -> Result<(), ApiError> {
    let mut bytes = vec![0; 32];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::Unavailable(error.to_string()))?;
    let secret = Secret {
        metadata: ObjectMeta { name: Some(key.name.clone()), ..ObjectMeta::default() },
        data: Some([(MEMBER.to_owned(), ByteString(bytes))].into()),
        type_: Some("millrace.dev/task-tokens".to_owned()),
        ..Secret::default()
    };
    api.create(&key.namespace, &secret).await
}
