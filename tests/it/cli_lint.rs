//! `millrace lint`: all problems of definitions, with place and help.

use millrace::value::Value;

use crate::command::{Ended, file, millrace, millrace_on};

const BROKEN: &str = "\
Type: StateMachine
SpecVersion: v1
StartAt: Charge
States:
  - {Type: Task, Name: Charge, Action: HTTP:Request, Next: Shipp}
  - {Type: Succeed, Name: Ship}
";

const UNBOUND: &str = "\
Type: StateMachine
SpecVersion: v1
StartAt: Charge
States:
  - {Type: Task, Name: Charge, Action: Pay:Card, End: true}
";

const FINE: &str = "{Type: StateMachine, SpecVersion: v1, StartAt: S, States: [{Type: Succeed, Name: S}]}";

/// A manifest with a definition and further fields of its spec.
fn manifest(definition: &str, more: &str) -> String {
    format!(
        "apiVersion: millrace.dev/v1alpha1\nkind: Flow\nmetadata: {{name: order}}\nspec:\n{more}  \
         definition: {definition}\n"
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn problems(ended: &Ended) -> Vec<Value> {
    Value::parse(&ended.stdout).unwrap().as_array().unwrap().iter().cloned().collect()
}

#[test]
fn a_problem_is_shown_where_it_is_with_what_to_do() {
    let ended = millrace_on(BROKEN, &["lint", "-"]);
    let expected = "\
<stdin>:5:60: error[E010] at States[0].Next: there is no state `Shipp` in this scope
  |
5 |   - {Type: Task, Name: Charge, Action: HTTP:Request, Next: Shipp}
  |                                                            ^^^^^
  |
  = help: did you mean `Ship`?

";
    assert_eq!(ended.stdout, expected);
    assert_eq!((ended.status, &*ended.stderr), (Some(1), "1 file, 1 error, 0 warnings\n"));
    let ended = millrace_on(&BROKEN.replace("Next: Shipp", "End: true"), &["lint", "-"]);
    let expected = "\
<stdin>:6:27: warning[W101] at States[1].Name: nothing leads to state `Ship`
  |
6 |   - {Type: Succeed, Name: Ship}
  |                           ^^^^

";
    assert_eq!(ended.stdout, expected);
    assert_eq!((ended.status, &*ended.stderr), (Some(0), "1 file, 0 errors, 1 warning\n"));
}

#[test]
fn problems_as_json_have_places_for_editors() {
    let broken = file("broken.yaml", BROKEN);
    let ended = millrace(&["lint", "-o", "json", &broken, &file("fine.json", FINE)]);
    let expected = format!(
        "[{{\"file\":\"{broken}\",\"code\":\"E010\",\"severity\":\"Error\",\"path\":\"States[0].Next\",\"line\":5,\
         \"column\":60,\"endColumn\":65,\"message\":\"there is no state `Shipp` in this scope\",\
         \"help\":\"did you mean `Ship`?\"}}]\n"
    );
    assert_eq!(ended.stdout, expected);
    assert_eq!((ended.status, &*ended.stderr), (Some(1), "2 files, 1 error, 0 warnings\n"));
    let worse = BROKEN.replace("Next: Shipp", "Next: Shipp, Timeout: -1");
    assert_eq!(problems(&millrace_on(&worse, &["lint", "-o", "json", "-"])).len(), 2);
    assert_eq!(millrace_on(FINE, &["lint", "-", "-o", "json"]).stdout, "[]\n");
}

#[test]
fn the_exit_status_says_how_bad_it_is() {
    let bound = "  bindings: [{resource: 'Pay:*', url: 'http://h'}]\n";
    let unbound = manifest(&format!("\n{}", indented(UNBOUND)), "");
    let bound = manifest(&format!("\n{}", indented(UNBOUND)), bound);
    let warned = BROKEN.replace("Next: Shipp", "End: true");
    let cases: &[(&str, &[&str], i32)] = &[
        (FINE, &[], 0),
        (BROKEN, &[], 1),
        (&warned, &[], 0),
        (&warned, &["--strict"], 1),
        // What a bare definition needs is bound elsewhere.
        (UNBOUND, &[], 0),
        (UNBOUND, &["--strict"], 0),
        (&unbound, &[], 0),
        (&unbound, &["--strict"], 1),
        (&bound, &["--strict"], 0),
        (FINE, &["--dialect", "asl"], 1),
        (FINE, &["--dialect", "fdl/v1"], 0),
        (FINE, &["--dialect", "latin"], 2),
        (FINE, &["/no/such/file"], 2),
        (BROKEN, &["/no/such/file"], 2),
        ("apiVersion: v1\nkind: Service\n", &[], 0),
    ];
    for (text, args, status) in cases {
        let ended = millrace_on(text, &[&["lint", "-"], *args].concat());
        assert_eq!(ended.status, Some(*status), "{args:?} {text}: {ended:?}");
    }
}

#[test]
fn a_task_that_nobody_does_is_warned_of() {
    let ended = millrace_on(UNBOUND, &["lint", "-"]);
    let expected =
        "<stdin>: warning[W104] at Charge: nothing is bound to the resource `Pay:Card` of task `Charge`";
    assert!(ended.stdout.starts_with(expected), "{}", ended.stdout);
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_others() {
    let ended = millrace_on(BROKEN, &["lint", "/no/such/file", &file("bytes", "\u{1}"), "-"]);
    assert!(ended.stderr.contains("cannot read /no/such/file: No such file"), "{}", ended.stderr);
    assert!(ended.stdout.contains("<stdin>:5:60: error[E010]"), "{}", ended.stdout);
}

#[test]
fn places_in_a_manifest_are_those_of_its_file() {
    let block = format!("|\n{}", indented(BROKEN));
    let inline = format!("\n{}", indented(BROKEN));
    let escaped = Value::from(BROKEN).to_json();
    let cases = [
        (manifest(&inline, ""), (10, 64), ""),
        (manifest(&block, ""), (10, 64), ""),
        (format!("# a comment\n---\nkind: X\napiVersion: v1\n---\n{}", manifest(&block, "")), (15, 64), ""),
        (manifest(&escaped, ""), (5, 15), " (line 5, column 60 of the definition's text)"),
    ];
    for (text, (line, column), more) in cases {
        let ended = millrace_on(&text, &["lint", "-", "-o", "json"]);
        let problems = problems(&ended);
        let problem =
            problems.iter().find(|problem| problem.get("code") == Some(&Value::from("E010"))).unwrap();
        let place = (problem.get("line"), problem.get("column"));
        assert_eq!(place, (Some(&Value::from(line as u64)), Some(&Value::from(column as u64))), "{text}");
        let message = format!("there is no state `Shipp` in this scope{more}");
        assert_eq!(problem.get("message"), Some(&Value::from(message)));
    }
}

#[test]
fn what_is_wrong_beside_the_definition_is_told_too() {
    let more = "  dialect: latin\n  bindings:\n  - {resource: 'A:B'}\n  - {url: 'http://h'}\n  defaults: {timeoutSeconds: soon}\n";
    let ended = millrace_on(&manifest(FINE, more), &["lint", "-", "-o", "json"]);
    let found: Vec<_> = problems(&ended)
        .iter()
        .map(|problem| {
            let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("path"), problem.get("line").and_then(Value::as_i64).unwrap())
        })
        .collect();
    let expected =
        [("spec.dialect", 5), ("spec.bindings[0]", 7), ("spec.bindings[1]", 8), ("spec.defaults", 9)];
    assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    let named = FINE.replace("StartAt", "Name: other, StartAt");
    let ended = millrace_on(&manifest(&named, ""), &["lint", "-"]);
    assert!(ended.stdout.starts_with("<stdin>: warning[W103] at Name: the definition calls itself `other`"));
    let ended = millrace_on(&manifest("", ""), &["lint", "-"]);
    assert!(ended.stdout.contains("error[E004] at spec: field `spec.definition` is missing"), "{ended:?}");
}

#[test]
fn nothing_in_a_file_commands_the_terminal() {
    let ended = millrace_on(&BROKEN.replace("Shipp", "\"\\e[31mred\""), &["lint", "-"]);
    assert!(ended.stdout.contains("there is no state `␛[31mred`"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'));
}

/// The log of a run of `lint -o sarif` in a folder.
fn sarif(folder: &std::path::Path, stdin: &str, args: &[&str]) -> (Option<i32>, serde_json::Value) {
    let mut program = crate::command::program(&[&["lint", "-o", "sarif"], args].concat());
    let ended = crate::command::start_as(program.current_dir(folder), stdin).ended();
    let log: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&log["version"], &log["runs"][0]["tool"]["driver"]["name"]),
        (&"2.1.0".into(), &"millrace".into())
    );
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    (ended.status, log["runs"][0].clone())
}

#[test]
fn sarif_has_a_rule_for_every_code_and_a_place_for_every_problem() {
    use serde_json::json;
    let broken = file("broken é.yaml", BROKEN);
    let folder = std::path::Path::new(&broken).parent().unwrap();
    let (status, run) = sarif(folder, UNBOUND, &["./broken é.yaml", "-", &file("elsewhere.yaml", BROKEN)]);
    assert_eq!(status, Some(1));
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let codes: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    let all: Vec<_> = millrace::diagnostic::Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes, all);
    for rule in rules {
        let level = if rule["id"].as_str().unwrap().starts_with('E') { "error" } else { "warning" };
        assert_eq!(rule["defaultConfiguration"]["level"], level);
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[text]["text"].as_str().unwrap().ends_with('.'), "{rule}");
        }
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let results = run["results"].as_array().unwrap();
    let expected = json!({
        "ruleId": "E010",
        "ruleIndex": all.iter().position(|code| *code == "E010"),
        "level": "error",
        "message": {"text": "there is no state `Shipp` in this scope; did you mean `Ship`?"},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": "broken%20%C3%A9.yaml", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 5, "startColumn": 60, "endColumn": 65},
            },
            "logicalLocations": [{"fullyQualifiedName": "States[0].Next"}],
        }],
    });
    assert_eq!(results[0], expected);
    // A problem without a place, of what is no file.
    assert_eq!(results[1]["ruleId"], "W104");
    let place = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(place, &json!({"artifactLocation": {"uri": "stdin"}, "region": {"startLine": 1}}));
    let uri = results[2]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("file:///") && uri.ends_with("/elsewhere.yaml"), "{uri}");
    assert_eq!(results.len(), 3);
}

