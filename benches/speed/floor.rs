//! The floor: what the API server gives to a client that decides nothing. It holds the watches open that
//! the controller holds, and does for each run one create and the same writes that the controller did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::api::{Api, Version, Written};
use crate::stage::{Names, Place};

/// Writes that are under way at a time, as many as the controller's looks.
const WRITES_MAX: usize = 64;

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// A bare client in a namespace of its own.
pub struct Floor {
    place: Arc<Place>,
    account: Api,
    statuses: Arc<[Box<RawValue>]>,
    _watches: JoinSet<()>,
}

impl Floor {
    /// A client that writes these statuses, one after the other, for each run.
    pub async fn new(place: Place, statuses: Vec<Box<RawValue>>) -> Self {
        let account = place.account();
        let watches = watches(&place, &account).await;
        Self { place: Arc::new(place), account, statuses: statuses.into(), _watches: watches }
    }

    /// Does what so many runs need; gives the time from the first create to the last write.
    pub async fn round(&self, names: Names<'_>, input: &Value) -> Duration {
        let places = Arc::new(Semaphore::new(WRITES_MAX));
        let mut writes = JoinSet::new();
        let began = Instant::now();
        self.place
            .start_all(names, input, |created| {
                let (place, account, statuses) =
                    (self.place.clone(), self.account.clone(), self.statuses.clone());
                let places = places.clone();
                writes.spawn(async move {
                    let mut at = created;
                    for status in statuses.iter() {
                        let _turn = places.acquire().await;
                        at = write(&account, &place, at, status).await;
                    }
                });
            })
            .await;
        while let Some(written) = writes.join_next().await {
            written.unwrap();
        }
        began.elapsed()
    }

    /// Writes the statuses of one run; gives the time of the last answer.
    pub async fn write_one(&self, created: Written) {
        let mut at = created;
        for status in self.statuses.iter() {
            at = write(&self.account, &self.place, at, status).await;
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }
}

async fn write(account: &Api, place: &Place, at: Written, status: &RawValue) -> Written {
    let Version { name, uid, resource_version } = at.metadata;
    let body = format!(
        r#"{{"apiVersion":"millrace.dev/v1alpha1","kind":"Execution","metadata":{{"name":"{name}","namespace":"{}","uid":"{uid}","resourceVersion":"{resource_version}"}},"status":{status}}}"#,
        place.space.name
    );
    account.put_status(&format!("{}/{name}/status", place.executions), body).await
}

/// The watches that the controller holds.
async fn watches(place: &Place, account: &Api) -> JoinSet<()> {
    let namespace = &place.space.name;
    let phases = |phases: &[&str]| {
        let each = phases.iter().map(|phase| format!("status.phase!%3D{phase}"));
        each.map(|one| one.replace('!', "%21")).collect::<Vec<_>>().join("%2C")
    };
    let going = phases(&["Succeeded", "Failed", "TimedOut", "Stopped", "Rejected"]);
    let ended = phases(&["Starting", "Running"]);
    let uid = "labelSelector=millrace.dev%2Fexecution-uid";
    let executions = place.executions.clone();
    let flows = executions.replace("/executions", "/flows");
    let all = [
        (executions.clone(), format!("fieldSelector={going}"), "application/json"),
        (executions, format!("fieldSelector={ended}"), METADATA),
        (flows, String::new(), "application/json"),
        (format!("/apis/batch/v1/namespaces/{namespace}/jobs"), uid.to_owned(), "application/json"),
        (format!("/api/v1/namespaces/{namespace}/pods"), uid.to_owned(), "application/json"),
    ];
    let mut watches = JoinSet::new();
    for (collection, parameters, form) in all {
        let list: Value = serde_json::from_str(&account.get(&format!("{collection}?limit=1")).await).unwrap();
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        let watch = account.watch_from(&collection, &parameters, version, form).await;
        watches.spawn(watch.drain());
    }
    watches
}

/// The statuses that the controller gives one run of a flow, one per write, as text.
pub async fn record(place: &Place, flow: &str, input: &Value) -> Vec<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        type_: String,
        object: Object,
    }
    #[derive(serde::Deserialize)]
    struct Object {
        status: Box<RawValue>,
    }
    let mut watch = place.watch().await;
    place.start("recorded", flow, input).await;
    let mut statuses = Vec::new();
    loop {
        let Event { type_, object } = watch.next().await;
        if type_ != "MODIFIED" {
            continue;
        }
        let status: Value = serde_json::from_str(object.status.get()).unwrap();
        statuses.push(object.status);
        if status["phase"] == json!("Succeeded") {
            return statuses;
        }
    }
}
