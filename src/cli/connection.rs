//! The cluster that a command speaks to, chosen as kubectl chooses it, and what to say where it
//! refuses.

use std::ffi::OsString;
use std::path::PathBuf;

use http::header;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use serde::Deserialize;

use crate::api::{Execution, Flow};
use crate::cluster::api_server::{ApiError, ApiServer, MERGE_PATCH, path_of, with_sources};
use crate::cluster::object::{Key, Stored};

use super::execution::Condition;
use super::name::near;
use super::page;
use super::plugin;
use super::start::FIELD_MANAGER;
use super::terminal::{fit, harmless, tell};

/// Names that are looked through for one that is near to one that does not exist.
const NAMES_MAX: u32 = 500;

/// Which cluster, and where in it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct Target {
    /// Kubeconfig to use [default: as kubectl; in a pod its account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use [default: the current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Namespace [default: that of the context]
    #[arg(short, long, value_name = "NAME", value_parser = super::name::parse_label)]
    namespace: Option<String>,
}

/// A cluster that can be asked.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) server: ApiServer,
    pub(super) namespace: String,
    /// The URL of the API server.
    url: String,
}

/// A change of an execution's spec.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The fields; what is null goes.
    pub(super) spec: serde_json::Value,
    /// The version that it is for, where it is for no other.
    pub(super) version: Option<u64>,
    /// Whether it is only tried: nothing is written.
    pub(super) is_dry_run: bool,
}

impl Target {
    /// The first of its options that is given.
    pub(super) fn first_given(&self) -> Option<&'static str> {
        let Self { kubeconfig, context, namespace } = self;
        let options = [
            ("--kubeconfig", kubeconfig.is_some()),
            ("--context", context.is_some()),
            ("--namespace", namespace.is_some()),
        ];
        options.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }

    /// What a line that is being typed says, behind the `--` of its completion; what cannot be read yet
    /// is left out.
    pub(super) fn of_line(words: impl Iterator<Item = OsString>) -> Self {
        let words = words.filter_map(|word| word.into_string().ok()).skip_while(|word| word != "--").skip(1);
        let mut target = Self::default();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let mut value = || value.clone().or_else(|| words.next_if(|next| !next.starts_with('-')));
            match &*name {
                "-n" | "--namespace" => {
                    target.namespace = value().filter(|name| super::name::parse_label(name).is_ok());
                }
                "--context" => target.context = value(),
                "--kubeconfig" => target.kubeconfig = value().map(PathBuf::from),
                _ => {}
            }
        }
        target
    }

    /// Takes over what is not given here.
    pub(super) fn fill(&mut self, other: Self) {
        let Self { kubeconfig, context, namespace } = other;
        self.kubeconfig = self.kubeconfig.take().or(kubeconfig);
        self.context = self.context.take().or(context);
        self.namespace = self.namespace.take().or(namespace);
    }

    /// Reads the configuration. Whether the cluster answers is found out by the first request.
    ///
    /// # Errors
    /// Where there is none or it cannot be used; the message says what to do.
    pub(super) async fn connect(&self) -> Result<Connection, String> {
        let mut config = self.config().await?;
        // A person is told at once what is wrong and can try again.
        config.default_retry = false;
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config)
            .map_err(|error| format!("the cluster at {url} cannot be used: {}", with_sources(&error)))?;
        Ok(Connection { server: ApiServer::new(client), namespace, url })
    }

    async fn config(&self) -> Result<Config, String> {
        let why = match self.configured().await {
            Ok(config) => return Ok(config),
            Err(why) if self.is_explicit() => return Err(why),
            Err(why) => why,
        };
        match std::env::var_os("KUBERNETES_SERVICE_HOST") {
            Some(_) => Config::incluster().map_err(|error| {
                format!("neither a kubeconfig ({why}) nor the account of the pod can be used: {error}")
            }),
            None => Err(format!(
                "no cluster is configured: {why}; name a kubeconfig with --kubeconfig or in KUBECONFIG"
            )),
        }
    }

    /// Whether someone has said which kubeconfig to use, or which context of it: nothing else is tried.
    fn is_explicit(&self) -> bool {
        let is_listed = std::env::var_os("KUBECONFIG").is_some_and(|files| !files.is_empty());
        self.kubeconfig.is_some() || self.context.is_some() || is_listed
    }

    /// What the kubeconfig says.
    async fn configured(&self) -> Result<Config, String> {
        let files = match &self.kubeconfig {
            Some(file) => vec![file.clone()],
            None => usual_files(),
        };
        let unusable = |file: &str, error| format!("the kubeconfig {file} cannot be used: {}", told(&error));
        let mut config = Kubeconfig::default();
        for file in &files {
            let read = Kubeconfig::read_from(file).and_then(|more| config.merge(more));
            config = read.map_err(|error| unusable(&file.display().to_string(), error))?;
        }
        let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(config, &options).await;
        config.map_err(|error| unusable(&names, error))
    }
}

/// The files in which kubectl too looks for a cluster.
fn usual_files() -> Vec<PathBuf> {
    let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let listed: Vec<_> = std::env::split_paths(&listed).filter(|file| !file.as_os_str().is_empty()).collect();
    if listed.is_empty() {
        return std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect();
    }
    listed
}

/// What is wrong with a kubeconfig whose name stands before it.
fn told(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(error) => {
            // Behind its first line the error shows the text around the place.
            let text = error.without_snippet().to_string();
            format!("it is no kubeconfig in YAML: {}", text.lines().next().unwrap_or_default())
        }
        KubeconfigError::CurrentContextNotSet => {
            "it has no current context; choose one with --context".to_owned()
        }
        KubeconfigError::LoadContext(name) => format!("it has no context `{name}`"),
        KubeconfigError::LoadClusterOfContext(name) => format!("it has no cluster `{name}`"),
        error => with_sources(error),
    }
}

