//! Reading from and writing to the API server.

use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use kube::api::{ListParams, ObjectList, ObjectMeta, PartialObjectMeta};
use kube::{Client, Resource};
use serde::Deserialize;

use super::object::{Key, Stored, is_name};
use crate::api::API_VERSION;

/// How long one request may take. The API server itself gives up after a minute; by then everything
/// else would have piled up behind it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest object that is sent, in bytes. At 1,536 KiB the API server answers with a plain 500
/// (control-plane.md §9); spec and metadata need their share.
pub const STATUS_BYTES_MAX: usize = 1_200 * 1024;

/// Longest request that the API server reads. Of a longer one it may close the connection without a word,
/// which looks as if it might work later.
const REQUEST_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The form of a patch that names the members to be changed.
pub const MERGE_PATCH: &str = "application/merge-patch+json";

/// Objects of a page of a list: whole ones, of up to one and a half megabytes each.
const PAGE_SIZE: u32 = 20;

/// Objects of a page of a list of metadata.
const METADATA_PAGE_SIZE: u32 = 500;

/// Asks for an object as it is.
const WHOLE: &str = "application/json";

/// Asks for an answer without spec and status.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Asks for a list without spec and status.
pub const LIST_OF_METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The object is not as it was when it was read.
    #[error("the object has changed meanwhile")]
    Conflict,
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// It is not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// The API server refuses what was sent, and always will.
    #[error("{status}: {message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What the API server says.
        message: String,
    },
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
}

/// The API server, in the eyes of one account.
#[derive(Clone)]
pub struct ApiServer {
    client: Client,
    /// The user that requests are made as, where it is not the client's own.
    acting_as: Option<String>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiServer")
    }
}

