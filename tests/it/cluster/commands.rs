//! The commands for people and scripts, run as they run them: the real program, as an account that has
//! the chart's roles for users.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::rig::{Space, execution, wait};
use crate::command::{Ended, Running, file, program, start_as};
use crate::service::{Answer, Service};

mod chosen;
mod completion;
mod outlasts;
mod program;
mod redriven;
mod reported;
mod stop;
mod told;

const GREET: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: Greet\nStates:\n- {Type: Pass, Name: Greet, End: true, OutputConstructor: {\"hello.$\": $Input.name}}";

const SAD: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: Close\nStates:\n- {Type: Fail, Name: Close, Code: Shop.Closed, Detail: nobody is there}";

const NAP: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: Nap\nStates:\n- {Type: Wait, Name: Nap, Seconds: 300, End: true}";

/// A terminal of the oldest width.
const COLUMNS: usize = 80;

/// Someone who may start runs in a namespace.
struct Person<'s> {
    space: &'s Space,
    kubeconfig: PathBuf,
}

impl<'s> Person<'s> {
    fn new(space: &'s Space, role: &str) -> Self {
        Self { space, kubeconfig: space.user(role) }
    }

    fn program(&self, args: &[&str]) -> Command {
        let mut program = program(args);
        program.env("KUBECONFIG", &self.kubeconfig);
        program
    }

    fn start(&self, args: &[&str]) -> Running {
        start_as(&mut self.program(args), "")
    }

    fn millrace(&self, args: &[&str]) -> Ended {
        self.start(args).ended()
    }

    /// What a command that succeeds prints.
    fn prints(&self, args: &[&str]) -> String {
        let ended = self.millrace(args);
        assert_eq!(ended.status, Some(0), "{args:?}: {ended:?}");
        ended.stdout
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.prints(args)).unwrap()
    }

    /// The same from YAML.
    fn yaml(&self, args: &[&str]) -> Value {
        let text = self.prints(args);
        let value = millrace::source::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        serde_json::from_str(&value.to_value().to_json()).unwrap()
    }

    fn flows(&self, flows: &[(&str, &str)]) {
        for (name, definition) in flows {
            self.space.flow(name, definition);
        }
    }
}

/// Whether a command ended with a status and said all of this.
fn check_said(ended: &Ended, status: i32, words: &[&str]) {
    assert_eq!(ended.status, Some(status), "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is missing: {ended:?}");
    }
}

fn check_fits(text: &str) {
    // Letters may take no column or two: other tests of the cluster put all kinds into their errors.
    assert!(text.lines().all(|line| line.width() <= COLUMNS), "{text}");
}

#[test]
fn a_run_is_waited_for_and_its_end_is_the_exit_status() {
    let space = Space::new("wait");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET), ("sad", SAD), ("nap", NAP)]);

    let ended = person.millrace(&["start", "greet", "--input", r#"{"name": "world"}"#, "--wait"]);
    check_said(&ended, 0, &["execution.millrace.dev/greet-", " created"]);
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), json!({"hello": "world"}));

    let ended = person.millrace(&["start", "sad", "--wait"]);
    check_said(&ended, 1, &["Failed: Shop.Closed\n  nobody is there\n"]);
    assert_eq!(ended.stdout, "");

    let ended = person.millrace(&["start", "nap", "--timeout", "1s", "--wait"]);
    check_said(&ended, 1, &["WaitingForTimer: `Nap`", "TimedOut"]);
    check_fits(&ended.stderr);

    let ended = person.millrace(&["start", "nap", "--name", "nap", "--wait", "--wait-timeout", "1s"]);
    check_said(&ended, 1, &["`nap` has not ended within 1s", "goes on", "millrace tree nap"]);
    space.condition("nap", "InProgress", "True", "WaitingForTimer");
    let ended = person.millrace(&["output", "nap"]);
    check_said(&ended, 1, &["`nap` has not ended: it is Running, WaitingForTimer", "--wait"]);

    let waiting = person.start(&["output", "nap", "--wait"]);
    space.wait("the command to wait", || waiting.catches_interrupts().then_some(()));
    waiting.interrupt();
    check_said(&waiting.ended(), 130, &["stopped waiting", "goes on", "millrace tree nap"]);

    // Whoever waits sees a stop, and a deletion.
    let waiting = person.start(&["output", "nap", "--wait"]);
    let stop = json!({"spec": {"stop": {"mode": "Terminate", "error": "Enough"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "nap", "--type=merge", "-p", &stop]).status.success());
    check_said(&waiting.ended(), 1, &["Stopped: Enough"]);
    space.start("doomed", json!({"flowRef": {"name": "nap"}}));
    let waiting = person.start(&["output", "execution.millrace.dev/doomed", "--wait"]);
    assert!(space.kubectl(&["delete", "executions", "doomed"]).status.success());
    // It may be gone before it is looked at for the first time.
    let ended = waiting.ended();
    assert!(matches!(ended.status, Some(1 | 2)) && ended.stderr.contains("doomed"), "{ended:?}");
}

