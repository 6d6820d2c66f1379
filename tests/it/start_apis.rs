//! docs/start-apis.md, held against the resources: what it names exists, and every row has its place.

mod rows;

use std::collections::BTreeSet;

use millrace::api::{ConditionType, Reason, crd};
use regex::Regex;
use serde_json::Value;

use crate::tools::root;

const PLACES: &[&str] = &["field", "API server", "gateway only", "not applicable"];

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

/// Values of fields that take one of several words.
fn words(schema: &Value, into: &mut BTreeSet<String>) {
    let named = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    into.extend(named.map(str::to_owned));
    schema.as_object().into_iter().flatten().for_each(|(_, inner)| words(inner, into));
    schema.as_array().into_iter().flatten().for_each(|inner| words(inner, into));
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
    // Words that stand for themselves: reasons, types of conditions, and values of fields.
    let word = Regex::new(r"`([A-Z][A-Za-z]+)`").unwrap();
    let mut known: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect();
    known.extend(ConditionType::ALL.iter().map(|type_| type_.as_str().to_owned()));
    let definitions: Vec<_> = crd::all().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
    definitions.iter().for_each(|definition| words(definition, &mut known));
    // What the API server itself says, and what SubmitFlow answers.
    known.extend(["Unauthorized", "Conflict", "Id"].map(str::to_owned));
    for Row { section, cells: [what, _, why] } in rows(&text) {
        for found in word.captures_iter(&why) {
            let word = found.get(1).unwrap().as_str();
            assert!(known.contains(word), "{section}, {what}: nothing says `{word}`");
        }
    }
}

#[test]
fn every_part_of_the_five_documents_has_its_row() {
    let rows = rows(&text());
    for (section, names) in rows::ROWS {
        let found: Vec<_> =
            rows.iter().filter(|row| row.section == *section).map(|row| &*row.cells[0]).collect();
        let lacks: Vec<_> = names.iter().filter(|name| !found.contains(name)).collect();
        assert!(lacks.is_empty(), "{section} has no rows for {lacks:#?}");
        assert_eq!(found, *names, "{section}: order, or a row that start_apis/rows.rs does not know");
    }
    let sections: BTreeSet<_> = rows.iter().map(|row| &*row.section).collect();
    assert_eq!(sections.len(), rows::ROWS.len());
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
