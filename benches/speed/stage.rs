//! What measures have in common: a cluster, clients, namespaces with a controller each.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::api::{Api, Watch, Written};
use crate::options::Options;
use crate::rig::{Cluster, Controller, Space};
use crate::tools;

/// Name of the cluster, and of the client's account in it.
const CLUSTER: &str = "bench";
const CLIENT: &str = "millrace-speed";

/// Creates that are under way at a time: more did not carry more.
const CREATES_MAX: usize = 32;

/// How long anything that is waited for may take.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// How often it is looked.
pub const POLL: Duration = Duration::from_millis(5);

/// What the chart's controller logs.
const LOG: &str = "info";

/// Where everything happens.
pub struct Stage {
    pub runtime: Runtime,
    pub is_quick: bool,
    /// Whoever starts executions and looks at them.
    pub client: Api,
    cluster: Torn,
}

/// A cluster that is taken down at the end, of a panic too.
struct Torn(&'static Cluster);

impl Drop for Torn {
    fn drop(&mut self) {
        self.0.down();
    }
}

impl Stage {
    pub fn set(options: &Options) -> Self {
        eprintln!("bringing up the cluster `{CLUSTER}`");
        let cluster = Torn(Cluster::own(CLUSTER, &["--controllers"]));
        cluster.0.install_crds();
        let runtime = Runtime::new().unwrap();
        let client = Api::new(&cluster.0.kubeconfig, &client_token(cluster.0));
        Self { runtime, is_quick: options.quick, client, cluster }
    }

    /// Says how far it is.
    pub fn say(&self, what: &str) {
        eprintln!("{what}");
    }

    /// One of two numbers: that of a quick look, or that of a measure.
    pub fn scale(&self, quick: usize, full: usize) -> usize {
        if self.is_quick { quick } else { full }
    }

    /// Makes pods run, where this machine can.
    pub fn with_pods(&self) -> Result<(), String> {
        let mut up = tools::cluster_script();
        up.env_remove("MILLRACE_TEST_KUBECONFIG").args(["up", "--name", CLUSTER, "--pods"]);
        // Where the kubeconfig is is known already.
        let status = up.stdout(Stdio::null()).status().unwrap();
        let why = "pods do not run here; as root, and with containerd, they would";
        status.success().then_some(()).ok_or_else(|| why.to_owned())
    }

    /// A namespace with a controller of its own, ready and leading.
    pub fn place(&self, name: &str) -> Place {
        let space = Space::within(self.cluster.0, name);
        let executions = format!("/apis/millrace.dev/v1alpha1/namespaces/{}/executions", space.name);
        Place { space, executions, client: self.client.clone() }
    }
}

/// A token of an account that may do everything, and that the API server treats like any other.
fn client_token(cluster: &Cluster) -> String {
    let account = format!("--serviceaccount=default:{CLIENT}");
    // They exist where the cluster was used before.
    let _ = cluster.kubectl(&["--namespace=default", "create", "serviceaccount", CLIENT]);
    let role = "--clusterrole=cluster-admin";
    let _ = cluster.kubectl(&["create", "clusterrolebinding", CLIENT, role, &account]);
    let token = cluster.kubectl(&["--namespace=default", "create", "token", CLIENT, "--duration=4h"]);
    assert!(token.status.success(), "{token:?}");
    String::from_utf8(token.stdout).unwrap().trim().to_owned()
}

/// A namespace with the controller's rights in it.
pub struct Place {
    pub space: Space,
    /// Path of its Executions.
    pub executions: String,
    client: Api,
}

impl Place {
    /// A controller, ready and leading.
    pub fn controller(&self) -> Controller {
        let mut controller = self.space.spawn_controller_logging(LOG, "controller", &[]);
        controller.wait_for("leading", |controller| controller.log().contains("leading"));
        controller
    }

    /// The API server in the eyes of the controller's account.
    pub fn account(&self) -> Api {
        let config = std::fs::read_to_string(&self.space.kubeconfig).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        Api::new(&self.space.kubeconfig, config["users"][0]["user"]["token"].as_str().unwrap())
    }

    /// Starts an execution.
    pub async fn start(&self, name: &str, flow: &str, input: &Value) -> Written {
        self.client.create(&self.executions, execution(name, flow, input)).await
    }

    /// Starts so many executions as fast as it goes; `then` is told of each as soon as it exists.
    pub async fn start_all(&self, names: Names<'_>, input: &Value, mut then: impl FnMut(Written)) {
        let places = Arc::new(Semaphore::new(CREATES_MAX));
        let (written, mut created) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..names.count {
            let place = tokio::select! {
                biased;
                Some(object) = created.recv() => { then(object); places.clone().acquire_owned().await }
                place = places.clone().acquire_owned() => place,
            };
            let body = execution(&format!("{}-{number}", names.prefix), names.flow, input);
            let (client, collection, written) =
                (self.client.clone(), self.executions.clone(), written.clone());
            tokio::spawn(async move {
                let _ = written.send(client.create(&collection, body).await);
                drop(place);
            });
        }
        drop(written);
        while let Some(object) = created.recv().await {
            then(object);
        }
    }

    /// A watch of all Executions.
    pub async fn watch(&self) -> Watch {
        self.client.watch(&self.executions, "").await
    }

    /// Removes all Executions.
    pub async fn clear(&self) {
        self.client.clear(&self.executions).await;
    }

    /// All of them have succeeded.
    pub async fn check_all_succeeded(&self, count: usize) {
        let path = format!("{}?fieldSelector=status.phase%3DSucceeded", self.executions);
        let list: Value = serde_json::from_str(&self.client.get(&path).await).unwrap();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(count), "runs that have succeeded");
    }
}

/// Which executions are started.
#[derive(Clone, Copy)]
pub struct Names<'n> {
    pub prefix: &'n str,
    pub flow: &'n str,
    pub count: usize,
}

fn execution(name: &str, flow: &str, input: &Value) -> String {
    let spec = json!({"flowRef": {"name": flow}, "input": input});
    crate::rig::execution(name, spec)
}

/// Waits for a figure of a controller to reach a value; gives the time that took.
pub fn wait_for_figure(controller: &mut Controller, name: &str, value: f64) -> Duration {
    let began = Instant::now();
    while controller.find_figure(name).unwrap_or_default() < value {
        assert!(began.elapsed() < DEADLINE, "{name} does not reach {value}:\n{}", controller.log());
        std::thread::sleep(POLL);
    }
    began.elapsed()
}

/// An event of a watch of Executions, as far as it matters.
#[derive(Debug, serde::Deserialize)]
pub struct Changed {
    pub object: ChangedObject,
}

#[derive(Debug, serde::Deserialize)]
pub struct ChangedObject {
    pub metadata: crate::api::Version,
    pub status: ChangedStatus,
}

#[derive(Debug, serde::Deserialize)]
pub struct ChangedStatus {
    pub phase: String,
}

/// Waits until a watch shows that an execution has succeeded.
pub async fn see_success(watch: &mut Watch, name: &str) -> Instant {
    loop {
        let Changed { object } = watch.next().await;
        if object.metadata.name == name && object.status.phase == "Succeeded" {
            return Instant::now();
        }
        let is_lost =
            object.metadata.name == name && !matches!(&*object.status.phase, "Starting" | "Running");
        assert!(!is_lost, "{name} has ended as {}", object.status.phase);
    }
}