impl ApiServer {
    /// The API server behind a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, acting_as: None }
    }

    /// The same in the eyes of a service account: its rights count, not ours. That we may act as it is
    /// itself a right, which a RoleBinding grants per namespace.
    #[must_use]
    pub fn acting_as(&self, namespace: &str, service_account: &str) -> Self {
        let user = format!("system:serviceaccount:{namespace}:{service_account}");
        Self { client: self.client.clone(), acting_as: Some(user) }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads an object, consistently.
    ///
    /// # Errors
    /// [`ApiError`]; an object that does not exist is none.
    pub async fn get<K>(&self, key: &Key) -> Result<Option<Stored<K>>, ApiError>
    where
        K: Resource<DynamicType = ()>,
    {
        self.find::<K, Stored<K>>(key, WHOLE).await
    }

    /// Reads an object of a kind whose whole is wanted.
    ///
    /// # Errors
    /// [`ApiError`]; an object that does not exist is none.
    pub async fn read<K>(&self, key: &Key) -> Result<Option<K>, ApiError>
    where
        K: Resource<DynamicType = ()> + for<'de> Deserialize<'de>,
    {
        self.find::<K, K>(key, WHOLE).await
    }

    async fn find<K, T>(&self, key: &Key, accept: &'static str) -> Result<Option<T>, ApiError>
    where
        K: Resource<DynamicType = ()>,
        T: for<'de> Deserialize<'de>,
    {
        if !is_name(&key.name) {
            // It would be another path.
            return Ok(None);
        }
        let request = Request::get(path_of::<K>(key)).header(header::ACCEPT, accept);
        match self.send(request, String::new()).await {
            Ok(text) => parse(&text).map(Some),
            Err(ApiError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The uid of an object, whatever it holds.
    ///
    /// # Errors
    /// [`ApiError`]; an object that does not exist is none.
    pub async fn uid<K>(&self, key: &Key) -> Result<Option<String>, ApiError>
    where
        K: Resource<DynamicType = ()>,
    {
        let object = self.find::<K, Stored<K>>(key, METADATA_ONLY).await?;
        Ok(object.map(|object| object.uid().to_owned()))
    }

    /// All objects of a namespace that a field selector means, as they are now.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn list<K>(&self, namespace: &str, fields: &str) -> Result<Vec<Stored<K>>, ApiError>
    where
        K: Resource<DynamicType = ()>,
    {
        let params = ListParams::default().fields(fields).limit(PAGE_SIZE);
        self.pages(collection::<K>(namespace), params, WHOLE).await
    }

    /// The metadata of all objects with these labels that a field selector means, in a namespace or in all.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn list_metadata<K>(
        &self,
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Vec<ObjectMeta>, ApiError>
    where
        K: Resource<DynamicType = ()> + Clone,
    {
        let params = ListParams::default().labels(labels).fields(fields).limit(METADATA_PAGE_SIZE);
        let path = K::url_path(&(), namespace);
        let found: Vec<PartialObjectMeta<K>> = self.pages(path, params, LIST_OF_METADATA).await?;
        Ok(found.into_iter().map(|object| object.metadata).collect())
    }

    /// Whether there is any object that a field selector means.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn has_any<K>(&self, namespace: &str, fields: &str) -> Result<bool, ApiError>
    where
        K: Resource<DynamicType = ()> + Clone,
    {
        let params = ListParams::default().fields(fields).limit(1);
        let page: ObjectList<PartialObjectMeta<K>> =
            self.page(&collection::<K>(namespace), &params, LIST_OF_METADATA).await?;
        Ok(!page.items.is_empty() || page.metadata.continue_.is_some_and(|token| !token.is_empty()))
    }

    async fn page<T>(
        &self,
        path: &str,
        params: &ListParams,
        accept: &'static str,
    ) -> Result<ObjectList<T>, ApiError>
    where
        T: for<'de> Deserialize<'de> + Clone,
    {
        let request = kube::core::Request::new(path).list(params);
        let request = request.map_err(|error| ApiError::Unavailable(error.to_string()))?;
        let request = Request::get(request.uri()).header(header::ACCEPT, accept);
        parse(&self.send(request, String::new()).await?)
    }

    async fn pages<T>(
        &self,
        path: String,
        mut params: ListParams,
        accept: &'static str,
    ) -> Result<Vec<T>, ApiError>
    where
        T: for<'de> Deserialize<'de> + Clone,
    {
        let mut items = Vec::new();
        loop {
            let page: ObjectList<T> = self.page(&path, &params, accept).await?;
            items.extend(page.items);
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return Ok(items);
            }
        }
    }

    /// Makes an object.
    ///
    /// # Errors
    /// [`ApiError`]; a name that is taken is a conflict.
    pub async fn create<K>(&self, namespace: &str, object: &K) -> Result<(), ApiError>
    where
        K: Resource<DynamicType = ()> + serde::Serialize,
    {
        let body = serde_json::to_string(object).map_err(|error| ApiError::Unavailable(error.to_string()))?;
        self.send(Request::post(collection::<K>(namespace)), body).await.map(drop)
    }

    /// Puts an object in the place of another; `object` says of which version.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn replace<K>(&self, key: &Key, object: &K) -> Result<(), ApiError>
    where
        K: Resource<DynamicType = ()> + serde::Serialize,
    {
        let body = serde_json::to_string(object).map_err(|error| ApiError::Unavailable(error.to_string()))?;
        self.send(Request::put(path_of::<K>(key)), body).await.map(drop)
    }

    /// Changes members of an object, whatever its version unless the change names one. Gives the new version.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn merge<K>(&self, key: &Key, patch: &serde_json::Value) -> Result<u64, ApiError>
    where
        K: Resource<DynamicType = ()>,
    {
        let request = Request::patch(path_of::<K>(key)).header(header::CONTENT_TYPE, MERGE_PATCH);
        let text = self.send(request.header(header::ACCEPT, METADATA_ONLY), patch.to_string()).await?;
        Ok(parse::<Stored<K>>(&text)?.version())
    }

    /// Removes an object; one that does not exist is removed already.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn delete<K>(&self, key: &Key) -> Result<(), ApiError>
    where
        K: Resource<DynamicType = ()>,
    {
        match self.send(Request::delete(path_of::<K>(key)), String::new()).await {
            Ok(_) | Err(ApiError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes an object, if it still is as it was read; what belongs to it goes after it. One that does not exist
    /// is removed already.
    ///
    /// # Errors
    /// [`ApiError`]; an object that is another, or has changed, is a conflict.
    pub async fn delete_version<K>(&self, key: &Key, uid: &str, version: u64) -> Result<(), ApiError>
    where
        K: Resource<DynamicType = ()>,
    {
        let options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid, "resourceVersion": version.to_string()},
        });
        match self.send(Request::delete(path_of::<K>(key)), options.to_string()).await {
            Ok(_) | Err(ApiError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes a status over the version of the object that it was computed from. Gives the new version.
    ///
    /// The body holds nothing but the status: the API server keeps the rest (control-plane.md §3).
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn put_status<K>(
        &self,
        key: &Key,
        uid: &str,
        version: u64,
        status: &str,
    ) -> Result<u64, ApiError>
    where
        K: Resource<DynamicType = ()>,
    {
        if status.len() > STATUS_BYTES_MAX {
            let message =
                format!("the status has {} bytes, at most {STATUS_BYTES_MAX} can be stored", status.len());
            return Err(ApiError::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, message });
        }
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let body = format!(
            r#"{{"apiVersion":"{API_VERSION}","kind":{},"metadata":{{"name":{},"namespace":{},"uid":{},"resourceVersion":"{version}"}},"status":{status}}}"#,
            json(&K::kind(&())),
            json(&key.name),
            json(&key.namespace),
            json(uid),
        );
        let path = format!("{}/status", path_of::<K>(key));
        let text = self.send(Request::put(path).header(header::ACCEPT, METADATA_ONLY), body).await?;
        Ok(parse::<Stored<K>>(&text)?.version())
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn send(&self, builder: http::request::Builder, body: String) -> Result<String, ApiError> {
        let unavailable = |error: &dyn std::error::Error| ApiError::Unavailable(with_sources(error));
        if body.len() > REQUEST_BYTES_MAX {
            let message =
                format!("the request has {} bytes, at most {REQUEST_BYTES_MAX} are read", body.len());
            return Err(ApiError::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, message });
        }
        let builder = match &self.acting_as {
            // A name that no header can hold is no account; what is asked in its name is never asked in ours.
            Some(user) => {
                let header = HeaderValue::from_str(user)
                    .map_err(|_| ApiError::Forbidden(format!("there can be no account `{user}`")))?;
                builder.header("impersonate-user", header)
            }
            None => builder,
        };
        let builder = match body.is_empty() || builder.headers_ref().is_some_and(has_content_type) {
            true => builder,
            false => builder.header(header::CONTENT_TYPE, "application/json"),
        };
        let request = builder.body(body.into_bytes().into()).map_err(|error| ApiError::Refused {
            status: StatusCode::BAD_REQUEST,
            message: format!("the request cannot be made: {error}"),
        })?;
        let answer = async {
            let response = self.client.send(request).await?;
            let status = response.status();
            let body = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes();
            Ok::<_, kube::Error>((status, body))
        };
        let (status, body) = match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| unavailable(&error))?,
            Err(_) => {
                let seconds = REQUEST_TIMEOUT.as_secs();
                return Err(ApiError::Unavailable(format!(
                    "no answer from the API server within {seconds} seconds"
                )));
            }
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() { Ok(text) } else { Err(error_of(status, &text)) }
    }
}

/// An error with what it came from: of a connection that was refused, the client itself says only that
/// there is none.
#[must_use]
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
        source = error.source();
    }
    text
}

fn has_content_type(headers: &http::HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_TYPE)
}

/// Path of the objects of a kind in a namespace.
#[must_use]
pub fn collection<K: Resource<DynamicType = ()>>(namespace: &str) -> String {
    K::url_path(&(), Some(namespace))
}

/// Path of an object.
#[must_use]
pub fn path_of<K: Resource<DynamicType = ()>>(key: &Key) -> String {
    format!("{}/{}", collection::<K>(&key.namespace), key.name)
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text)
        .map_err(|error| ApiError::Unavailable(format!("an answer cannot be read: {error}")))
}

