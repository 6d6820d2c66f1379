//! `millrace run` on state machines of Amazon States Language whose tasks are real: functions behind a
//! service of this machine, files as stored objects.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::command::{program, start_as};
use crate::service::{Answer, Service};

/// A machine of one state.
fn machine(state: Value) -> Value {
    let mut state = state;
    if state["Type"] != "Choice" {
        state["End"] = Value::from(true);
    }
    json!({"StartAt": "S", "States": {"S": state}})
}

/// Runs a machine in a directory and gives its one JSON object.
fn outcome(directory: &Path, machine: &Value, args: &[&str]) -> Value {
    let mut program = program(&[&["run", "-", "-q", "-o", "json"], args].concat());
    let ended = start_as(program.current_dir(directory), &machine.to_string()).ended();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {ended:?}"))
}

/// An empty directory of a test's own.
fn directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn functions_are_bound_by_their_names_and_throw_errors_with_names() {
    let service = Service::on_thread(|asked, _| async move {
        if asked.path == "/book" {
            return Answer::json(&json!({"booked": asked.body}));
        }
        let thrown = json!({"errorType": "SoldOut", "errorMessage": "none left"});
        Answer::json(&thrown).with("x-amz-function-error", "Unhandled")
    });
    let here = directory("functions");
    let book = format!("arn:aws:lambda:eu-west-1:1:function:book={}", service.url("/book"));
    let others = format!("arn:aws:*={}", service.url("/others"));
    let bind = ["--bind", &*book, "--bind", &*others];
    let invoke = |function: &str| {
        let parameters = json!({"FunctionName": function, "Payload.$": "$.order"});
        json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters,
            "ResultSelector": {"answer.$": "$.Payload", "code.$": "$.StatusCode"}})
    };
    let args = [&bind[..], &["--input", r#"{"order": 7}"#]].concat();
    let booked = outcome(&here, &machine(invoke("arn:aws:lambda:eu-west-1:1:function:book")), &args);
    assert_eq!(booked, json!({"status": "Succeeded", "output": {"answer": {"booked": 7}, "code": 200}}));
    let sold_out = outcome(&here, &machine(invoke("other")), &args);
    assert_eq!(
        sold_out,
        json!({"status": "Failed", "error": "SoldOut",
            "cause": r#"{"errorType":"SoldOut","errorMessage":"none left"}"#})
    );
    let direct = json!({"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:1:function:book"});
    let booked = outcome(&here, &machine(direct), &args);
    assert_eq!(booked, json!({"status": "Succeeded", "output": {"booked": {"order": 7}}}));
}

#[test]
fn a_call_of_http_invoke_answers_as_the_service_does() {
    let service = Service::on_thread(|asked, _| async move {
        match &*asked.path {
            "/orders" => Answer::json(&json!({"query": asked.query, "body": asked.body})),
            _ => Answer::status(404, "no such order"),
        }
    });
    let here = directory("invoke");
    let call = |path: &str| {
        let parameters = json!({"ApiEndpoint": service.url(path), "Method": "POST",
            "QueryParameters": {"page": 2}, "RequestBody": {"n": 1}});
        let state =
            json!({"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Parameters": parameters});
        outcome(&here, &machine(state), &[])
    };
    let answer = call("/orders");
    assert_eq!(answer["output"]["ResponseBody"], json!({"query": "page=2", "body": {"n": 1}}));
    assert_eq!(
        (&answer["output"]["StatusCode"], &answer["output"]["StatusText"]),
        (&json!(200), &json!("OK"))
    );
    assert_eq!(answer["output"]["Headers"]["content-type"], json!(["application/json"]));
    let missing = call("/other");
    assert_eq!(missing["error"], "States.Http.StatusCode.404");
}

#[test]
fn a_map_reads_a_file_and_writes_its_results_to_another() {
    let here = directory("objects");
    std::fs::create_dir(here.join("orders")).unwrap();
    std::fs::write(here.join("orders/today.csv"), "id,city\n1,Bonn\n2,\n3\n").unwrap();
    let reader = |key: &str| {
        json!({"Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": "orders", "Key": key}})
    };
    let writer = json!({"Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "orders", "Prefix": "done"}});
    let processor = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
    let map = json!({"Type": "Map", "ItemReader": reader("today.csv"), "ItemProcessor": processor,
        "ResultWriter": writer});
    let written = outcome(&here, &machine(map.clone()), &[]);
    let place = &written["output"]["ResultWriterDetails"];
    assert_eq!((&written["status"], &place["Bucket"]), (&json!("Succeeded"), &json!("orders")), "{written}");
    let key = place["Key"].as_str().unwrap();
    assert!(key.starts_with("done/") && key.ends_with("/results.json"), "{key}");
    let results = std::fs::read_to_string(here.join("orders").join(key)).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(
        results,
        json!([{"id": "1", "city": "Bonn"}, {"id": "2", "city": ""}, {"id": "3", "city": ""}])
    );
    let mut missing = map;
    missing["ItemReader"] = reader("tomorrow.csv");
    let failed = outcome(&here, &machine(missing), &[]);
    assert_eq!(failed["error"], "States.ItemReaderFailed");
    assert!(failed["cause"].as_str().unwrap().contains("no object `tomorrow.csv` in `orders`"), "{failed}");
}

#[test]
fn what_a_map_writes_to_the_runs_own_store_is_read_by_later_states() {
    let here = directory("own-store");
    let processor = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
    // Quotes, which are escaped in a value: 2 MB of text are 4 MB there.
    let items: Vec<_> = (0..20).map(|n| json!({"n": n, "text": "\"".repeat(50_000)})).collect();
    std::fs::create_dir(here.join("in")).unwrap();
    std::fs::write(here.join("in/items.json"), json!(items).to_string()).unwrap();
    let reader = |bucket: &str| {
        json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": bucket, "Key": "items.json"}})
    };
    let write = json!({"Type": "Map", "ItemReader": reader("in"), "ItemProcessor": processor, "Next": "List",
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "ExecutionData", "Key": "items.json"}}});
    let list = json!({"Type": "Task", "Resource": "arn:aws:states:::s3:listObjectsV2", "Next": "Read",
        "Parameters": {"Bucket": "ExecutionData", "Prefix": "items"}, "ResultPath": "$.listed"});
    let small = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Q", "States": {"Q": {"Type": "Pass", "Parameters": {"n.$": "$.n"}, "End": true}}});
    let read = json!({"Type": "Map", "ItemReader": reader("ExecutionData"), "ItemProcessor": small,
        "ResultPath": "$.read", "End": true});
    let definition = json!({"StartAt": "Write", "States": {"Write": write, "List": list, "Read": read}});
    let ended = outcome(&here, &definition, &[]);
    let output = &ended["output"];
    assert_eq!(output["listed"]["Contents"][0]["Size"], json!(items).to_string().len(), "{ended}");
    assert_eq!(output["read"], json!((0..20).map(|n| json!({"n": n})).collect::<Vec<_>>()));
    let missing = json!({"Type": "Task", "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Bucket": "ExecutionData", "Key": "other"}});
    let missing = outcome(&here, &machine(missing), &[]);
    assert_eq!(missing["error"], "S3.NoSuchKey");
}

#[test]
fn a_reader_takes_what_no_task_may() {
    let line = |n: usize| json!({"n": n, "text": "x".repeat(10_000)}).to_string();
    let lines = |count: usize| (0..count).map(line).collect::<Vec<_>>().join("\n");
    let (five, seventeen) = (lines(500), lines(1_700));
    let service = Service::on_thread(move |asked, _| {
        let body = if asked.body["Key"] == "five" { five.clone() } else { seventeen.clone() };
        async move { Answer::status(200, &body) }
    });
    let here = directory("large-reader");
    let resource = "arn:aws:states:::s3:getObject";
    let bind = format!("{resource}={}", service.url("/"));
    let processor = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P", "States": {"P": {"Type": "Pass", "OutputPath": "$.n", "End": true}}});
    let read = |key: &str| {
        let reader = json!({"Resource": resource, "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": "b", "Key": key}});
        let map = json!({"Type": "Map", "ItemReader": reader, "ItemProcessor": processor});
        outcome(&here, &machine(map), &["--bind", &bind])
    };
    assert_eq!(read("five")["output"], json!((0..500).collect::<Vec<_>>()));
    let refused = read("seventeen");
    assert_eq!(refused["error"], "States.ItemReaderFailed");
    assert!(refused["cause"].as_str().unwrap().contains("more than 16777216 bytes"), "{refused}");
    let task = json!({"Type": "Task", "Resource": resource, "Parameters": {"Key": "five"}});
    let refused = outcome(&here, &machine(task), &["--bind", &bind]);
    assert_eq!(refused["error"], "States.DataLimitExceeded");
    assert!(refused["cause"].as_str().unwrap().contains("more than 1048576 bytes"), "{refused}");
}