#[test]
fn sarif_tells_of_files_that_cannot_be_read() {
    let (status, run) = sarif(std::path::Path::new("/"), FINE, &["no/such/file", "-"]);
    assert_eq!((status, run["results"].as_array().map(Vec::len)), (Some(2), Some(0)));
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let told = invocation["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap();
    assert!(told.contains("no/such/file"), "{told}");
}

#[test]
fn thousands_of_problems_are_told_in_no_time() {
    let states = |count: usize| -> String {
        (0..count).map(|n| format!("{{Type: Pass, Name: a{n}, Next: b{n}}},")).collect()
    };
    let wrong = format!("{{Type: StateMachine, SpecVersion: v1, StartAt: a0, States: [{}]}}", states(9_000));
    for format in ["text", "json", "sarif"] {
        let started = std::time::Instant::now();
        let ended = millrace_on(&wrong, &["lint", "-", "-o", format]);
        assert!(started.elapsed() < std::time::Duration::from_secs(50), "{format}: {:?}", started.elapsed());
        assert_eq!((ended.status, &*ended.stderr), (Some(1), "1 file, 1000 errors, 1 warning\n"), "{format}");
        assert!(ended.stdout.contains("8000 more errors and 0 more warnings are not told"), "{format}");
    }
}

#[test]
fn what_is_made_to_hurt_is_refused_like_anything_else() {
    let refers = |to: usize| vec![format!("*a{to}"); 10].join(",");
    let levels: String = (0..12).map(|n| format!("a{}: &a{} [{}]\n", n + 1, n + 1, refers(n))).collect();
    let bomb = format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{levels}");
    let deep = format!("{}{}", "{\"a\": ".repeat(1_000), "}".repeat(1_000));
    // One line of 1 MiB with a problem at its end.
    let name = "x".repeat(1_000_000);
    let long = format!(
        "{{Type: StateMachine, SpecVersion: v1, Description: {name}, StartAt: a, States: [{{Type: Succeed, Name: b}}]}}"
    );
    for (text, told) in
        [(&bomb, "repeat too much"), (&deep, "nested more than 100 levels deep"), (&long, "no state `a`")]
    {
        let file = file("hostile.yaml", text);
        for args in [&["lint", &*file][..], &["run", &*file]] {
            let ended = millrace(args);
            let expected = if args[0] == "lint" { 1 } else { 2 };
            assert_eq!(ended.status, Some(expected), "{}", ended.stderr);
            let found = [&ended.stdout, &ended.stderr].iter().any(|text| text.contains(told));
            assert!(found && ended.stdout.len() + ended.stderr.len() < 5_000, "{args:?}: {}", ended.stderr);
        }
    }
}
