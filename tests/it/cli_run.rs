//! `millrace run`: definitions run here and now, against real HTTP services.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use millrace::value::Value;

use crate::command::{Ended, file, millrace, millrace_on, start};
use crate::service::{Answer, Service};

/// A definition that begins with its first state.
fn flow(start_at: &str, states: &str) -> String {
    format!("Type: StateMachine\nSpecVersion: v1\nStartAt: {start_at}\nStates:\n{states}")
}

/// A flow of one HTTP task, with further fields.
fn get(url: &str, more: &str) -> String {
    flow(
        "T",
        &format!(
            "- {{Type: Task, Name: T, Action: HTTP:Request, End: true, Parameters: {{url: '{url}'}}{more}}}"
        ),
    )
}

/// Runs a definition quietly and gives its one JSON object.
fn outcome(definition: &str, args: &[&str]) -> Value {
    outcome_of(&millrace_on(definition, &[&["run", "-", "-q", "-o", "json"], args].concat()))
}

/// The one JSON object of a run, whose exit status agrees with it.
fn outcome_of(ended: &Ended) -> Value {
    let [line] = ended.stdout.lines().collect::<Vec<_>>()[..] else { panic!("not one line: {ended:?}") };
    let outcome = Value::parse(line).unwrap();
    let has_succeeded = outcome.get("status").and_then(Value::as_str) == Some("Succeeded");
    assert_eq!(ended.status, Some(i32::from(!has_succeeded)), "{ended:?}");
    outcome
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no text `{name}` in {value}"))
}

/// An answer in JSON.
fn json(status: u16, text: &str) -> Answer {
    Answer::status(status, text).with("content-type", "application/json")
}

/// The error and the cause of a flow of one HTTP task.
fn failure(url: &str) -> (String, String) {
    let outcome = outcome(&get(url, ""), &[]);
    assert_eq!(text(&outcome, "status"), "Failed");
    (text(&outcome, "error").to_owned(), text(&outcome, "cause").to_owned())
}

#[test]
fn an_output_is_printed_and_progress_is_told_beside_it() {
    let definition = flow(
        "A",
        "- {Type: Pass, Name: A, OutputConstructor: {'n.$': $Input.n}, Next: B}\n\
         - {Type: Wait, Name: B, Seconds: 7, End: true}",
    );
    let args = ["run", "-", "--input", "{\"n\": 3}", "--clock", "virtual"];
    let ended = millrace_on(&definition, &args);
    assert_eq!((ended.status, &*ended.stdout), (Some(0), "{\n  \"n\": 3\n}\n"));
    let lines: Vec<_> = ended.stderr.lines().map(str::trim).collect();
    assert_eq!(lines, ["0.000s  done    A: Pass", "0.000s  start   B: Wait 7s", "7.000s  done    B"]);
    let quiet = millrace_on(&definition, &[&args[..], &["-q"]].concat());
    assert_eq!((&*quiet.stdout, &*quiet.stderr), (&*ended.stdout, ""));
}

#[test]
fn what_is_said_of_an_execution_can_be_read_in_every_language() {
    let said = [
        "--tag",
        "gold",
        "--tag",
        "eu",
        "--priority",
        "-5",
        "--task-list",
        "fast",
        "--parameter",
        "day=21",
        "--parameter",
        "empty=",
        "--scheduled-time",
        "2018-11-21T07:06:07.503Z",
    ];
    let all = r#"{"status":"Succeeded","output":{"l":"fast","p":{"day":"21","empty":""},"r":-5,"s":"2018-11-21T07:06:07.503Z","t":["gold","eu"]}}"#;
    let fdl = flow(
        "A",
        "- {Type: Pass, Name: A, End: true, OutputConstructor: {l.$: $Context.Execution.TaskList, \
         p.$: $Context.Execution.Parameters, r.$: $Context.Execution.Priority, \
         s.$: $Context.Execution.ScheduledTime, t.$: $Context.Execution.Tags}}",
    );
    let legacy = "type: flow\nversion: v1\nname: f\nsteps: [{type: pass, name: a, outputMappings: [\
         {target: l, source: $context.execution.taskList}, {target: p, source: $context.execution.parameters}, \
         {target: r, source: $context.execution.priority}, {target: s, source: $context.execution.scheduledTime}, \
         {target: t, source: $context.execution.tags}]}]\n";
    let asl = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true, "Parameters": {
         "l.$": "$$.Execution.TaskList", "p.$": "$$.Execution.Parameters", "r.$": "$$.Execution.Priority",
         "s.$": "$$.Execution.ScheduledTime", "t.$": "$$.Execution.Tags"}}}}"#;
    let jsonata = r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true,
         "Output": "{% $states.context.Execution.{'l': TaskList, 'p': Parameters, 'r': Priority, 's': ScheduledTime, 't': Tags} %}"}}}"#;
    for definition in [&*fdl, legacy, asl, jsonata] {
        assert_eq!(outcome(definition, &said).to_json(), all, "{definition}");
    }
    // Where nothing was said, the context is what it is in the services.
    let whole = flow("A", "- {Type: Pass, Name: A, End: true, OutputConstructor: {x.$: $Context.Execution}}");
    let names = |outcome: &Value| -> Vec<String> {
        let Some(Value::Object(members)) = outcome.get("output").and_then(|output| output.get("x")) else {
            panic!("{outcome}")
        };
        members.iter().map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(names(&outcome(&whole, &[])), ["Name", "Input", "RoleArn"]);
    assert_eq!(names(&outcome(&whole, &["--tag", "a"])), ["Name", "Input", "RoleArn", "Tags"]);
    let many = ["--tag", "1", "--tag", "2", "--tag", "3", "--tag", "4", "--tag", "5", "--tag", "6"];
    let ended = millrace_on(&whole, &[&["run", "-"][..], &many].concat());
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("--tag is given 6 times, at most 5 are allowed"), "{ended:?}");
}

