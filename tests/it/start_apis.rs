//! docs/start-apis.md, held against the resources: what it names exists, and every row has its place.

use std::collections::BTreeSet;

use millrace::api::{Reason, crd};
use regex::Regex;
use serde_json::Value;

use crate::tools::root;

const PLACES: &[&str] = &["field", "API server", "gateway only", "not applicable"];

/// What of the five documents must have a row of its own: parameters, elements and errors by their names.
const NAMES: &[(&str, &[&str])] = &[
    (
        "StartExecution",
        &[
            "`FlowName`",
            "`ExecutionName`",
            "`Input`",
            "`CallbackFnFTaskToken`",
            "`Qualifier`",
            "`Status`",
            "`StoppedTime`",
            "`RequestId`",
            "`StartedTime`",
            "`FlowDefinition`",
            "`Output`",
            "`Name`",
            "400 ActionNotSupported",
            "400 APIVersionNotSupported",
            "400 EntityTooLarge",
            "400 ExecutionAlreadyExists",
            "400 InvalidArgument",
            "400 MissingRequiredHeader",
            "400 MissingRequiredParams",
            "500 InternalServerError",
            "403 AccessDenied",
            "403 InvalidAccessKeyID",
            "403 RequestTimeTooSkewed",
            "403 SignatureNotMatch",
            "404 FlowNotExists",
            "415 UnsupportedMediaType",
            "429 ResourceThrottled",
        ],
    ),
    (
        "StartWorkflowExecution",
        &[
            "`childPolicy`",
            "`domain`",
            "`executionStartToCloseTimeout`",
            "`input`",
            "`lambdaRole`",
            "`tagList`",
            "`taskList.name`",
            "`taskPriority`",
            "`taskStartToCloseTimeout`",
            "`workflowId`",
            "`workflowType.name`",
            "`workflowType.version`",
            "`runId`",
            "DefaultUndefinedFault",
            "LimitExceededFault",
            "OperationNotPermittedFault",
            "TypeDeprecatedFault",
            "UnknownResourceFault",
            "WorkflowExecutionAlreadyStartedFault",
        ],
    ),
    (
        "SubmitFlow",
        &[
            "`Action`",
            "`FlowId`",
            "`ProjectId`",
            "`RegionId`",
            "`Conf`",
            "`Id`",
            "`InstanceId`, `Data`",
            "`RequestId`",
        ],
    ),
    (
        "StartFlow",
        &[
            "`flowName`",
            "`clientToken`",
            "`executionId`",
            "`flowArn`",
            "`flowStatus`",
            "409 ConflictException",
            "500 InternalServerException",
            "404 ResourceNotFoundException",
            "402 ServiceQuotaExceededException",
        ],
    ),
];

/// A row of a table: what, where, and why.
struct Row {
    section: String,
    cells: [String; 3],
}

fn rows(text: &str) -> Vec<Row> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.split(' ').next().unwrap().clone_into(&mut section);
        }
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { continue };
        let cells: Vec<_> = cells.split(" | ").map(str::to_owned).collect();
        if section.is_empty() || cells.get(1).is_some_and(|place| place == "place") {
            continue;
        }
        let cells = cells.try_into().unwrap_or_else(|cells| panic!("three cells: {cells:?}"));
        rows.push(Row { section: section.clone(), cells });
    }
    rows
}

fn text() -> String {
    std::fs::read_to_string(root().join("docs/start-apis.md")).unwrap()
}

/// Whether a kind has a field, such as `spec.flowRef.name`.
fn has_field(kind: &str, path: &str) -> bool {
    let definition = crd::all().into_iter().find(|definition| definition.spec.names.kind == kind);
    let Some(definition) = definition else { return false };
    let definition = serde_json::to_value(&definition).unwrap();
    let mut schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for name in path.split('.') {
        let inner = if schema["items"].is_object() { &schema["items"] } else { schema };
        let found = &inner["properties"][name];
        if found.is_null() {
            return false;
        }
        schema = found;
    }
    true
}

#[test]
fn every_row_has_a_place_and_says_why() {
    let rows = rows(&text());
    assert!(rows.len() > 100, "{} rows", rows.len());
    let field = Regex::new("`(Execution|Flow|FlowRevision|Schedule|TaskReport|metadata)\\.[a-z]").unwrap();
    for Row { section, cells: [what, place, why] } in &rows {
        assert!(PLACES.contains(&&**place), "{section}, {what}: the place is `{place}`");
        assert!(why.len() > 10, "{section}, {what}: {why}");
        let names_one = field.is_match(why);
        let says_reason = Reason::ALL.iter().any(|reason| why.contains(&format!("`{}`", reason.as_str())));
        assert!(*place != "field" || names_one || says_reason, "{section}, {what} names no field: {why}");
    }
}

#[test]
fn every_field_and_every_reason_that_is_named_exists() {
    let text = text();
    let field = Regex::new(r"`(Execution|Flow|FlowRevision|Schedule|TaskReport)\.([a-zA-Z.]+)`").unwrap();
    let mut count = 0;
    for found in field.captures_iter(&text) {
        assert!(has_field(&found[1], &found[2]), "{} does not exist", &found[0]);
        count += 1;
    }
    assert!(count > 60, "{count} fields");
    // Words in two or more parts, as reasons are, that stand for themselves.
    let word = Regex::new(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`").unwrap();
    let reasons: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let own: BTreeSet<_> = ["AlreadyExists", "AfterEnd"].into();
    for Row { section, cells: [what, _, why] } in rows(&text) {
        for found in word.captures_iter(&why) {
            let word = found.get(1).unwrap().as_str();
            assert!(reasons.contains(word) || own.contains(word), "{section}, {what}: no reason `{word}`");
        }
    }
}

#[test]
fn every_name_of_the_five_documents_has_a_row() {
    let rows = rows(&text());
    for (section, names) in NAMES {
        for name in *names {
            let found = rows.iter().any(|row| row.section == *section && row.cells[0] == *name);
            assert!(found, "{section} has no row for {name}");
        }
    }
}

/// What the values of the chart are called is written there, too.
#[test]
fn values_of_the_chart_that_are_named_exist() {
    let schema = std::fs::read_to_string(root().join("charts/millrace/values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let rule = &schema["definitions"]["startRule"]["properties"];
    for found in Regex::new(r"`policies\.starts\.rules\[\]\.(\w+)`").unwrap().captures_iter(&text()) {
        assert!(rule[&found[1]].is_object(), "{}", &found[0]);
    }
}