#[test]
fn a_trace_tells_what_happens_in_a_distributed_map() {
    let here = directory("distributed-trace");
    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
        "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 3, "MaxAttempts": 2, "BackoffRate": 1}]});
    let wait = json!({"Type": "Wait", "Seconds": 5, "Next": "T"});
    let trace_of = |mode: &str| {
        let processor = json!({"ProcessorConfig": {"Mode": mode, "ExecutionType": "STANDARD"},
            "StartAt": "W", "States": {"W": wait, "T": task}});
        let map = json!({"Type": "Map", "Items": [1], "ItemProcessor": processor});
        let mut definition = machine(map);
        definition["QueryLanguage"] = json!("JSONata");
        std::fs::write(
            here.join("mocks.json"),
            json!({"T": [{"error": "E"}, {"output": {"Payload": 1}}]}).to_string(),
        )
        .unwrap();
        let (mocks, trace) = (here.join("mocks.json"), here.join("trace.jsonl"));
        let (mocks, trace) = (mocks.to_str().unwrap(), trace.to_str().unwrap());
        outcome(&here, &definition, &["--mock", mocks, "--trace", trace, "--clock", "virtual"]);
        let mut start = None;
        let lines: Vec<_> = std::fs::read_to_string(trace)
            .unwrap()
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let at: jiff::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
                let since = at.duration_since(*start.get_or_insert(at)).as_millis();
                let (event, path) =
                    (line["event"].as_str().unwrap(), line["path"].as_str().unwrap_or_default());
                format!("{since} {event} {path} {} {}", line["error"].as_str().unwrap_or("-"), line["input"])
            })
            .collect();
        lines
    };
    let told = trace_of("DISTRIBUTED");
    assert_eq!(told, trace_of("INLINE"));
    assert!(told.contains(&"5000 StateRetried S/0/T E 1".to_owned()), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("8000 StateExited S/0/T")), "{told:#?}");
}

#[test]
fn an_expression_that_does_not_end_is_given_up() {
    let here = directory("endless");
    let mut endless = machine(json!({"Type": "Pass", "Output": "{% ($f := function() { $f() }; $f()) %}"}));
    endless["QueryLanguage"] = json!("JSONata");
    let mut program = program(&["run", "-", "-o", "json"]);
    let ended = start_as(program.current_dir(here), &endless.to_string()).ended();
    assert_eq!((ended.status, &*ended.stdout), (Some(2), ""));
    assert!(ended.stderr.contains("the expressions of state `S` were given up after 10 s"), "{ended:?}");
}