/// What a refusal means. Large requests are answered with a plain 500 that is permanent.
fn error_of(status: StatusCode, text: &str) -> ApiError {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        message: String,
        #[serde(default)]
        reason: String,
    }
    let Refusal { message, reason } = serde_json::from_str(text)
        .unwrap_or_else(|_| Refusal { message: text.to_owned(), reason: String::new() });
    let is_too_large =
        message.contains("request is too large") || message.contains("message larger than max");
    match status {
        StatusCode::CONFLICT if reason == "AlreadyExists" || reason == "Conflict" => ApiError::Conflict,
        StatusCode::NOT_FOUND => ApiError::NotFound,
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ApiError::Forbidden(message),
        StatusCode::INTERNAL_SERVER_ERROR if is_too_large => ApiError::Refused { status, message },
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            ApiError::Unavailable(format!("{status}: {message}"))
        }
        StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT => {
            ApiError::Unavailable(format!("{status}: {message}"))
        }
        _ => ApiError::Refused { status, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_api_server_would_not_read_is_not_sent() {
        let nobody = tower::service_fn(|_: Request<kube::client::Body>| async {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody is asked"))
        });
        let api = ApiServer::new(Client::new(nobody, "n"));
        let sent = |bytes: usize| api.send(Request::post("/"), "x".repeat(bytes));
        assert!(matches!(sent(REQUEST_BYTES_MAX).await, Err(ApiError::Unavailable(_))));
        assert!(matches!(sent(REQUEST_BYTES_MAX + 1).await, Err(ApiError::Refused { .. })));
    }

    #[test]
    fn refusals_that_are_permanent_are_told_from_those_that_pass() {
        let kind = |status: u16, text: &str| match error_of(StatusCode::from_u16(status).unwrap(), text) {
            ApiError::Conflict => "conflict",
            ApiError::NotFound => "gone",
            ApiError::Forbidden(_) => "forbidden",
            ApiError::Refused { .. } => "refused",
            ApiError::Unavailable(_) => "later",
        };
        let cases = [
            (409, r#"{"reason": "Conflict"}"#, "conflict"),
            (409, r#"{"reason": "AlreadyExists"}"#, "conflict"),
            (404, "", "gone"),
            (403, r#"{"message": "no"}"#, "forbidden"),
            (422, r#"{"message": "too long"}"#, "refused"),
            (413, "", "refused"),
            (500, r#"{"message": "etcdserver: request is too large"}"#, "refused"),
            (500, r#"{"message": "etcdserver: request timed out"}"#, "later"),
            (503, "not json", "later"),
            (429, "", "later"),
        ];
        for (status, text, expected) in cases {
            assert_eq!(kind(status, text), expected, "{status} {text}");
        }
    }
}
