//! The Helm chart, as Helm renders it. Needs no cluster; Helm is the one that the cluster tests use.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec, Service, ServiceAccount};
use k8s_openapi::api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use millrace::dialect;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::tools::{helm, root};

const NAMESPACE: &str = "millrace-system";

/// Values that between them switch everything on and off.
const EVERYTHING: &str = "
replicas: 3
namespaces: [shop, inventory]
lease: {name: other, durationSeconds: 30}
http: {address: '[::]', port: 9090}
allowEgress: [10.0.0.0/8, 'fd00::/8']
events: all
log: {format: json, filter: debug}
apiServer: {host: 10.1.2.3, port: 6443}
impersonation: {namespaces: [shop], serviceAccounts: [order-runner, refunds.v2]}
image: {repository: registry.example/millrace, digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}
imagePullSecrets: [{name: registry}]
serviceAccount: {annotations: {example/identity: millrace}}
policies: {immutableSpec: {enabled: true}, starts: {enabled: true, others: false, rules: [{groups: [interns], tags: [trial]}]}}
service: {create: true, annotations: {prometheus.io/scrape: 'true'}}
hostNetwork: true
podAnnotations: {a: b}
podLabels: {team: platform}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
extraArgs: [--identity=me]
extraEnv: [{name: SSL_CERT_FILE, value: /ca/ca.crt}]
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /ca}]
";
const NOTHING: &str = "
crds: {install: false}
serviceAccount: {create: false, name: mine}
rbac: {create: false}
userRoles: {create: false}
runnerRole: {create: false}
flowControl: {enabled: false}
";
const ALL_NAMESPACES: &str = "impersonation: {allNamespaces: true, serviceAccounts: [runner]}";

// --- Helm ------------------------------------------------------------------------

fn chart() -> PathBuf {
    root().join("charts/millrace")
}

