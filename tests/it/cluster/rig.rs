//! The ground that cluster tests stand on.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::tools;

/// How long anything that is waited for may take on a machine that is busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often it is looked.
const POLL: Duration = Duration::from_millis(25);

/// A Kubernetes.
#[derive(Debug)]
pub struct Cluster {
    name: &'static str,
    pub kubeconfig: PathBuf,
}

impl Cluster {
    /// The cluster that tests share, with pods. Brought up by whoever comes first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::up("test", tools::cluster_script(), &["--pods", "--no-fsync"]);
            cluster.install_crds();
            cluster
        })
    }

    /// A new API server of one's own, to be broken. It is never the cluster that
    /// `MILLRACE_TEST_KUBECONFIG` names. Whoever asked for it takes it [`down`](Self::down).
    pub fn own(name: &'static str, options: &[&str]) -> &'static Self {
        Self::script(name, "down");
        let options = [&["--no-fsync"], options].concat();
        Box::leak(Box::new(Self::up(name, own_cluster_script(), &options)))
    }

    fn up(name: &'static str, mut script: Command, options: &[&str]) -> Self {
        let output = script.arg("up").args(["--name", name]).args(options).output().unwrap();
        assert!(output.status.success(), "the cluster {name} does not come up");
        let kubeconfig = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        Self { name, kubeconfig }
    }

    /// The end of a cluster of one's own.
    pub fn down(&self) {
        Self::script(self.name, "down");
    }

    /// Ends or starts a component of a cluster of one's own.
    pub fn component(&self, verb: &str, component: &str) {
        let status = own_cluster_script().args([verb, component, "--name", self.name]).status().unwrap();
        assert!(status.success(), "{verb} {component}");
    }

    /// Makes the images of an archive known to the node; gives their names.
    pub fn load_image(&self, archive: &str) -> String {
        let mut script = own_cluster_script();
        let output = script.args(["load-image", archive, "--name", self.name]).output().unwrap();
        assert!(output.status.success(), "load-image {archive}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn script(name: &str, verb: &str) {
        let status = own_cluster_script().args([verb, "--name", name]).status().unwrap();
        assert!(status.success(), "{verb} {name}");
    }

    pub fn install_crds(&self) {
        let crds = tools::root().join("crds");
        let output =
            self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", crds.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        for crd in ["flows", "flowrevisions", "executions", "executiondata", "schedules", "taskreports"] {
            let crd = format!("crd/{crd}.millrace.dev");
            let output = self.kubectl(&["wait", "--for=condition=Established", &crd, "--timeout=30s"]);
            assert!(output.status.success(), "{output:?}");
        }
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(arguments, "")
    }

    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = tools::kubectl()
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn own_cluster_script() -> Command {
    let mut script = tools::cluster_script();
    script.env_remove("MILLRACE_TEST_KUBECONFIG");
    script
}

/// A namespace of its own, with the controller's rights in it. Removed with the cluster.
#[derive(Debug)]
pub struct Space {
    pub cluster: &'static Cluster,
    pub name: String,
    /// The kubeconfig of the controller's account.
    pub kubeconfig: PathBuf,
}

impl Space {
    /// A namespace in the shared cluster.
    pub fn new(test: &str) -> Self {
        Self::within(Cluster::shared(), test)
    }

    /// A namespace in a cluster.
    pub fn within(cluster: &'static Cluster, test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{test}-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let space = Self { cluster, kubeconfig: folder.join("kubeconfig"), name };
        let namespace = space.cluster.kubectl(&["create", "namespace", &space.name]);
        assert!(namespace.status.success(), "{namespace:?}");
        space.grant_rights();
        space
    }

    /// The chart's ServiceAccount with the chart's rights in this namespace, and a runner whose rights
    /// are those of the chart's runner role.
    fn grant_rights(&self) {
        let name = &self.name;
        let values = json!({
            "fullnameOverride": name,
            "namespaces": [name],
            "lease": {"name": name},
            "impersonation": {"namespaces": [name]},
            "crds": {"install": false},
            "flowControl": {"enabled": false},
        });
        let templates = ["rbac", "impersonation", "serviceaccount", "user-roles"];
        let mut helm = tools::helm();
        helm.args(["template", name, "--namespace", name, "--values", "-"])
            .arg(tools::root().join("charts/millrace"));
        for template in templates {
            helm.args(["--show-only", &format!("templates/{template}.yaml")]);
        }
        let mut child = helm.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(values.to_string().as_bytes()).unwrap();
        let rendered = child.wait_with_output().unwrap();
        assert!(rendered.status.success(), "helm template");
        self.apply(&String::from_utf8(rendered.stdout).unwrap());
        self.apply(&format!(
            "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: runner}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: runner}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}-runner}}
subjects: [{{kind: ServiceAccount, name: runner}}]
"
        ));
        let config = self.config_of(&format!("{name}-controller"));
        std::fs::write(&self.kubeconfig, config.to_string()).unwrap();
    }

    /// A kubeconfig as a service account of this namespace.
    pub fn config_of(&self, account: &str) -> Value {
        let token = self.kubectl(&["create", "token", account, "--duration=4h"]);
        let token = String::from_utf8(token.stdout).unwrap();
        let admin = std::fs::read_to_string(&self.cluster.kubeconfig).unwrap();
        let admin = millrace::source::parse(&admin).unwrap().to_value();
        let mut config: Value = serde_json::from_str(&admin.to_json()).unwrap();
        let user = config["contexts"][0]["context"]["user"].as_str().unwrap().to_owned();
        config["users"] = json!([{"name": user, "user": {"token": token.trim()}}]);
        config["contexts"][0]["context"]["namespace"] = json!(self.name);
        config
    }

    /// A file with a kubeconfig as a new account that has one of the chart's roles for users.
    pub fn user(&self, role: &str) -> PathBuf {
        let name = &self.name;
        self.apply(&format!(
            "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: user-{role}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: user-{role}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}-{role}}}
subjects: [{{kind: ServiceAccount, name: user-{role}}}]
"
        ));
        let file = self.write_config(&format!("user-{role}"), &self.config_of(&format!("user-{role}")));
        // The API server learns of a binding from a watch of its own.
        wait("the rights of the account", || {
            let mut asks = tools::kubectl();
            asks.arg("--kubeconfig").arg(&file).args(["auth", "can-i", "list", "executions.millrace.dev"]);
            asks.output().unwrap().status.success().then_some(())
        });
        file
    }

    /// A file with a kubeconfig.
    pub fn write_config(&self, name: &str, config: &Value) -> PathBuf {
        let file = self.kubeconfig.with_file_name(format!("{name}.kubeconfig"));
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }

    /// A controller for this namespace, ready and leading.
    pub fn controller(&self) -> Controller {
        self.controller_with(&[])
    }

    pub fn controller_with(&self, arguments: &[&str]) -> Controller {
        let mut controller = self.spawn_controller("controller", arguments);
        controller.wait_for("leading", |controller| controller.log().contains("leading"));
        controller
    }

    /// A controller that may not get ready.
    pub fn spawn_controller(&self, identity: &str, arguments: &[&str]) -> Controller {
        let filter = "info,millrace=debug,kube_client=off,kube_runtime=error";
        self.spawn_controller_logging(filter, identity, arguments)
    }

    /// A controller that logs what the filter lets through.
    pub fn spawn_controller_logging(&self, filter: &str, identity: &str, arguments: &[&str]) -> Controller {
        let log = self.kubeconfig.with_file_name(format!("{identity}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let began_at = file.metadata().unwrap().len();
        let port = free_port();
        // The services of tests are on loopback.
        let egress: &[&str] =
            if arguments.contains(&"--allow-egress") { &[] } else { &["--allow-egress", "127.0.0.0/8"] };
        let lease: &[&str] =
            if arguments.contains(&"--lease-name") { &[] } else { &["--lease-name", &self.name] };
        let child = Command::new(env!("CARGO_BIN_EXE_millrace"))
            .args(["controller", "--namespace", &self.name])
            .args(lease)
            .args(["--lease-namespace", &self.name, "--identity", identity])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(egress)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("MILLRACE_LOG", filter)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Controller { child, log, began_at, address }
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["--namespace", &self.name];
        all.extend(arguments);
        self.cluster.kubectl(&all)
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &str) {
        let output = self.try_apply(manifest, &[]);
        assert!(output.status.success(), "{}\n{manifest}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn try_apply(&self, manifest: &str, options: &[&str]) -> Output {
        let mut arguments = vec!["--namespace", &self.name, "apply", "-f", "-"];
        arguments.extend(options);
        self.cluster.kubectl_with(&arguments, manifest)
    }

    /// Makes an Execution. Unlike apply, this keeps nulls (control-plane.md §8).
    pub fn start(&self, name: &str, spec: Value) {
        let output = self.try_create(&execution(name, spec));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Merges into the spec of an object.
    pub fn patch(&self, resource: &str, name: &str, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        let patched = self.kubectl(&["patch", resource, name, "--type=merge", "-p", &patch]);
        assert!(patched.status.success(), "{patched:?}");
    }

    pub fn try_create(&self, manifest: &str) -> Output {
        self.cluster.kubectl_with(&["--namespace", &self.name, "create", "-f", "-"], manifest)
    }

    /// Applies a Flow with a definition and waits until it was looked at.
    pub fn flow(&self, name: &str, definition: &str) {
        self.flow_with(name, definition, json!({}));
    }

    pub fn flow_with(&self, name: &str, definition: &str, mut spec: Value) {
        spec["definition"] = json!(definition);
        self.apply(&manifest("Flow", name, spec).to_string());
        self.wait(&format!("flow {name} to be looked at"), || {
            let flow = self.get("flows", name)?;
            (flow["status"]["observedGeneration"] == flow["metadata"]["generation"]).then_some(())
        });
    }

    /// An object as it is, if it is.
    pub fn get(&self, resource: &str, name: &str) -> Option<Value> {
        let output = self.kubectl(&["get", resource, name, "-o", "json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    pub fn list(&self, resource: &str) -> Vec<Value> {
        let output = self.kubectl(&["get", resource, "-o", "json"]);
        assert!(output.status.success(), "{output:?}");
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    pub fn execution(&self, name: &str) -> Value {
        self.get("executions", name).unwrap_or_else(|| panic!("no execution {name}"))
    }

    /// Waits until the execution has ended; gives it.
    pub fn ended(&self, name: &str) -> Value {
        self.ended_within(name, DEADLINE)
    }

    pub fn ended_within(&self, name: &str, deadline: Duration) -> Value {
        let timeout = format!("--timeout={}s", deadline.as_secs());
        let wait =
            self.kubectl(&["wait", "--for=condition=Complete", &format!("executions/{name}"), &timeout]);
        let execution = self.execution(name);
        assert!(wait.status.success(), "{name} has not ended: {:#}", execution["status"]);
        execution
    }

    /// Waits until it was refused; gives the condition that says so, as text: the object itself may be
    /// more than a client can read.
    pub fn rejected(&self, name: &str) -> String {
        self.wait(&format!("{name} to be refused"), || {
            let path = r#"jsonpath={.status.conditions[?(@.type=="Accepted")]}"#;
            let output = self.kubectl(&["get", "executions", name, "-o", path]);
            let said = String::from_utf8(output.stdout).unwrap();
            said.contains(r#""status":"False""#).then_some(said)
        })
    }

    /// Waits until it has succeeded; gives its output.
    pub fn output(&self, name: &str) -> Value {
        let execution = self.ended(name);
        assert_eq!(execution["status"]["phase"], "Succeeded", "{:#}", execution["status"]);
        execution["status"]["output"].clone()
    }

    /// Waits until a condition has this status and reason; gives the condition.
    pub fn condition(&self, name: &str, type_: &str, status: &str, reason: &str) -> Value {
        self.condition_saying(name, type_, status, reason, "")
    }

    /// Waits until a condition has this status and reason and its message holds this text: for what may say
    /// something else with the same reason before.
    pub fn condition_saying(&self, name: &str, type_: &str, status: &str, reason: &str, text: &str) -> Value {
        let what = format!("{name} to be {type_}={status}/{reason} {text:?}");
        self.wait(&what, || {
            let execution = self.execution(name);
            let condition = condition(&execution, type_).cloned()?;
            let is_met = condition["status"] == status && condition["reason"] == reason;
            let is_met = is_met && condition["message"].as_str().unwrap_or_default().contains(text);
            (is_met && condition["observedGeneration"] == execution["metadata"]["generation"])
                .then_some(condition)
        })
    }

    /// Waits for something.
    pub fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait(what, look)
    }

    /// What the real kstatus library says of an execution.
    pub fn kstatus(&self, name: &str) -> String {
        self.kstatus_of("executions", name)
    }

    /// The same of an object.
    pub fn kstatus_of(&self, resource: &str, name: &str) -> String {
        let object = self.get(resource, name).unwrap_or_else(|| panic!("no {resource} {name}"));
        let mut child = tools::kstatus().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(object.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        verdict["status"].as_str().unwrap().to_owned()
    }
}

/// Waits for something, with a deadline.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(POLL);
    }
}

/// An object of ours.
pub fn manifest(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "millrace.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// An Execution, as text.
pub fn execution(name: &str, spec: Value) -> String {
    manifest("Execution", name, spec).to_string()
}

/// The condition of a type.
pub fn condition<'e>(execution: &'e Value, type_: &str) -> Option<&'e Value> {
    execution["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}

/// A port that nobody listens on. Somebody else may take it; then the controller says so and the test
/// fails with its words.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A controller that runs. It is killed when it goes out of scope.
#[derive(Debug)]
pub struct Controller {
    child: Child,
    log: PathBuf,
    began_at: u64,
    pub address: SocketAddr,
}

impl Controller {
    /// Number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged since it began.
    pub fn log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap();
        let began_at = usize::try_from(self.began_at).unwrap();
        String::from_utf8_lossy(text.get(began_at..).unwrap_or_default()).into_owned()
    }

    /// Waits for something to become true of it.
    pub fn wait_for(&mut self, what: &str, mut is_met: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_met(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the controller has ended with {status} instead of {what}:\n{}", self.log());
            }
            assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}:\n{}", self.log());
            std::thread::sleep(POLL);
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// SIGTERM, and its end.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        self.signal("-TERM");
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < DEADLINE, "the controller does not end:\n{}", self.log());
            std::thread::sleep(POLL);
        }
    }

    /// The answer to a GET, with its status.
    pub fn http(&self, path: &str) -> Option<(u16, String)> {
        use std::io::Read as _;
        let mut stream = std::net::TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// A figure of `/metrics`.
    pub fn figure(&self, name: &str) -> f64 {
        self.find_figure(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.http("/metrics")))
    }

    /// A figure of `/metrics`, once there is one.
    pub fn find_figure(&self, name: &str) -> Option<f64> {
        let (_, text) = self.http("/metrics")?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("--- the controller's last words:");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