#[test]
fn a_run_is_started_with_what_is_asked_for() {
    let space = Space::new("start");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET)]);
    let input = space.write_config("input", &json!({"name": "file"}));
    let input = format!("@{}", input.display());

    let started = person.json(&[
        "start",
        "greet",
        "--generate-name",
        "hi-",
        "--input",
        &input,
        "--timeout",
        "10m",
        "--task-timeout",
        "90",
        "--service-account",
        "runner",
        "-o",
        "json",
    ]);
    let name = started["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("hi-") && started["metadata"].get("managedFields").is_none(), "{started}");
    let spec = json!({
        "flowRef": {"name": "greet"}, "input": {"name": "file"}, "timeoutSeconds": 600,
        "taskTimeoutSeconds": 90, "serviceAccountName": "runner",
    });
    assert_eq!(started["spec"], spec);
    // The flow does not allow the account.
    let ended = person.millrace(&["output", name, "--wait"]);
    check_said(&ended, 1, &["Rejected: Forbidden"]);

    let ended = start_as(
        &mut person.program(&["start", "greet", "--input", "@-", "--wait", "-o", "yaml"]),
        "name: stdin\n",
    )
    .ended();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("phase: Succeeded") && ended.stdout.contains("hello: stdin"), "{ended:?}");
    let named = person.prints(&["start", "greet", "-o", "name", "--input", r#"{"name": 1}"#]);
    assert_eq!(person.json(&["output", named.trim(), "--wait"]), json!({"hello": 1}));

    let long = "n".repeat(64);
    for (args, words) in [
        (&["start", "gret"][..], &["no flow `gret` in namespace", "did you mean `greet`?"][..]),
        (&["start", "absent"], &["kubectl get flows"]),
        (&["start", "greet", "--input", "{"], &["--input", "not valid JSON", "@FILE"]),
        (&["start", "greet", "--input", "@/nonexistent"], &["cannot read /nonexistent"]),
        (&["start", "greet", "--name", &long], &["at most 63 characters, this one 64"]),
        (&["start", "greet", "--timeout", "soon"], &["1h30m"]),
        (&["start", "greet", "--timeout", "-5"], &["must be 0 or more"]),
        (&["start", "greet", "--wait", "--wait-timeout", "-5s"], &["must be 0 or more"]),
        (&["start", "greet", "--wait-timeout", "1s"], &["--wait"]),
        (&["output", "grete"], &["no execution `grete`"]),
        (&["tree", "../flows/greet"], &["an execution is wanted"]),
    ] {
        check_said(&person.millrace(args), 2, words);
    }
}

#[test]
fn the_same_name_is_the_run_that_is_there() {
    let space = Space::new("twice");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET), ("nap", NAP)]);
    let start = ["start", "greet", "--name", "one", "--input", r#"{"name": "a"}"#];
    assert_eq!(person.prints(&start), "execution.millrace.dev/one created\n");
    space.ended("one");
    let version = space.execution("one")["metadata"]["resourceVersion"].clone();

    let again = person.millrace(&start);
    check_said(&again, 0, &["`one` exists already with the same arguments: Succeeded"]);
    assert_eq!(again.stdout, "execution.millrace.dev/one unchanged\n");
    let waited = person.json(&[&start[..], &["--wait"]].concat());
    assert_eq!(waited, json!({"hello": "a"}));
    let object = person.json(&[&start[..], &["-o", "json"]].concat());
    assert_eq!(object["status"]["output"], json!({"hello": "a"}));

    for other in [
        &["start", "greet", "--name", "one", "--input", r#"{"name": "b"}"#][..],
        &["start", "greet", "--name", "one"],
        &["start", "nap", "--name", "one", "--wait"],
    ] {
        let refused = person.millrace(other);
        let words = ["execution `one` for flow `greet` already exists", "(Succeeded)", "needs another name"];
        check_said(&refused, 2, &words);
    }
    assert_eq!(space.execution("one")["metadata"]["resourceVersion"], version, "nothing was written");

    person.prints(&["start", "nap", "--name", "long"]);
    space.condition("long", "InProgress", "True", "WaitingForTimer");
    let refused = person.millrace(&["start", "nap", "--name", "long", "--timeout", "1h"]);
    check_said(&refused, 2, &["execution `long` for flow `nap` is in progress since 2", "goes on as it is"]);
    // What was accepted counts, also after another spec was applied.
    space.apply(&execution("long", json!({"flowRef": {"name": "nap"}, "timeoutSeconds": 3600})));
    space.condition("long", "AlreadyExists", "True", "ExecutionInProgress");
    check_said(&person.millrace(&["start", "nap", "--name", "long"]), 0, &["same arguments: Running"]);
}

#[test]
fn a_list_shows_all_there_is_whatever_it_holds() {
    let space = Space::new("list");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    let reader = Person::new(&space, "view");
    let none = reader.millrace(&["list"]);
    check_said(&none, 0, &["there are no executions in namespace"]);
    assert_eq!(none.stdout, "");
    person.flows(&[("greet", GREET), ("sad", SAD), ("nap", NAP)]);
    let deep = format!(
        r#"{{"apiVersion":"millrace.dev/v1alpha1","kind":"Execution","metadata":{{"name":"deep"}},"spec":{{"flowRef":{{"name":"greet"}},"input":{}{}}}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    assert!(space.try_create(&deep).status.success());
    space.rejected("deep");
    let long = format!("long-{}", "n".repeat(58));
    for (name, flow) in [("a", "greet"), ("b", "sad"), (&long, "nap")] {
        space.start(name, json!({"flowRef": {"name": flow}, "input": {"name": "\u{1b}[31m"}}));
    }
    space.ended("a");
    space.ended("b");
    space.condition(&long, "InProgress", "True", "WaitingForTimer");

    let text = reader.prints(&["list"]);
    check_fits(&text);
    let find = |word: &str| text.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{text}"));
    for (name, words) in [
        ("NAME", &["FLOW", "PHASE", "REASON", "DURATION", "AGE"][..]),
        ("deep", &["greet", "Rejected", "InputInvalid"]),
        ("b  ", &["sad", "Failed", "Shop.Closed", "ms", "s"]),
    ] {
        assert!(words.iter().all(|word| find(name).contains(word)), "{text}");
    }
    assert!(text.lines().any(|line| line == long), "names are whole: {text}");
    assert!(find("WaitingForTimer").contains("nap"), "{text}");

    let names = |args: &[&str]| {
        let text = reader.prints(args);
        let names = text.lines().map(|line| line.replace("execution.millrace.dev/", ""));
        names.collect::<Vec<_>>()
    };
    // Creation times have no fractions: those of one second stand by name.
    let by_age = names(&["list", "-o", "name"]);
    let readable = by_age.iter().filter(|name| *name != "deep");
    let created = readable.map(|name| space.execution(name)["metadata"]["creationTimestamp"].to_string());
    assert!(created.is_sorted(), "{by_age:?}");
    let names = |args: &[&str]| {
        let mut names = names(args);
        names.sort();
        names
    };
    assert_eq!(names(&["list", "-o", "name"]), ["a", "b", "deep", &long]);
    assert_eq!(names(&["list", "-o", "name", "--flow", "greet"]), ["a", "deep"]);
    assert_eq!(names(&["list", "-o", "name", "--flow", "greet", "--phase", "succeeded"]), ["a"]);
    let admin = space.cluster.kubeconfig.to_str().unwrap();
    let everywhere = names(&["list", "-A", "-o", "name", "--kubeconfig", admin]);
    assert!(everywhere.contains(&long));
    check_fits(&reader.prints(&["list", "-A", "--kubeconfig", admin, "--phase", "Failed"]));

    // The deep one is no document that a common reader reads, so it is left out here.
    for list in [
        reader.json(&["list", "--phase", "Succeeded", "-o", "json"]),
        reader.yaml(&["list", "--phase", "Succeeded", "-o", "yaml"]),
    ] {
        assert_eq!((&list["kind"], &list["items"][0]["metadata"]["name"]), (&json!("List"), &json!("a")));
        assert_eq!(list["items"][0]["status"]["output"], json!({"hello": "\u{1b}[31m"}));
        assert_eq!(list["items"][0]["metadata"].get("managedFields"), None);
    }
    for format in ["json", "yaml"] {
        let text = reader.prints(&["list", "-o", format]);
        assert!(text.contains(&"[".repeat(9_000)) && text.contains(&long), "{format}");
    }

    // The reader may read, and not start.
    let refused = reader.millrace(&["start", "greet"]);
    check_said(&refused, 2, &["cannot create resource \"executions\"", "user-view", "`edit`"]);
}

/// A Parallel with a retry in one branch and a caught error in the other, then a Map of five.
fn branchy(service: &Service) -> String {
    let task = |name: &str, path: &str, more: &str| {
        let url = service.url(path);
        format!(
            "{{Type: Task, Name: {name}, Action: \"HTTP:Request\", Parameters: {{url: \"{url}\"}}, {more}}}"
        )
    };
    let retry = "Retry: [{Errors: [HTTP.503], MaxAttempts: 2, IntervalSeconds: 1}], Next: 保存";
    let catch = "Catch: [{Errors: [HTTP.404], Next: Fine}], End: true";
    format!(
        "Type: StateMachine
SpecVersion: v1
StartAt: Both
States:
- Type: Parallel
  Name: Both
  Next: Each
  Branches:
  - {{StartAt: Flaky, States: [{}, {{Type: Pass, Name: 保存, End: true}}]}}
  - {{StartAt: Missing, States: [{}, {{Type: Succeed, Name: Fine}}]}}
- Type: Map
  Name: Each
  ItemsPath: $Context.Execution.Input.list
  Next: Last
  Processor: {{StartAt: Item, States: [{{Type: Pass, Name: Item, End: true}}]}}
- {}
",
        task("Flaky", "/flaky", retry),
        task("Missing", "/missing", catch),
        task("Last", "/last", "End: true"),
    )
}

#[test]
fn a_tree_shows_what_was_done_and_what_is_waited_for() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let service = runtime.block_on(Service::start(move |asked, before| match &*asked.path {
        "/flaky" if before == 0 => Answer::status(503, "busy \u{1b}[31m"),
        "/missing" => Answer::status(404, "not here"),
        "/last" => {
            let _ = gone.lock().unwrap().recv();
            Answer::json(&json!({}))
        }
        _ => Answer::json(&json!({})),
    }));
    let space = Space::new("tree");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    let reader = Person::new(&space, "view");
    person.flows(&[("branchy", &branchy(&service))]);
    let input = r#"{"list": [1, 2, 3, 4, 5]}"#;
    person.prints(&["start", "branchy", "--name", "one", "--input", input, "--task-timeout", "30s"]);
    let watching = reader.start(&["tree", "one", "--watch"]);
    wait("the last task to be active", || {
        (space.execution("one")["status"]["active"][0]["path"] == "Last").then_some(())
    });

    let text = reader.prints(&["tree", "one"]);
    check_fits(&text);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let expected = [
        "one  Running for ",
        "Flow     branchy (branchy-1), started 2",
        "Waiting  WaitingForTask: task `Last`",
        "✔ Both ",
        "├─ ✔ 0/Flaky ",
        "├─ ✔ 0/保存 ",
        "! 1/Missing ",
        "caught HTTP.404",
        "└─ ✔ 1/Fine",
        "✔ Each ",
        "├─ ✔ 2/Item",
        "└─ … 2 more that succeeded; --all shows them",
        "● Last ",
        "HTTP:Request, given up in ",
    ];
    for part in expected {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    let flaky = text.lines().find(|line| line.contains("0/Flaky")).unwrap();
    assert!(flaky.trim_end().ends_with(" 2"), "the attempts: {flaky}");
    let all = reader.prints(&["tree", "one", "--all"]);
    assert!(all.contains("4/Item") && all.contains("attempt 1: HTTP.503"), "{all}");

    go.send(()).unwrap();
    let watched = watching.ended();
    assert_eq!(watched.status, Some(0), "{watched:?}");
    check_fits(&watched.stdout);
    for part in [
        "start     0/Flaky: Task",
        "retry     0/Flaky: attempt 2 in 1s",
        "caught    1/Missing",
        "one  Succeeded",
    ] {
        assert!(watched.stdout.contains(part), "`{part}` is missing:\n{}", watched.stdout);
    }
    for tree in [reader.json(&["tree", "one", "-o", "json"]), reader.yaml(&["tree", "one", "-o", "yaml"])] {
        check_document(&tree);
    }
    // Of a run that has ended there is nothing to watch.
    assert!(reader.prints(&["tree", "one", "--watch"]).starts_with("one  Succeeded after "));
    drop(runtime);
}

fn check_document(tree: &Value) {
    assert_eq!((&tree["phase"], &tree["lostEvents"]), (&json!("Succeeded"), &json!(0)), "{tree:#}");
    let states = tree["states"].as_array().unwrap();
    let names: Vec<_> = states.iter().map(|state| state["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Both", "Each", "Last"]);
    let flaky = &states[0]["branches"][0]["states"][0];
    assert_eq!((&flaky["attempts"], &flaky["standing"]), (&json!(2), &json!("succeeded")), "{flaky:#}");
    assert_eq!((&flaky["errors"][0]["error"], &flaky["path"]), (&json!("HTTP.503"), &json!("Both/0/Flaky")));
    assert_eq!(states[0]["branches"][1]["states"][0]["standing"], "caught");
    assert_eq!(states[1]["branches"].as_array().unwrap().len(), 5);
}

#[test]
fn what_stands_in_the_way_is_named_with_what_to_do() {
    let space = Space::new("advice");
    let person = Person::new(&space, "view");
    let config: Value = serde_json::from_str(&std::fs::read_to_string(&person.kubeconfig).unwrap()).unwrap();
    let with = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut config = config.clone();
        change(&mut config);
        space.write_config(name, &config).to_str().unwrap().to_owned()
    };
    let nobody = with("nobody", &|config| config["users"][0]["user"]["token"] = json!("wrong"));
    let nowhere = with("nowhere", &|config| {
        config["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    });
    let garbage = file("garbage", "a: b: c\n\t- [");
    for (args, words) in [
        (&["list", "--kubeconfig", &garbage][..], &["at line 1, column 5\n"][..]),
        (&["list", "--kubeconfig", &nobody][..], &["does not know who asks", "credentials"][..]),
        (&["list", "--kubeconfig", &nowhere], &["https://127.0.0.1:1", "onnection refused"]),
        (
            &["list", "--kubeconfig", "/nonexistent"],
            &["millrace: the kubeconfig /nonexistent cannot be used: No such file or directory"],
        ),
        (
            &["list", "--kubeconfig", &garbage],
            &[&format!("{garbage} cannot be used: it is no kubeconfig in YAML")],
        ),
        (&["--kubeconfig", "/nonexistent", "list"], &["the kubeconfig /nonexistent cannot be used"]),
        (&["list", "--context", "moon"], &["moon"]),
        (&["list", "--namespace", "kube-system"], &["cannot list resource \"executions\"", "kube-system"]),
        (&["list", "--namespace", "a/b"], &["lower-case letters"]),
        (&["output", "one"], &["no execution `one`", "millrace list --namespace"]),
    ] {
        let ended = person.millrace(args);
        check_said(&ended, 2, words);
        assert!(!ended.stderr.contains("Error {"), "{ended:?}");
    }
    let mut lost = person.program(&["list"]);
    lost.env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST").env("HOME", "/nonexistent");
    check_said(&start_as(&mut lost, "").ended(), 2, &["no cluster is configured", "--kubeconfig"]);
}