impl Connection {
    /// Names an object in the namespace of the command.
    pub(super) fn key(&self, name: &str) -> Key {
        Key::new(&self.namespace, name)
    }

    /// Reads an Execution; gives its text.
    ///
    /// # Errors
    /// Where there is none, or it cannot be asked for; the message says what to do.
    pub(super) async fn execution(&self, key: &Key) -> Result<String, String> {
        match self.find_execution(key).await? {
            Some(text) => Ok(text),
            None => Err(self.no_execution(key).await),
        }
    }

    /// The same where there may be none.
    ///
    /// # Errors
    /// Where it cannot be asked for.
    pub(super) async fn find_execution(&self, key: &Key) -> Result<Option<String>, String> {
        match self.server.send(http::Request::get(path_of::<Execution>(key)), String::new()).await {
            Ok(text) => Ok(Some(text)),
            Err(ApiError::NotFound) => Ok(None),
            Err(error) => Err(self.explain(&format!("execution {key} cannot be read"), error)),
        }
    }

    /// Writes these fields of an execution's spec and nothing else; gives the object as it is then, or
    /// nothing where it is no longer of the version that the change is for.
    ///
    /// # Errors
    /// Where it cannot be `done`; the message says what to do.
    pub(super) async fn change(
        &self,
        key: &Key,
        change: &Change,
        done: &str,
    ) -> Result<Option<String>, String> {
        let path = path_of::<Execution>(key);
        let dry_run = if change.is_dry_run { "&dryRun=All" } else { "" };
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict{dry_run}");
        let mut body = serde_json::json!({"spec": change.spec});
        if let Some(version) = change.version {
            body["metadata"] = serde_json::json!({"resourceVersion": version.to_string()});
        }
        let body = body.to_string();
        let request = http::Request::patch(path).header(header::CONTENT_TYPE, MERGE_PATCH);
        match self.server.send(request, body).await {
            Ok(text) => Ok(Some(text)),
            Err(ApiError::Conflict) => Ok(None),
            Err(ApiError::NotFound) => Err(self.no_execution(key).await),
            Err(error) => Err(self.explain(&format!("execution {key} cannot be {done}"), error)),
        }
    }

    /// What to say of an Execution that does not exist.
    pub(super) async fn no_execution(&self, key: &Key) -> String {
        match page::names::<Execution>(self, &key.namespace, NAMES_MAX).await {
            Ok(names) => {
                let help = near(&key.name, &names).unwrap_or_else(|| {
                    format!(
                        "`{} list --namespace {}` shows which there are",
                        plugin::program(),
                        key.namespace
                    )
                });
                format!("there is no execution `{}` in namespace `{}`; {help}", key.name, key.namespace)
            }
            Err(why) => why,
        }
    }

    /// Refuses a Flow that does not exist: an Execution would wait for it for minutes, and a name that
    /// was mistyped is found at once. Of one that is not ready it is told. Whoever may not read Flows is
    /// let pass.
    ///
    /// # Errors
    /// Where there is no such Flow.
    pub(super) async fn check_flow(&self, name: &str) -> Result<(), String> {
        match self.server.get::<Flow>(&self.key(name)).await {
            Ok(Some(flow)) => {
                if let Some(why) = not_ready(&flow) {
                    tell(fit(&format!("warning: flow `{name}` is not ready: {}", harmless(&why))));
                }
                return Ok(());
            }
            Err(ApiError::Forbidden(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) => return Err(self.explain(&format!("flow {name} cannot be read"), error)),
        }
        let namespace = &self.namespace;
        let names = page::names::<Flow>(self, namespace, NAMES_MAX).await?;
        let help = near(name, &names).unwrap_or_else(|| match &*names {
            [] => "there are no flows there: apply one, or choose another with --namespace".to_owned(),
            _ => format!("`kubectl get flows --namespace {namespace}` shows which there are"),
        });
        Err(format!("there is no flow `{name}` in namespace `{namespace}`; {help}"))
    }

    /// What a person is told of a request that failed, and what to do.
    pub(super) fn explain(&self, what: &str, error: ApiError) -> String {
        let url = &self.url;
        match error {
            ApiError::NotFound => format!(
                "{what}: the cluster at {url} does not know the resources of Millrace; install them with \
                 the chart, or with `{} crds | kubectl apply --server-side -f -`",
                plugin::program()
            ),
            ApiError::Forbidden(message) if message == "Unauthorized" => format!(
                "{what}: the API server at {url} does not know who asks: the credentials of the context \
                 are missing, wrong or too old"
            ),
            ApiError::Forbidden(message) => format!(
                "{what}: {message}; the cluster roles `view` (reading) and `edit` (starting and stopping) hold the \
                 right where Millrace's chart is installed"
            ),
            ApiError::Unavailable(message) => {
                format!("{what}: the API server at {url} does not answer as it should: {message}")
            }
            ApiError::Refused { message, .. } => format!("{what}: {message}"),
            ApiError::Conflict => format!("{what}: {error}"),
        }
    }
}

/// Why the newest definition of a Flow cannot run.
fn not_ready(flow: &Stored<Flow>) -> Option<String> {
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        conditions: Vec<Condition>,
    }
    let status: Status = flow.decode_status().ok()?;
    let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready")?;
    (ready.status == "False").then(|| format!("{}: {}", ready.reason, ready.message))
}
