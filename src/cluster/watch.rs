//! Watches that go on whatever happens, as a stream of changes.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::{ObjectList, Request};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tracing::{debug, warn};

use super::backoff::Backoff;
use super::object::{Key, Stored};

/// Pause after a watch has failed. The API server is back within seconds or
/// within minutes; asking it every three seconds hurts nobody.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));

/// Objects that a page of a list holds. They come whole, and one that has failed may hold a megabyte.
const PAGE_SIZE: u32 = 100;

/// Something about the objects that are watched.
#[derive(Clone, Debug)]
pub enum Change<K> {
    /// All objects that there are follow.
    Listing,
    /// All objects that there are have been seen.
    Listed,
    /// An object as it is.
    Seen(K),
    /// An object that is gone, or is no longer among those that are watched.
    Gone(K),
}

/// Watches for as long as anybody listens.
pub async fn watch<K>(api: Api<K>, config: watcher::Config, what: &'static str, changes: Sender<Change<K>>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default + Clone,
{
    let mut stream = Box::pin(watcher(api, config));
    let mut backoff = RETRY;
    while let Some(event) = stream.next().await {
        let change = match event {
            Ok(watcher::Event::Init) => Change::Listing,
            Ok(watcher::Event::InitDone) => Change::Listed,
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => Change::Seen(object),
            Ok(watcher::Event::Delete(object)) => Change::Gone(object),
            Err(error) => {
                warn!(what, %error, "a watch has failed and goes on");
                backoff.pause().await;
                continue;
            }
        };
        backoff.reset();
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

/// Watches the metadata of objects that match a field selector, whatever their payload.
///
/// First all of them are listed whole, page by page, so that each can be looked at once; from then on
/// only metadata comes, and `Stored` has neither spec nor status.
pub async fn watch_metadata<K>(
    client: Client,
    namespace: Option<String>,
    fields: String,
    what: &'static str,
    changes: Sender<Change<Stored<K>>>,
) where
    K: Resource<DynamicType = ()> + 'static,
{
    let request = Request::new(K::url_path(&(), namespace.as_deref()));
    let mut backoff = RETRY;
    let mut version: Option<String> = None;
    loop {
        let from = match version.take() {
            Some(version) => Ok(version),
            None => list_all(&client, &request, &fields, &changes).await,
        };
        let ended = match from {
            Ok(from) => follow(&client, &request, &fields, from, &changes).await,
            Err(error) => Err(error),
        };
        match ended {
            // The API server ends every watch after some minutes.
            Ok(Some(last)) => {
                debug!(what, "a watch has ended and goes on");
                version = Some(last);
                backoff.reset();
            }
            Ok(None) => return,
            Err(error) => {
                warn!(what, %error, "a watch has failed and begins anew");
                backoff.pause().await;
            }
        }
    }
}

/// Lists all objects; gives the version from which a watch goes on.
async fn list_all<K>(
    client: &Client,
    request: &Request,
    fields: &str,
    changes: &Sender<Change<Stored<K>>>,
) -> kube::Result<String>
where
    K: Resource<DynamicType = ()> + 'static,
{
    let mut params = ListParams::default().fields(fields).limit(PAGE_SIZE);
    // Whether anybody listens is found out by the watch.
    let _ = changes.send(Change::Listing).await;
    loop {
        let page = request.list(&params).map_err(kube::Error::BuildRequest)?;
        let page: ObjectList<Stored<K>> = client.request(page).await?;
        let version = page.metadata.resource_version.unwrap_or_default();
        for object in page.items {
            let _ = changes.send(Change::Seen(object)).await;
        }
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            let _ = changes.send(Change::Listed).await;
            return Ok(version);
        }
    }
}

/// Follows a watch to its end; gives the version from which the next goes on, nothing where nobody
/// listens any more.
async fn follow<K>(
    client: &Client,
    request: &Request,
    fields: &str,
    from: String,
    changes: &Sender<Change<Stored<K>>>,
) -> kube::Result<Option<String>>
where
    K: Resource<DynamicType = ()> + 'static,
{
    let params = WatchParams::default().fields(fields);
    let watch = request.watch_metadata(&params, &from).map_err(kube::Error::BuildRequest)?;
    let mut events = Box::pin(client.request_events::<Stored<K>>(watch).await?);
    let mut last = from;
    while let Some(event) = events.try_next().await? {
        let change = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                last = object.version().to_string();
                Change::Seen(object)
            }
            WatchEvent::Deleted(object) => {
                last = object.version().to_string();
                Change::Gone(object)
            }
            WatchEvent::Bookmark(bookmark) => {
                last = bookmark.metadata.resource_version;
                continue;
            }
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        };
        if changes.send(change).await.is_err() {
            return Ok(None);
        }
    }
    Ok(Some(last))
}

/// Keeps account of which objects a list has shown.
#[derive(Debug)]
pub struct Listing {
    namespace: Option<String>,
    shown: Option<BTreeSet<Key>>,
}

impl Listing {
    /// Of the lists of a namespace, or of all.
    #[must_use]
    pub fn of(namespace: Option<String>) -> Self {
        Self { namespace, shown: None }
    }

    /// A list begins.
    pub fn begin(&mut self) {
        self.shown = Some(BTreeSet::new());
    }

    /// An object was seen.
    pub fn note(&mut self, key: &Key) {
        if let Some(shown) = &mut self.shown {
            shown.insert(key.clone());
        }
    }

    /// The list is complete.
    pub fn end(&mut self) -> Listed {
        Listed { namespace: self.namespace.clone(), shown: self.shown.take().unwrap_or_default() }
    }
}

/// What a complete list has shown.
#[derive(Clone, Debug)]
pub struct Listed {
    namespace: Option<String>,
    shown: BTreeSet<Key>,
}

impl Listed {
    /// The namespace that was listed; nothing where all were.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether an object would have been in the list and was not. What other namespaces hold is no
    /// business of this list.
    #[must_use]
    pub fn lacks(&self, key: &Key) -> bool {
        let is_in_scope = self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace);
        is_in_scope && !self.shown.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_nothing_of_other_namespaces() {
        let key = |namespace: &str, name: &str| Key::new(namespace, name);
        let lacks = |namespace: Option<&str>| {
            let mut listing = Listing::of(namespace.map(str::to_owned));
            listing.note(&key("n", "before the list"));
            listing.begin();
            listing.note(&key("n", "a"));
            let listed = listing.end();
            [key("n", "a"), key("n", "before the list"), key("m", "a")].map(|key| listed.lacks(&key))
        };
        assert_eq!(lacks(Some("n")), [false, true, false]);
        assert_eq!(lacks(None), [false, true, true]);
    }
}
