//! `millrace controller`: the operator.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use kube::{Client, Config};

use crate::api::execution::TTL_SECONDS_MAX;
use crate::api::task_report::KEPT_SECONDS;
use crate::cluster::leader::Candidate;
use crate::cluster::object::is_name;
use crate::controller::metrics::Metrics;
use crate::controller::notice::Level;
use crate::controller::readiness::Readiness;
use crate::controller::run;
use crate::server;

use super::EXIT_UNUSABLE;
use super::terminal::complain;

/// Namespace of the lease where nothing else says one.
const FALLBACK_NAMESPACE: &str = "default";

/// Run the operator.
///
/// Example: millrace controller --namespace shop --allow-egress 10.0.0.0/8
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Care for this namespace only; may be given several times
    #[arg(long = "namespace", value_name = "NAMESPACE", value_parser = namespace)]
    namespaces: Vec<String>,
    /// Name of the Lease by which one of several controllers leads
    #[arg(long, value_name = "NAME", default_value = "millrace", value_parser = name)]
    lease_name: String,
    /// Namespace of the Lease [default: that of the pod]
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", value_parser = namespace)]
    lease_namespace: Option<String>,
    /// Seconds after which a Lease that is not renewed is free
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3600))]
    lease_duration: u32,
    /// Name under which the Lease is held, different for each controller [default: that of the pod, or of the host with the
    /// number of the process]
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: Option<String>,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Network that HTTP tasks may reach although it is loopback, link-local, a metadata service or the API server; may be
    /// given several times
    #[arg(long = "allow-egress", value_name = "CIDR", value_parser = network)]
    allowed_egress: Vec<IpNet>,
    /// Which Kubernetes Events are made
    #[arg(long, value_enum, default_value_t = Level::Warnings)]
    events: Level,
    /// Seconds for which ended executions stay where neither they nor their Flow say so, if their name was generated [default: for ever]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..=TTL_SECONDS_MAX))]
    default_ttl: Option<i64>,
    /// Seconds for which TaskReports stay after they were judged
    #[arg(long, value_name = "SECONDS", default_value_t = KEPT_SECONDS, value_parser = clap::value_parser!(i64).range(0..=TTL_SECONDS_MAX))]
    report_ttl: i64,
    /// Form of the log; MILLRACE_LOG sets its level, such as `debug` or `millrace=debug`
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Longest name of a namespace, in characters.
const NAMESPACE_CHARS_MAX: usize = 63;

fn name(text: &str) -> Result<String, &'static str> {
    let expected = "a name has lower-case letters, digits, `-` and `.`, 253 at most";
    if is_name(text) { Ok(text.to_owned()) } else { Err(expected) }
}

fn namespace(text: &str) -> Result<String, &'static str> {
    let expected = "a namespace has lower-case letters, digits and `-`, 63 at most";
    let is_namespace = is_name(text) && !text.contains('.') && text.len() <= NAMESPACE_CHARS_MAX;
    if is_namespace { Ok(text.to_owned()) } else { Err(expected) }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let expected = "expected a network such as 10.0.0.0/8, or an address";
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| expected)
}

pub(super) fn run(args: Args) -> ExitCode {
    if let Err(message) = log(args.log_format) {
        return refuse(&message);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("the runtime cannot be started: {error}")),
    };
    match runtime.block_on(control(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => refuse(&message),
    }
}

fn refuse(message: &str) -> ExitCode {
    complain(message);
    ExitCode::from(EXIT_UNUSABLE)
}

async fn control(args: Args) -> Result<(), String> {
    let mut config = Config::infer().await.map_err(|error| format!("no cluster is configured: {error}"))?;
    // Retries are decided here, case by case; those of the client would go on for minutes unseen.
    config.default_retry = false;
    let api_server = api_server_addresses(&config).await;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| format!("the cluster cannot be used: {error}"))?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::default();
    let server = server::serve(args.listen, readiness.clone(), metrics.clone());
    let lease_namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    let config = run::Config {
        namespaces: args.namespaces,
        candidate: Candidate {
            lease: args.lease_name,
            namespace: args
                .lease_namespace
                .or(lease_namespace)
                .unwrap_or_else(|| FALLBACK_NAMESPACE.to_owned()),
            identity: args.identity.unwrap_or_else(own_name),
            duration: Duration::from_secs(args.lease_duration.into()),
        },
        allowed_egress: args.allowed_egress,
        api_server,
        events: args.events,
        default_ttl: args.default_ttl,
        report_ttl: Duration::from_secs(args.report_ttl.unsigned_abs()),
    };
    let signal = shutdown_signal().map_err(|error| format!("signals cannot be listened to: {error}"))?;
    let listen = args.listen;
    tokio::select! {
        served = server => match served {
            Ok(()) => Ok(()),
            Err(error) => Err(format!("cannot listen on {listen}: {error}")),
        },
        ended = run::run(client, config, readiness, metrics, signal) => ended,
    }
}

/// SIGTERM, or Ctrl-C.
fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Addresses behind the name of the API server, so that HTTP tasks can be kept from them.
async fn api_server_addresses(config: &Config) -> Vec<IpAddr> {
    let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = config.cluster_url.port_u16().unwrap_or(443);
    let service = std::env::var("KUBERNETES_SERVICE_HOST").ok().and_then(|host| host.parse().ok());
    let found = tokio::net::lookup_host((host, port)).await;
    found.into_iter().flatten().map(|address| address.ip()).chain(service).collect()
}

/// A name that no other controller has: whoever finds the Lease held under its own name leads.
fn own_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host = if host.is_empty() { "millrace" } else { &host };
    format!("{host}-{}", std::process::id())
}

fn log(format: LogFormat) -> Result<(), String> {
    use tracing_subscriber::EnvFilter;
    // The client logs whatever the API server answers, payloads included, and every refusal as an error.
    let quiet = "info,kube_client=off,kube_runtime=error,tower=off,hyper=off";
    let asked = std::env::var("MILLRACE_LOG").ok().filter(|asked| !asked.is_empty());
    let asked = asked.as_deref().unwrap_or(quiet);
    let filter = EnvFilter::builder()
        .parse(asked)
        .map_err(|error| format!("MILLRACE_LOG is `{asked}`, which is no level of a log: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