#[test]
fn json_is_one_object_without_what_there_is_none_of() {
    let cases = [
        ("- {Type: Succeed, Name: S}", r#"{"status":"Succeeded","output":{"a":[1,2.5,"é"]}}"#),
        ("- {Type: Fail, Name: S, Code: E}", r#"{"status":"Failed","error":"E"}"#),
        // Control characters that JSON does not escape are data like any other.
        (
            "- {Type: Pass, Name: S, End: true, OutputConstructor: {a: \"\\x9b31m\\x7f\"}}",
            "{\"status\":\"Succeeded\",\"output\":{\"a\":\"\u{9b}31m\u{7f}\"}}",
        ),
        (
            "- {Type: Fail, Name: S, Code: E, Detail: 'why, \"oh\"'}",
            r#"{"status":"Failed","error":"E","cause":"why, \"oh\""}"#,
        ),
    ];
    for (state, expected) in cases {
        let args = ["run", "-", "-o", "json", "--input", r#"{"a": [1, 2.5, "é"]}"#];
        let ended = millrace_on(&flow("S", state), &args);
        assert_eq!(ended.stdout, format!("{expected}\n"));
        assert!(!ended.stderr.is_empty(), "progress goes to stderr");
    }
    let timed_out = format!("Timeout: 5\n{}", flow("S", "- {Type: Wait, Name: S, Seconds: 9, End: true}"));
    assert_eq!(outcome(&timed_out, &["--clock", "virtual"]).to_json(), r#"{"status":"TimedOut"}"#);
}

#[test]
fn what_cannot_be_used_is_told_and_nothing_runs() {
    let task = flow("T", "- {Type: Task, Name: T, Action: A:B, End: true}");
    let broken =
        "Type: StateMachine\nSpecVersion: v1\nStartAt: Nowhere\nStates:\n- {Type: Succeed, Name: S}\n";
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            broken,
            &["-"],
            &["<stdin>:3:10: error[E010] at StartAt:", "StartAt: Nowhere\n", "^^^^^^^", "1 error"],
        ),
        (&task, &["-", "--input", "[1]"], &["must be a JSON object, found an array"]),
        (&task, &["-", "--input", "{"], &["--input", "@FILE"]),
        (&task, &["-", "--input", "@/no/such/file"], &["cannot read /no/such/file"]),
        ("", &["/no/such/file"], &["cannot read /no/such/file"]),
        ("", &["-"], &["error[E002]"]),
        (&task, &["-", "--bind", "A:B"], &["RESOURCE=URL", "`A:B`"]),
        (&task, &["-", "--bind", "A:B=::"], &["the url of the binding of `A:B`"]),
        (&task, &["-", "--mock", "-"], &["stdin can be read only once"]),
        (&task, &["-", "--clock", "sun"], &["real, virtual"]),
        ("apiVersion: v1\nkind: Service\n", &["-"], &["<stdin> holds no definition, only Service"]),
    ];
    for (stdin, args, expected) in cases {
        let ended = millrace_on(stdin, &[&["run", "-o", "json"], *args].concat());
        assert_eq!((ended.status, &*ended.stdout), (Some(2), ""), "{args:?}: {ended:?}");
        for part in *expected {
            assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
        }
    }
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(64 * 1024));
    let ended = millrace_on(&task, &["run", "-", "--input", &format!("@{}", file("large.json", &large))]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("at most 65536 are allowed"), "{}", ended.stderr);
}

#[test]
fn mocks_answer_one_call_after_the_other() {
    let definition = flow(
        "A",
        "- Type: Map\n  Name: A\n  ItemsPath: $Input.list\n  Next: B\n  OutputConstructor: {'a.$': $Output.Items}\n  \
           Processor: {StartAt: T, States: [{Type: Task, Name: T, Action: A:B, End: true}]}\n\
         - {Type: Task, Name: B, Action: A:B, OutputConstructor: {'a.$': $Input.a, 'b.$': $Output}, End: true, \
            Retry: [{Errors: [E], MaxAttempts: 1, IntervalSeconds: 300}]}",
    );
    let mocks = "A:B: [{output: {n: 1}}, {output: {n: 2}}]\nB: [{error: E, cause: c}, {output: done}]\n";
    let mocks = file("mocks.yaml", mocks);
    let input = file("input.yaml", "list: [x, y, z]\n");
    let args = ["--clock", "virtual", "--mock", &mocks, "--input", &format!("@{input}")];
    let expected = r#"{"status":"Succeeded","output":{"a":[{"n":1},{"n":2},{"n":2}],"b":"done"}}"#;
    assert_eq!(outcome(&definition, &args).to_json(), expected);
}

#[test]
fn a_bound_task_posts_its_arguments_and_takes_the_answer_as_its_result() {
    let service = Service::on_thread(|_, _| async { json(200, r#"{"paid": true}"#) });
    let task = "- {Type: Task, Name: T, Action: 'Pay:Card', Parameters: {'n.$': $Input.n}, End: true}";
    let bind = format!("Pay:*={}", service.url("/pay?x=y"));
    let outcome = outcome(&flow("T", task), &["--bind", &bind, "--input", "{\"n\": 7}"]);
    assert_eq!(outcome.to_json(), r#"{"status":"Succeeded","output":{"paid":true}}"#);
    let calls = service.asked();
    let [asked] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((asked.method.as_str(), &*asked.path, &*asked.query), ("POST", "/pay", "x=y"));
    assert_eq!(asked.body.to_string(), r#"{"n":7}"#);
    assert_eq!(asked.headers["content-type"], "application/json");
    // Of a call of a function only the event.
    let function = "- {Type: Task, Name: T, Action: 'FC:InvokeFunction', End: true, \
                    Parameters: {resourceArn: a, body: {n: 8}}, TaskMode: WaitForSystemCallback}";
    let bind = format!("FC:InvokeFunction={}", service.url(""));
    assert_eq!(text(&self::outcome(&flow("T", function), &["--bind", &bind]), "status"), "Succeeded");
    assert_eq!(service.asked()[1].body.to_string(), r#"{"n":8}"#);
}

#[test]
fn tasks_of_parallel_branches_are_out_at_the_same_time() {
    // Each call is answered when the other one is there too.
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let service = Service::on_thread(move |_, _| {
        let both = both.clone();
        async move {
            both.wait().await;
            json(200, "{}")
        }
    });
    let branch = |name: &str| {
        format!(
            "{{StartAt: {name}, States: [{{Type: Task, Name: {name}, Action: HTTP:Request, Timeout: 50, \
             Parameters: {{url: '{}/{name}'}}, OutputConstructor: {{'s.$': $Output.statusCode}}, End: true}}]}}",
            service.url("")
        )
    };
    let states =
        format!("- {{Type: Parallel, Name: P, End: true, Branches: [{}, {}]}}", branch("A"), branch("B"));
    for clock in ["real", "virtual"] {
        let outcome = outcome(&flow("P", &states), &["--clock", clock]);
        assert_eq!(text(&outcome, "status"), "Succeeded", "{outcome}");
    }
}

#[test]
fn a_service_that_wants_a_pause_is_left_alone_for_it() {
    let service = Service::on_thread(|_, n| async move {
        match n {
            0 => Answer::status(503, "").with("retry-after", "1"),
            _ => json(200, "{}"),
        }
    });
    let retry = ", Retry: [{Errors: [HTTP.503], MaxAttempts: 1, IntervalSeconds: 0}]";
    let outcome = outcome(&get(&service.url("/x"), retry), &[]);
    assert_eq!(text(&outcome, "status"), "Succeeded");
    let calls = service.asked();
    let pause = calls[1].came_at.duration_since(calls[0].came_at);
    // A little less than it was asked for: the clock of the engine counts whole milliseconds.
    assert!(pause >= Duration::from_millis(995), "{pause:?}");
    assert_ne!(calls[0].headers["idempotency-key"], calls[1].headers["idempotency-key"]);
}

#[test]
fn a_virtual_clock_leaps_over_waits_and_counts_them_exactly() {
    let service = Service::on_thread(|_, n| async move {
        match n {
            0 => Answer::status(429, "").with("retry-after", "120"),
            _ => json(200, "{}"),
        }
    });
    let definition = flow(
        "W",
        &format!(
            "- {{Type: Wait, Name: W, Seconds: 300, Next: T}}\n\
             - {{Type: Task, Name: T, Action: HTTP:Request, Parameters: {{url: '{}/x'}}, End: true, \
                Retry: [{{Errors: [FnF.ALL], MaxAttempts: 1, IntervalSeconds: 1}}]}}",
            service.url("")
        ),
    );
    let started = Instant::now();
    let ended = millrace_on(&definition, &["run", "-", "--clock", "virtual"]);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    for line in ["300.000s  done    W", "attempt 2 in 120s", "420.000s  done    T"] {
        assert!(ended.stderr.contains(line), "{line}:\n{}", ended.stderr);
    }
    assert_eq!(ended.status, Some(0));
}

#[test]
fn a_call_beyond_its_time_out_is_broken_off() {
    let (tell, told) = channel();
    let told = Arc::new(Mutex::new(told));
    let service = Service::on_thread(move |asked, _| {
        let (tell, told) = (tell.clone(), told.clone());
        async move {
            if asked.path == "/hang" {
                let _gone = OnDrop(tell);
                std::future::pending::<()>().await;
            }
            // The first call must be gone while the run goes on.
            let waited = tokio::task::spawn_blocking(move || {
                told.lock().unwrap().recv_timeout(Duration::from_secs(20)).is_ok()
            });
            json(200, if waited.await.unwrap() { r#"{"gone": true}"# } else { r#"{"gone": false}"# })
        }
    });
    let definition = flow(
        "T",
        &format!(
            "- {{Type: Task, Name: T, Action: HTTP:Request, Parameters: {{url: '{0}/hang'}}, Timeout: 5, End: true, \
                Catch: [{{Errors: [FnF.TaskTimeout], Next: U}}]}}\n\
             - {{Type: Task, Name: U, Action: HTTP:Request, Parameters: {{url: '{0}/then'}}, \
                OutputConstructor: {{'gone.$': $Output.body.gone}}, End: true}}",
            service.url("")
        ),
    );
    for clock in ["real", "virtual"] {
        let outcome = outcome(&definition, &["--clock", clock]);
        assert_eq!(outcome.to_json(), r#"{"status":"Succeeded","output":{"gone":true}}"#, "{clock}");
    }
}

#[test]
fn a_call_whose_branch_is_given_up_is_broken_off() {
    let (tell, told) = channel();
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let service = Service::on_thread(move |asked, _| {
        let (tell, both) = (tell.clone(), both.clone());
        async move {
            both.wait().await;
            if asked.path == "/hang" {
                let _gone = OnDrop(tell);
                std::future::pending::<()>().await;
            }
            json(500, "{}")
        }
    });
    let branch = |name: &str| {
        format!(
            "{{StartAt: {name}, States: [{{Type: Task, Name: {name}, Action: HTTP:Request, \
             Parameters: {{url: '{}/{name}'}}, End: true}}]}}",
            service.url("")
        )
    };
    // The Wait keeps the program alive: its end is not what breaks the call off.
    let states = format!(
        "- {{Type: Parallel, Name: P, Next: W, Branches: [{}, {}], Catch: [{{Errors: [HTTP.500], Next: W}}]}}\n\
         - {{Type: Wait, Name: W, Seconds: 300, End: true}}",
        branch("hang"),
        branch("fail")
    );
    let running = start(&["run", &file("p.yaml", &flow("P", &states)), "-o", "json"], "");
    told.recv_timeout(Duration::from_secs(30)).expect("the call is broken off");
    running.interrupt();
    assert_eq!(text(&outcome_of(&running.ended()), "status"), "Stopped");
}

#[test]
fn progress_shows_nesting_failures_and_retries() {
    let definition = flow(
        "Each",
        "- Type: Map\n  Name: Each\n  ItemsPath: $Input.list\n  Next: Ask\n  OutputConstructor: {}\n  \
           Catch: [{Errors: [Broken], Next: Ask, OutputConstructor: {}}]\n  \
           Processor: {StartAt: Charge, States: [{Type: Task, Name: Charge, Action: A:B, End: true, \
             Retry: [{Errors: [Busy], MaxAttempts: 1, IntervalSeconds: 2}]}]}\n\
         - {Type: Task, Name: Ask, Action: A:C, End: true}",
    );
    let cause = "the card was refused by a bank that explains itself at some length, as banks do";
    let mocks = format!(
        "Charge: [{{output: {{}}}}, {{error: Busy}}, {{error: Broken, cause: '{cause}'}}]\nAsk: [{{output: {{}}}}]\n"
    );
    let args = ["run", "-", "--clock", "virtual", "--input", "{\"list\": [1, 2]}", "--mock"];
    let ended = millrace_on(&definition, &[&args[..], &[&*file("mocks.yaml", &mocks)]].concat());
    let expected = "    0.000s  start   Each: Map
    0.000s  start     0/Charge: Task A:B
    0.000s  start     1/Charge: Task A:B
    0.000s  done      0/Charge
    0.000s  failed    1/Charge: Busy
    0.000s  retry     1/Charge: attempt 2 in 2s
    2.000s  failed    1/Charge: attempt 2: Broken: the card was refused by a
                        bank that explains itself at some length, as banks do
    2.000s  caught  Each: Broken
    2.000s  start   Ask: Task A:C
    2.000s  done    Ask
";
    assert_eq!(ended.stderr, expected);
    assert!(ended.stderr.lines().all(|line| line.chars().count() <= 80));
}

/// Says when it is dropped, as the handler of a call is whose caller went away.
struct OnDrop(std::sync::mpsc::Sender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn answers_that_are_no_results_are_errors_with_names() {
    let service = Service::on_thread(|asked, _| async move {
        match &*asked.path {
            "/500" => json(500, r#"{"why": "broken"}"#),
            "/large" => json(200, &format!("\"{}\"", "x".repeat(70_000))),
            "/endless" => Answer::status(200, &"x".repeat(2 << 20)),
            "/bytes" => Answer { body: vec![0xff, 0xfe].into(), ..Answer::status(200, "") },
            _ => Answer::status(302, "").with("location", "/500"),
        }
    });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = &service.url("");
    let cases = [
        (format!("{url}/500"), "HTTP.500", r#"500 Internal Server Error: {"why":"broken"}"#),
        (format!("{url}/large"), "FnF.EntityTooLarge", "at most 65536 are allowed"),
        (format!("{url}/endless"), "FnF.EntityTooLarge", "more than 1048576 bytes"),
        (format!("{url}/bytes"), "HTTP.InvalidResponse", "no UTF-8"),
        (format!("{url}/redirect"), "HTTP.500", "/redirect was answered with 500"),
        (format!("http://{closed}/"), "HTTP.Unreachable", "refused"),
        ("https://127.0.0.1:1/".to_owned(), "HTTP.Unreachable", "refused"),
        ("file:///etc/passwd".to_owned(), "HTTP.InvalidRequest", "only http and https"),
    ];
    for (url, name, part) in cases {
        let (error, cause) = failure(&url);
        assert!(error == name && cause.contains(part), "{url}: {error}: {cause}");
    }
}

#[test]
fn a_redirect_is_the_same_attempt_and_another_run_is_not() {
    let service = Service::on_thread(|asked, _| async move {
        match &*asked.path {
            "/from" => Answer::status(307, "").with("location", "/to"),
            _ => json(200, "{}"),
        }
    });
    for _ in 0..2 {
        outcome(&get(&service.url("/from"), ""), &[]);
    }
    let keys: Vec<_> = service.asked().iter().map(|asked| asked.idempotency_key().to_owned()).collect();
    let [from, to, again, _] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!(from, to);
    assert_ne!(from, again);
    assert!(from.len() == 32 && from.chars().all(|digit| digit.is_ascii_hexdigit()), "{from}");
}

#[test]
fn a_task_that_nobody_does_fails_at_once_and_can_be_caught() {
    let task = |more: &str| {
        flow(
            "Charge",
            &format!("- {{Type: Task, Name: Charge, Action: Pay:Card{more}}}\n- {{Type: Succeed, Name: S}}"),
        )
    };
    let failed = outcome(&task(", End: true"), &[]);
    assert_eq!(text(&failed, "error"), "FnF.ResourceNotBound");
    for part in ["`Charge`", "`Pay:Card`", "--mock", "--bind"] {
        assert!(text(&failed, "cause").contains(part), "{failed}");
    }
    let caught = task(", Next: S, Catch: [{Errors: [FnF.ResourceNotBound], Next: S}]");
    assert_eq!(text(&outcome(&caught, &[]), "status"), "Succeeded");
    let job =
        flow("J", "- {Type: Task, Name: J, Action: 'Kubernetes:RunJob', Parameters: {image: i}, End: true}");
    assert!(text(&outcome(&job, &[]), "cause").contains("runs as a Job, and there is no cluster"));
}

#[test]
fn a_callback_that_nobody_sends_ends_with_a_time_out() {
    let service = Service::on_thread(|_, _| async { json(202, "") });
    let bind = format!("Mail:Ask={}", service.url(""));
    let ask = |more: &str| {
        flow(
            "Ask",
            &format!(
                "- {{Type: Task, Name: Ask, Action: Mail:Ask, TaskMode: WaitForCustomCallback, End: true{more}}}"
            ),
        )
    };
    let args = ["run", "-", "-o", "json", "--clock", "virtual", "--bind", &bind];
    let ended = millrace_on(&ask(", Timeout: 600"), &args);
    assert_eq!(text(&outcome_of(&ended), "error"), "FnF.TaskTimeout");
    assert!(ended.stderr.contains("waits   Ask: for its callback, at most 600s"), "{}", ended.stderr);
    assert!(ended.stderr.contains("600.000s  failed  Ask"), "{}", ended.stderr);
    let ended = millrace_on(&ask(""), &[&args[..], &["-q"]].concat());
    assert_eq!(text(&outcome_of(&ended), "status"), "TimedOut");
    assert!(ended.stderr.contains("`Ask` waits for a callback"), "{}", ended.stderr);
}

#[test]
fn an_interrupt_ends_the_run_and_its_calls() {
    let (tell, told) = channel();
    let service = Service::on_thread(move |_, _| {
        let tell = tell.clone();
        async move {
            tell.send(()).unwrap();
            let _gone = OnDrop(tell);
            std::future::pending().await
        }
    });
    let definition = file("hang.yaml", &get(&service.url(""), ""));
    let running = start(&["run", &definition, "-o", "json"], "");
    let patience = Duration::from_secs(30);
    told.recv_timeout(patience).expect("the call is made");
    running.interrupt();
    let outcome = outcome_of(&running.ended());
    assert_eq!(outcome.to_json(), r#"{"status":"Stopped","cause":"interrupted"}"#);
    told.recv_timeout(patience).expect("the call is broken off");
}

#[test]
fn a_manifest_brings_its_bindings_and_defaults() {
    let service = Service::on_thread(|asked, _| async move {
        match &*asked.path {
            "/hang" => std::future::pending().await,
            _ => json(200, &format!("{{\"x\": \"{}\"}}", asked.headers["x-a"].to_str().unwrap())),
        }
    });
    let manifest = |definition: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\n\
             apiVersion: millrace.dev/v1alpha1\nkind: Flow\nmetadata: {{name: order}}\nspec:\n  \
               defaults: {{taskTimeoutSeconds: 5}}\n  bindings:\n  \
               - {{resource: 'Pay:*', url: '{0}/pay', headers: [{{name: X-A, value: b}}]}}\n  \
               - {{resource: 'Pay:Slow', url: '{0}/hang'}}\n  \
               - {{resource: 'Pay:Secret', url: '{0}', headers: [{{name: X, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}]}}\n  \
               - {{resource: 'Pay:Inside', service: {{name: s}}}}\n  \
               definition: {definition}\n",
            service.url("")
        )
    };
    let run = |action: &str| {
        let states = format!("- {{Type: Task, Name: T, Action: '{action}', End: true}}");
        let inline = flow("T", &states).replace('\n', "\n    ");
        let inline = outcome(&manifest(&format!("\n    {inline}")), &["--clock", "virtual"]);
        let block = flow("T", &states).replace('\n', "\n    ");
        assert_eq!(outcome(&manifest(&format!("|\n    {block}")), &["--clock", "virtual"]), inline);
        inline
    };
    assert_eq!(run("Pay:Card").to_json(), r#"{"status":"Succeeded","output":{"x":"b"}}"#);
    assert_eq!(text(&run("Pay:Slow"), "error"), "FnF.TaskTimeout");
    assert!(text(&run("Pay:Secret"), "cause").contains("a header from a Secret"));
    assert!(text(&run("Pay:Inside"), "cause").contains("bound to a Service"));
    let name = "{Type: StateMachine, SpecVersion: v1, StartAt: S, States: [{Type: Pass, Name: S, End: true, \
                OutputConstructor: {'e.$': $Context.Execution.Name}}]}";
    assert_eq!(outcome(&manifest(name), &[]).to_json(), r#"{"status":"Succeeded","output":{"e":"order"}}"#);
    let named = outcome(&manifest(name), &["--name", "mine"]);
    assert_eq!(named.to_json(), r#"{"status":"Succeeded","output":{"e":"mine"}}"#);
}

/// The lines of a trace, each as an object.
fn lines_of(trace: &str) -> Vec<serde_json::Value> {
    trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a line tells, without its time: that in milliseconds since the first line.
fn told(lines: &[serde_json::Value]) -> Vec<(i64, String)> {
    let at = |line: &serde_json::Value| line["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let first = at(&lines[0]);
    let told = |line: &serde_json::Value| {
        let words = ["event", "path", "type", "attempt", "delayMilliseconds", "error"];
        let words = words.iter().filter_map(|word| match &line[*word] {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
        (at(line).duration_since(first).as_millis() as i64, words.collect::<Vec<_>>().join(" "))
    };
    lines.iter().map(told).collect()
}

#[test]
fn a_trace_tells_every_step_to_the_millisecond() {
    let definition = flow(
        "W",
        "- {Type: Wait, Name: W, Seconds: 3, Next: T}\n\
         - {Type: Task, Name: T, Action: 'A:B', Parameters: {'x.$': $Input.x}, Next: P, \
            Retry: [{Errors: [E], MaxAttempts: 3, IntervalSeconds: 1, BackoffRate: 2}], \
            Catch: [{Errors: [E], Next: P, OutputConstructor: {}}]}\n\
         - {Type: Pass, Name: P, End: true, OutputConstructor: {p: 1}}",
    );
    let mocks = file("mocks.json", r#"{"T": [{"error": "E", "cause": "c"}]}"#);
    let trace = file("trace.jsonl", "what stood there before");
    let args = ["--clock", "virtual", "--mock", &mocks, "--trace", &trace, "--input", r#"{"x": 7}"#];
    assert_eq!(outcome(&definition, &args).to_json(), r#"{"status":"Succeeded","output":{"p":1}}"#);
    let lines = lines_of(&std::fs::read_to_string(&trace).unwrap());
    let expected = [
        (0, "ExecutionStarted"),
        (0, "StateEntered W Wait 1"),
        (3_000, "StateExited W Wait 1"),
        (3_000, "StateEntered T Task 1"),
        (3_000, "TaskScheduled T Task 1"),
        (3_000, "TaskFailed T Task 1 E"),
        (3_000, "StateRetried T Task 2 1000 E"),
        (4_000, "TaskScheduled T Task 2"),
        (4_000, "TaskFailed T Task 2 E"),
        (4_000, "StateRetried T Task 3 2000 E"),
        (6_000, "TaskScheduled T Task 3"),
        (6_000, "TaskFailed T Task 3 E"),
        (6_000, "StateRetried T Task 4 4000 E"),
        (10_000, "TaskScheduled T Task 4"),
        (10_000, "TaskFailed T Task 4 E"),
        (10_000, "ErrorCaught T Task 4 E"),
        (10_000, "StateExited T Task 4"),
        (10_000, "StateEntered P Pass 1"),
        (10_000, "StateExited P Pass 1"),
        (10_000, "ExecutionSucceeded"),
    ];
    assert_eq!(told(&lines), expected.map(|(at, what)| (at, what.to_owned())));
    assert_eq!(lines[0]["input"], serde_json::json!({"x": 7}));
    assert_eq!(lines[4]["resource"], "A:B");
    assert_eq!((&lines[4]["input"], &lines[7]["input"]), (&serde_json::json!({"x": 7}), &lines[4]["input"]));
    assert_eq!(lines[5]["cause"], "c");
    assert_eq!(lines[6]["notBefore"], lines[7]["time"]);
    let time = lines[6]["time"].as_str().unwrap();
    assert!(time.len() == "2026-11-22T10:00:03.000Z".len() && time.ends_with('Z'), "{time}");
    assert_eq!(lines[18]["output"], serde_json::json!({"p": 1}));
}

#[test]
fn a_trace_tells_what_runs_within_a_state_and_how_it_failed() {
    let definition = flow(
        "M",
        "- {Type: Map, Name: M, ItemsPath: $Input.list, End: true, \
            Retry: [{Errors: [E], MaxAttempts: 1, IntervalSeconds: 5}], \
            Processor: {StartAt: 'a/b', States: [{Type: Task, Name: 'a/b', Action: 'A:B', End: true}]}}",
    );
    let mocks = file(
        "mocks.json",
        r#"{"a/b": [{"output": {"n": 1}}, {"error": "E"}, {"output": {"n": 3}}, {"cause": "c"}]}"#,
    );
    let args = [
        "run",
        "-",
        "-q",
        "--clock",
        "virtual",
        "--mock",
        &mocks,
        "--trace",
        "-",
        "--input",
        r#"{"list": [1, 2]}"#,
    ];
    let ended = millrace_on(&definition, &args);
    assert_eq!(ended.status, Some(1));
    let lines = lines_of(&ended.stdout);
    let told: Vec<_> = told(&lines).into_iter().map(|(at, what)| format!("{at} {what}")).collect();
    let expected = [
        "0 ExecutionStarted",
        "0 StateEntered M Map 1",
        "0 StateEntered M/0/a%2Fb Task 1",
        "0 TaskScheduled M/0/a%2Fb Task 1",
        "0 StateEntered M/1/a%2Fb Task 1",
        "0 TaskScheduled M/1/a%2Fb Task 1",
        "0 TaskSucceeded M/0/a%2Fb Task 1",
        "0 StateExited M/0/a%2Fb Task 1",
        "0 TaskFailed M/1/a%2Fb Task 1 E",
        "0 StateFailed M/1/a%2Fb Task 1 E",
        "0 StateRetried M Map 2 5000 E",
        "5000 StateEntered M@2/0/a%2Fb Task 1",
        "5000 TaskScheduled M@2/0/a%2Fb Task 1",
        "5000 StateEntered M@2/1/a%2Fb Task 1",
        "5000 TaskScheduled M@2/1/a%2Fb Task 1",
        "5000 TaskSucceeded M@2/0/a%2Fb Task 1",
        "5000 StateExited M@2/0/a%2Fb Task 1",
        "5000 TaskFailed M@2/1/a%2Fb Task 1 FnF.Unknown",
        "5000 StateFailed M@2/1/a%2Fb Task 1 FnF.Unknown",
        "5000 StateFailed M Map 2 FnF.Unknown",
        "5000 ExecutionFailed FnF.Unknown",
    ];
    assert_eq!(told, expected);
    assert_eq!(lines[2]["state"], "a/b");
    assert_eq!(lines[17]["cause"], "c");
}

#[test]
fn a_trace_that_cannot_be_written_is_refused() {
    let definition = flow("S", "- {Type: Succeed, Name: S}");
    let cases: [(&[&str], &str); 2] = [
        (&["--trace", "/no/such/folder/trace"], "cannot write the trace to /no/such/folder/trace"),
        (&["--trace", "-", "-o", "json"], "name a file for --trace"),
    ];
    for (args, expected) in cases {
        let ended = millrace_on(&definition, &[&["run", "-", "-q"], args].concat());
        assert_eq!((ended.status, &*ended.stdout), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn an_input_can_come_from_stdin() {
    let definition = file("s.yaml", &flow("S", "- {Type: Succeed, Name: S}"));
    for name in ["-", "@-"] {
        let ended = millrace_on("{\"a\": 1}", &["run", &definition, "-q", "-o", "json", "--input", name]);
        assert_eq!(outcome_of(&ended).to_json(), r#"{"status":"Succeeded","output":{"a":1}}"#);
    }
}

#[test]
fn what_a_map_writes_to_the_runs_own_store_a_later_one_reads() {
    let map = |name: &str, more: &str| {
        format!(
            "- {{Type: Map, Name: {name}, {more}, Processor: {{ProcessorConfig: {{ExecutionMode: Standard}}, \
             StartAt: P, States: [{{Type: Pass, Name: P, End: true}}]}}}}\n"
        )
    };
    let states = [
        map(
            "Write",
            "ItemsPath: $Input.list, ResultWriter: {Parameters: {Bucket: ExecutionData, Prefix: out}}, OutputConstructor: {'key.$': $Output.ResultWriterDetails.Key}, Next: Read",
        ),
        map(
            "Read",
            "ItemReader: {SourceType: OSS.JSON, SourceParameters: {Bucket: ExecutionData, 'ObjectName.$': $Input.key}}, End: true",
        ),
    ];
    let read = outcome(&flow("Write", &states.concat()), &["--input", r#"{"list": [{"a": 1}, {"a": 2}]}"#]);
    let expected = r#"{"status":"Succeeded","output":{"Items":[{"a":1},{"a":2}]}}"#;
    assert_eq!(read.to_json(), expected);
}

#[test]
fn a_local_run_acts_as_the_default_account() {
    let state = "- {Type: Pass, Name: S, End: true, OutputConstructor: {'a.$': $Context.Execution.RoleArn}}";
    let expected = r#"{"status":"Succeeded","output":{"a":"default"}}"#;
    assert_eq!(outcome(&flow("S", state), &[]).to_json(), expected);
}

#[test]
fn the_help_has_an_example() {
    for command in ["run", "lint"] {
        let help = millrace(&[command, "--help"]);
        assert!(help.stdout.contains(&format!("Example: millrace {command} ")), "{help:?}");
    }
}