/// What Helm prints, given values as YAML; what it complains about, where it refuses.
fn run_helm(arguments: &[&str], chart: &Path, values: &str) -> Result<String, String> {
    let mut child = helm()
        .args(arguments)
        .arg(chart)
        .args(["--namespace", NAMESPACE, "--values", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(values.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        Ok(stdout)
    } else {
        Err(stdout + &String::from_utf8(output.stderr).unwrap())
    }
}

fn render(values: &str) -> Vec<Value> {
    let yaml =
        run_helm(&["template", "millrace"], &chart(), values).unwrap_or_else(|error| panic!("{error}"));
    serde_saphyr::from_multiple(&yaml).unwrap()
}

/// Why the values are refused.
fn refusal(values: &str) -> String {
    run_helm(&["template", "millrace"], &chart(), values).expect_err("the values are refused")
}

/// What people read after `helm install`. Helm prints it only with a cluster at hand, so here it is
/// rendered as if it were a template like the others.
fn notes(name: &str, values: &str) -> String {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chart-{name}"));
    let _ = std::fs::remove_dir_all(&copy);
    let status = Command::new("cp").arg("-r").arg(chart()).arg(&copy).status().unwrap();
    assert!(status.success(), "the chart is copied");
    std::fs::rename(copy.join("templates/NOTES.txt"), copy.join("files/notes")).unwrap();
    let template = "notes: {{ tpl (.Files.Get \"files/notes\") . | toJson }}";
    std::fs::write(copy.join("templates/notes.yaml"), template).unwrap();
    let yaml =
        run_helm(&["template", "millrace", "--show-only", "templates/notes.yaml"], &copy, values).unwrap();
    serde_saphyr::from_str::<Value>(&yaml).unwrap()["notes"].as_str().unwrap().to_owned()
}

// --- what is rendered ------------------------------------------------------------

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn the<T: DeserializeOwned>(objects: &[Value], kind: &str, name: &str) -> T {
    let found = of_kind(objects, kind).into_iter().find(|object| object["metadata"]["name"] == name);
    serde_json::from_value(found.unwrap_or_else(|| panic!("no {kind} `{name}`")).clone()).unwrap()
}

fn pod(objects: &[Value]) -> PodSpec {
    let deployment: Deployment = the(objects, "Deployment", "millrace-controller");
    deployment.spec.unwrap().template.spec.unwrap()
}

fn container(objects: &[Value]) -> Container {
    let mut containers = pod(objects).containers;
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

/// `Kind namespace/name`, as people speak of an object.
fn title(object: &Value) -> String {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap();
    match metadata["namespace"].as_str() {
        Some(namespace) => format!("{} {namespace}/{name}", object["kind"].as_str().unwrap()),
        None => format!("{} {name}", object["kind"].as_str().unwrap()),
    }
}

fn words(list: &Value) -> String {
    let words: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    words.join(",")
}

/// Every right that the chart gives to a role, one a line.
fn rights(objects: &[Value]) -> String {
    let mut lines = Vec::new();
    for object in objects.iter().filter(|object| object["rules"].is_array()) {
        for rule in object["rules"].as_array().unwrap() {
            let group = words(&rule["apiGroups"]);
            let names = match words(&rule["resourceNames"]) {
                names if names.is_empty() => names,
                names => format!("[{names}]"),
            };
            lines.push(format!(
                "{}: {} {group}/{}{names}",
                title(object),
                words(&rule["verbs"]),
                words(&rule["resources"])
            ));
        }
    }
    lines.join("\n")
}

/// Every binding, one a line.
fn bindings(objects: &[Value]) -> BTreeSet<String> {
    objects
        .iter()
        .filter(|object| object["roleRef"].is_object())
        .map(|object| {
            let role = &object["roleRef"];
            let subjects: Vec<String> =
                object["subjects"].as_array().unwrap().iter().map(title_of_subject).collect();
            let role = format!("{} {}", role["kind"].as_str().unwrap(), role["name"].as_str().unwrap());
            format!("{} → {role}: {}", title(object), subjects.join(","))
        })
        .collect()
}

fn title_of_subject(subject: &Value) -> String {
    format!("{}:{}", subject["namespace"].as_str().unwrap(), subject["name"].as_str().unwrap())
}

fn check_lines<'a>(found: impl IntoIterator<Item = &'a str>, expected: &str) {
    let found: BTreeSet<&str> = found.into_iter().collect();
    let expected: BTreeSet<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let more: Vec<_> = found.difference(&expected).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(more.is_empty() && missing.is_empty(), "too much: {more:#?}\nmissing: {missing:#?}");
}

// --- the chart as a whole --------------------------------------------------------

#[test]
fn the_chart_passes_helm_lint() {
    for values in ["", EVERYTHING, NOTHING, ALL_NAMESPACES] {
        run_helm(&["lint", "--strict"], &chart(), values).unwrap_or_else(|error| panic!("{values}\n{error}"));
    }
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let text = std::fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let about: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// A misspelt field would be dropped without a word by the API server, and here.
#[test]
fn objects_have_only_fields_that_kubernetes_knows() {
    for values in ["", EVERYTHING, NOTHING, ALL_NAMESPACES] {
        for object in render(values) {
            assert_eq!(as_kubernetes_reads(&object), object, "{}", title(&object));
        }
    }
}

fn as_kubernetes_reads(object: &Value) -> Value {
    fn read<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
        let read: T =
            serde_json::from_value(object.clone()).unwrap_or_else(|e| panic!("{}: {e}", title(object)));
        serde_json::to_value(read).unwrap()
    }
    match object["kind"].as_str().unwrap() {
        "ClusterRole" => read::<ClusterRole>(object),
        "ClusterRoleBinding" => read::<ClusterRoleBinding>(object),
        "CustomResourceDefinition" => read::<CustomResourceDefinition>(object),
        "Deployment" => read::<Deployment>(object),
        "FlowSchema" => read::<FlowSchema>(object),
        "PodDisruptionBudget" => read::<PodDisruptionBudget>(object),
        "PriorityLevelConfiguration" => read::<PriorityLevelConfiguration>(object),
        "Role" => read::<Role>(object),
        "RoleBinding" => read::<RoleBinding>(object),
        "Service" => read::<Service>(object),
        "ServiceAccount" => read::<ServiceAccount>(object),
        "ValidatingAdmissionPolicy" => read::<ValidatingAdmissionPolicy>(object),
        "ValidatingAdmissionPolicyBinding" => read::<ValidatingAdmissionPolicyBinding>(object),
        other => panic!("the chart makes a {other}, which this test does not know"),
    }
}

// --- custom resource definitions -------------------------------------------------

fn files_of(folder: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_charts_definitions_are_those_of_the_types() {
    let ours = files_of(&root().join("crds"));
    assert!(
        files_of(&chart().join("files/crds")) == ours,
        "run `millrace crds --output charts/millrace/files/crds`"
    );

    let objects = render("");
    let rendered = of_kind(&objects, "CustomResourceDefinition");
    assert_eq!(rendered.len(), ours.len());
    for text in ours.values() {
        let expected: Value = serde_saphyr::from_str(text).unwrap();
        let name = &expected["metadata"]["name"];
        let found = rendered.iter().find(|found| found["metadata"]["name"] == *name).unwrap();
        assert_eq!(found["spec"], expected["spec"], "{name}");
        // With the definitions all Flows and Executions would go.
        assert_eq!(found["metadata"]["annotations"], json!({"helm.sh/resource-policy": "keep"}));
    }
}

#[test]
fn what_is_switched_off_is_not_rendered() {
    let titles: Vec<String> = render(NOTHING).iter().map(title).collect();
    assert_eq!(titles, ["Deployment millrace-system/millrace-controller"]);
    assert_eq!(pod(&render(NOTHING)).service_account_name.as_deref(), Some("mine"));
}

// --- rights ----------------------------------------------------------------------

/// The rights of the controller where it works. A change here is a change of what people must trust
/// it with: it belongs into charts/millrace/README.md and the release notes.
const CONTROLLER: &str = "
    WHO: get,list,watch millrace.dev/flows,executions,schedules
    WHO: update millrace.dev/flows/status,executions/status,schedules/status
    WHO: create,patch,delete millrace.dev/executions
    WHO: create,update,delete millrace.dev/schedules
    WHO: get,list,watch,create,delete millrace.dev/taskreports
    WHO: update millrace.dev/taskreports/status
    WHO: get,list,watch,create,delete millrace.dev/flowrevisions
    WHO: get,list,create,delete millrace.dev/executiondata
    WHO: get,list,watch,patch,delete batch/jobs
    WHO: get,list,watch /pods
    WHO: create,patch ,events.k8s.io/events
";

/// Those in its own namespace.
const COORDINATION: &str = "
    Role millrace-system/millrace-controller-coordination: create coordination.k8s.io/leases
    Role millrace-system/millrace-controller-coordination: get,update coordination.k8s.io/leases[LEASE]
    Role millrace-system/millrace-controller-coordination: create /secrets
    Role millrace-system/millrace-controller-coordination: get /secrets[LEASE-task-tokens]
";

/// Roles for people and for the accounts of runs.
const OTHERS: &str = "
    ClusterRole millrace-view: get,list,watch millrace.dev/flows,flowrevisions,executions,schedules,executiondata
    ClusterRole millrace-edit: get,list,watch,create,update,patch,delete,deletecollection millrace.dev/flows,executions,schedules,taskreports
    ClusterRole millrace-edit: get,list,watch millrace.dev/flowrevisions,executiondata
    ClusterRole millrace-admin: get,list,watch,create,update,patch,delete,deletecollection millrace.dev/flows,executions,schedules,taskreports
    ClusterRole millrace-admin: get,list,watch,delete,deletecollection millrace.dev/flowrevisions,executiondata
    ClusterRole millrace-runner: get,create,delete batch/jobs
    ClusterRole millrace-runner: create millrace.dev/executions
    ClusterRole millrace-runner: get,list /pods
";

#[test]
fn the_chart_gives_exactly_these_rights() {
    let expected = CONTROLLER.replace("WHO", "ClusterRole millrace-controller")
        + &COORDINATION.replace("LEASE", "millrace")
        + OTHERS
        + "ClusterRole millrace-impersonator: impersonate /serviceaccounts";
    check_lines(rights(&render("")).lines(), &expected);
}

#[test]
fn with_namespaces_the_same_rights_hold_only_there() {
    let expected = CONTROLLER.replace("WHO", "Role shop/millrace-controller")
        + &CONTROLLER.replace("WHO", "Role inventory/millrace-controller")
        + &COORDINATION.replace("LEASE", "other")
        + OTHERS
        + "ClusterRole millrace-impersonator: impersonate /serviceaccounts[order-runner,refunds.v2]";
    check_lines(rights(&render(EVERYTHING)).lines(), &expected);
}

#[test]
fn the_controller_makes_no_jobs_and_no_right_is_a_wildcard() {
    for values in ["", EVERYTHING, ALL_NAMESPACES] {
        let rights = rights(&render(values));
        for line in rights.lines() {
            assert!(!line.contains('*'), "{line}");
            let makes_jobs = line.contains("create") && line.contains("jobs");
            assert_eq!(makes_jobs, line.contains("millrace-runner: get,create,delete batch/jobs"), "{line}");
        }
    }
}

#[test]
fn only_the_controllers_account_is_bound_and_impersonation_only_where_it_was_asked_for() {
    const ACCOUNT: &str = "millrace-system:millrace-controller";
    let check = |values: &str, expected: &[&str]| {
        let expected: BTreeSet<String> = expected.iter().map(|line| format!("{line}: {ACCOUNT}")).collect();
        assert_eq!(bindings(&render(values)), expected);
    };
    const OWN: &str = "RoleBinding millrace-system/millrace-controller-coordination → Role millrace-controller-coordination";
    const EVERYWHERE: &str = "ClusterRoleBinding millrace-controller → ClusterRole millrace-controller";
    check("", &[OWN, EVERYWHERE]);
    check(
        EVERYTHING,
        &[
            OWN,
            "RoleBinding shop/millrace-controller → Role millrace-controller",
            "RoleBinding inventory/millrace-controller → Role millrace-controller",
            "RoleBinding shop/millrace-impersonator → ClusterRole millrace-impersonator",
        ],
    );
    check(
        ALL_NAMESPACES,
        &[OWN, EVERYWHERE, "ClusterRoleBinding millrace-impersonator → ClusterRole millrace-impersonator"],
    );
}

#[test]
fn each_role_for_people_goes_into_the_cluster_role_of_its_name() {
    let objects = render("");
    for role in ["view", "edit", "admin"] {
        let found: ClusterRole = the(&objects, "ClusterRole", &format!("millrace-{role}"));
        let labels = found.metadata.labels.unwrap();
        let aggregated: Vec<&String> =
            labels.keys().filter(|label| label.starts_with("rbac.authorization.k8s.io/")).collect();
        assert_eq!(aggregated, [&format!("rbac.authorization.k8s.io/aggregate-to-{role}")]);
    }
}

// --- the pod ---------------------------------------------------------------------

#[test]
fn the_container_has_no_privilege() {
    for values in ["", EVERYTHING] {
        let objects = render(values);
        assert_eq!(
            serde_json::to_value(pod(&objects).security_context).unwrap(),
            json!({
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            })
        );
        assert_eq!(
            serde_json::to_value(container(&objects).security_context).unwrap(),
            json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            })
        );
    }
}

#[test]
fn the_controller_is_told_what_the_values_say() {
    let (default, everything) = (container(&render("")), container(&render(EVERYTHING)));
    let image = |container: &Container| container.image.clone().unwrap();
    assert_eq!(image(&default), format!("localhost/millrace:{}", env!("CARGO_PKG_VERSION")));
    assert!(image(&everything).starts_with("registry.example/millrace@sha256:0123456789abcdef"));
    assert_eq!(
        default.args.unwrap(),
        [
            "controller",
            "--listen=0.0.0.0:8080",
            "--lease-name=millrace",
            "--lease-duration=15",
            "--events=warnings",
            "--report-ttl=3600",
            "--log-format=text"
        ]
    );
    assert_eq!(
        everything.args.unwrap(),
        [
            "controller",
            "--listen=[::]:9090",
            "--lease-name=other",
            "--lease-duration=30",
            "--events=all",
            "--report-ttl=3600",
            "--log-format=json",
            "--namespace=shop",
            "--namespace=inventory",
            "--allow-egress=10.0.0.0/8",
            "--allow-egress=fd00::/8",
            "--identity=me"
        ]
    );
    let environment = |container: Option<Vec<_>>| serde_json::to_value(container).unwrap();
    let own = [
        json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        json!({"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}),
    ];
    let [name, namespace] = &own;
    assert_eq!(environment(default.env), json!([name, namespace, {"name": "MILLRACE_LOG", "value": "info"}]));
    assert_eq!(
        environment(everything.env),
        json!([
            name,
            namespace,
            {"name": "MILLRACE_LOG", "value": "debug"},
            {"name": "KUBERNETES_SERVICE_HOST", "value": "10.1.2.3"},
            {"name": "KUBERNETES_SERVICE_PORT", "value": "6443"},
            {"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"},
        ])
    );
}

#[test]
fn the_probes_ask_the_port_that_the_controller_listens_on() {
    for (values, port) in [("", 8080), (EVERYTHING, 9090)] {
        let container = container(&render(values));
        let ports = serde_json::to_value(&container.ports).unwrap();
        assert_eq!(ports, json!([{"name": "http", "containerPort": port}]));
        let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5});
        assert_eq!(serde_json::to_value(container.liveness_probe).unwrap(), probe("/healthz"));
        assert_eq!(serde_json::to_value(container.readiness_probe).unwrap(), probe("/readyz"));
    }
}

/// Two pods cannot have the same port of one node: a new one beside the old one would wait for ever.
#[test]
fn on_the_nodes_network_the_old_pod_goes_first() {
    let strategy = |values: &str| {
        let deployment: Deployment = the(&render(values), "Deployment", "millrace-controller");
        serde_json::to_value(deployment.spec.unwrap().strategy).unwrap()
    };
    assert_eq!(strategy(""), json!({"type": "RollingUpdate"}));
    assert_eq!(
        strategy("hostNetwork: true"),
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    );
}

#[test]
fn a_disruption_budget_needs_replicas_to_spare() {
    let count = |values: &str| of_kind(&render(values), "PodDisruptionBudget").len();
    assert_eq!(count(""), 0);
    assert_eq!(count("replicas: 2"), 1);
    assert_eq!(count("{replicas: 2, podDisruptionBudget: {create: false}}"), 0);
}

#[test]
fn a_release_of_another_name_stands_beside_the_first() {
    let chart = chart();
    let titles = |release: &str| -> BTreeSet<String> {
        let yaml =
            run_helm(&["template", release], &chart, "{crds: {install: false}, service: {create: true}}")
                .unwrap();
        serde_saphyr::from_multiple::<Value>(&yaml).unwrap().iter().map(title).collect()
    };
    let first = titles("millrace");
    let second = titles("a-release-with-a-name-as-long-as-helm-lets-it-be-here");
    assert_eq!(first.intersection(&second).collect::<Vec<_>>(), Vec::<&String>::new());
    let is_short = |title: &&String| title.rsplit('/').next().is_some_and(|name| name.len() <= 63);
    assert_eq!(second.iter().filter(|t| t.starts_with("Service ")).filter(is_short).count(), 1, "{second:?}");
}

// --- policies --------------------------------------------------------------------

#[test]
fn policies_are_off_until_they_are_asked_for_and_hold_where_the_controller_works() {
    let scope = |values: &str| {
        let objects = render(values);
        let bindings = of_kind(&objects, "ValidatingAdmissionPolicyBinding");
        let policies = of_kind(&objects, "ValidatingAdmissionPolicy");
        let names =
            |objects: &[&Value]| objects.iter().map(|o| o["metadata"]["name"].clone()).collect::<Value>();
        assert_eq!(names(&bindings), names(&policies));
        bindings.iter().map(|binding| binding["spec"]["matchResources"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(scope(""), Vec::<Value>::new());
    let on = "policies: {immutableSpec: {enabled: true}";
    assert_eq!(scope(&format!("{on}}}")), [Value::Null]);
    let there = json!({"namespaceSelector": {"matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "inventory"]},
    ]}});
    assert_eq!(scope(EVERYTHING), [there.clone(), there]);
    let selected = format!("{on}, namespaceSelector: {{matchLabels: {{a: b}}}}}}\nnamespaces: [shop]");
    assert_eq!(scope(&selected), [json!({"namespaceSelector": {"matchLabels": {"a": "b"}}})]);
}

// --- values ----------------------------------------------------------------------

#[test]
fn values_that_mean_nothing_are_refused() {
    for (values, expected) in [
        ("replica: 2", "additional properties 'replica' not allowed"),
        ("log: {formt: json}", "at '/log': additional properties 'formt' not allowed"),
        ("replicas: two", "at '/replicas': got string, want integer"),
        ("hostNetwork: 'yes'", "at '/hostNetwork': got string, want boolean"),
        ("events: some", "at '/events': value must be one of 'warnings', 'all', 'none'"),
        ("namespaces: shop", "at '/namespaces': got string, want array"),
        ("namespaces: [Shop]", "at '/namespaces/0': 'Shop' does not match pattern"),
        ("allowEgress: [10.0.0.1]", "at '/allowEgress/0': '10.0.0.1' does not match pattern"),
        ("http: {port: 0}", "at '/http/port': minimum: got 0, want 1"),
        ("image: {digest: latest}", "at '/image/digest': 'latest' does not match pattern"),
        ("policies: {starts: {rules: [{flows: [f]}]}}", "at '/policies/starts/rules/0': 'anyOf' failed"),
        (
            "policies: {starts: {rules: [{users: [u], tags: []}]}}",
            "at '/policies/starts/rules/0/tags': minItems",
        ),
        (
            "serviceAccount: {create: false}",
            "serviceAccount.name is needed where serviceAccount.create is false",
        ),
    ] {
        let message = refusal(values);
        assert!(message.contains(expected), "{values}: {message}");
    }
}

/// A value that only the schema knows would be one that nobody is told of.
#[test]
fn the_schema_and_the_values_name_the_same() {
    fn names(prefix: &str, found: &Value, of_schema: bool, into: &mut BTreeSet<String>) {
        let members = if of_schema { &found["properties"] } else { found };
        for (name, member) in members.as_object().into_iter().flatten() {
            let path = format!("{prefix}/{name}");
            // What Kubernetes understands, and Helm itself, has no members of ours.
            if !matches!(name.as_str(), "resources" | "podSecurityContext" | "securityContext" | "global") {
                names(&path, member, of_schema, into);
            }
            into.insert(path);
        }
    }
    let read = |file: &str| std::fs::read_to_string(chart().join(file)).unwrap();
    let (mut of_schema, mut of_values) = (BTreeSet::new(), BTreeSet::from(["/global".to_owned()]));
    names("", &serde_json::from_str(&read("values.schema.json")).unwrap(), true, &mut of_schema);
    names("", &serde_saphyr::from_str(&read("values.yaml")).unwrap(), false, &mut of_values);
    assert_eq!(of_schema, of_values);
}

// --- what people are told --------------------------------------------------------

#[test]
fn the_notes_show_a_flow_that_is_valid() {
    let notes = notes("example", "");
    let manifest = notes.split_once("<<'END'\n").unwrap().1.split_once("\nEND\n").unwrap().0;
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    let [flow, execution] = &objects[..] else { panic!("a Flow and an Execution: {manifest}") };
    assert_eq!(execution["spec"]["flowRef"]["name"], flow["metadata"]["name"]);
    let compiled = dialect::compile(&flow["spec"]["definition"].to_string(), None);
    assert!(compiled.program.is_some() && compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
}

#[test]
fn the_notes_say_where_and_as_whom_the_controller_works() {
    let check = |name: &str, values: &str, expected: &[&str]| {
        let notes = notes(name, values);
        for words in expected {
            assert!(notes.contains(words), "`{words}` is not in:\n{notes}");
        }
    };
    check(
        "default",
        "",
        &[
            "serves all namespaces",
            "no namespace yet",
            "kubectl create rolebinding millrace-impersonator -n NAMESPACE --clusterrole=millrace-impersonator",
            "--serviceaccount=millrace-system:millrace-controller",
        ],
    );
    check(
        "everything",
        EVERYTHING,
        &[
            "serves the namespaces shop, inventory",
            "apply -n shop",
            "accounts of\nshop.",
            "In these namespaces the API server refuses another spec under the name of an Execution (policies.immutableSpec) and lets accounts start only what 1 rule allows (policies.starts).",
        ],
    );
    check("all", ALL_NAMESPACES, &["the service accounts runner of ALL namespaces"]);
    check("nothing", NOTHING, &["rbac.create is false"]);
}
