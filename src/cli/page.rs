//! Lists, page by page. The objects stay text until each is looked at: one that cannot be read is its
//! own problem.

use http::header;
use kube::Resource;
use kube::api::ListParams;
use kube::core::Request;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cluster::api_server::{ApiError, LIST_OF_METADATA};

use super::connection::Connection;

/// The answer that the place in a list is too old to go on from (410 Gone).
const GONE: u16 = 410;

/// A part of a list.
#[derive(Debug)]
pub(super) struct Page {
    /// The objects as they came.
    pub(super) items: Vec<Box<RawValue>>,
    /// Where the list goes on, if it does.
    pub(super) next: Option<String>,
}

/// Which objects.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    /// Those of one namespace, or all.
    pub(super) namespace: Option<&'a str>,
    /// A field selector; empty for all.
    pub(super) fields: &'a str,
    /// A label selector; empty for all.
    pub(super) labels: &'a str,
    /// Most objects of a page.
    pub(super) limit: u32,
}

/// Reads the page behind `after`, or the first.
///
/// # Errors
/// Where it cannot be read; the message says what to do.
pub(super) async fn fetch<K: Resource<DynamicType = ()>>(
    connection: &Connection,
    selection: &Selection<'_>,
    after: Option<String>,
) -> Result<Page, String> {
    request::<K>(connection, selection, after, "application/json").await
}

/// Names of objects in a namespace, as many as are looked through.
///
/// # Errors
/// As [`fetch`].
pub(super) async fn names<K: Resource<DynamicType = ()>>(
    connection: &Connection,
    namespace: &str,
    limit: u32,
) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Named {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    let selection = Selection { namespace: Some(namespace), fields: "", labels: "", limit };
    let page = request::<K>(connection, &selection, None, LIST_OF_METADATA).await?;
    let named = page.items.iter().filter_map(|item| serde_json::from_str::<Named>(item.get()).ok());
    Ok(named.map(|named| named.metadata.name).collect())
}

async fn request<K: Resource<DynamicType = ()>>(
    connection: &Connection,
    selection: &Selection<'_>,
    after: Option<String>,
    accept: &str,
) -> Result<Page, String> {
    #[derive(Deserialize)]
    struct Wire {
        metadata: Metadata,
        // An empty list of metadata is `null`.
        items: Option<Vec<Box<RawValue>>>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default, rename = "continue")]
        next: Option<String>,
    }
    let what = format!("{} cannot be listed", K::plural(&()));
    let mut params = ListParams::default().fields(selection.fields).labels(selection.labels);
    params.limit = Some(selection.limit);
    params.continue_token = after;
    let request = Request::new(K::url_path(&(), selection.namespace)).list(&params);
    let request = request.map_err(|error| format!("{what}: {error}"))?;
    let builder = http::Request::get(request.uri()).header(header::ACCEPT, accept);
    let text = match connection.server.send(builder, String::new()).await {
        Ok(text) => text,
        Err(ApiError::Refused { status, .. }) if status.as_u16() == GONE => {
            return Err(format!("{what}: listing took so long that the list has changed; try again"));
        }
        Err(error) => return Err(connection.explain(&what, error)),
    };
    let page: Wire =
        serde_json::from_str(&text).map_err(|error| format!("{what}: the answer cannot be read: {error}"))?;
    Ok(Page {
        items: page.items.unwrap_or_default(),
        next: page.metadata.next.filter(|token| !token.is_empty()),
    })
}
