use super::condition::{Claim, ConditionStatus, find, merge};
use super::*;
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

#[test]
fn conditions_keep_their_time_while_their_status_stays() {
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let claim = |status, message: &str| Claim::new(ConditionType::Ready, status, Reason::Valid, message);
    let first = merge(&[], vec![claim(ConditionStatus::True, "a")], 1, at(10));
    let second = merge(&first, vec![claim(ConditionStatus::True, "b")], 2, at(20));
    let third = merge(&second, vec![claim(ConditionStatus::False, "c")], 3, at(30));
    let seen = |conditions: &[Condition]| {
        let ready = find(conditions, ConditionType::Ready).unwrap();
        (ready.last_transition_time.as_second(), ready.observed_generation, ready.message.clone())
    };
    assert_eq!(seen(&first), (10, 1, "a".to_owned()));
    assert_eq!(seen(&second), (10, 2, "b".to_owned()));
    assert_eq!(seen(&third), (30, 3, "c".to_owned()));
}

#[test]
fn a_deep_input_is_kept_as_text_and_refused_when_it_is_read() {
    let deep = "[".repeat(9_000) + &"]".repeat(9_000);
    let spec: ExecutionSpec =
        serde_json::from_str(&format!(r#"{{"flowRef": {{"name": "f"}}, "input": {deep}}}"#)).unwrap();
    assert!(spec.input.unwrap().parse().unwrap_err().to_string().contains("9000 levels"));
}

#[test]
fn a_null_input_is_a_value_and_an_absent_one_is_not() {
    let spec = |text: &str| serde_json::from_str::<ExecutionSpec>(text).unwrap().input;
    assert_eq!(spec(r#"{"flowRef": {"name": "f"}, "input": null}"#).unwrap().text(), "null");
    assert_eq!(spec(r#"{"flowRef": {"name": "f"}}"#), None);
}

/// Every field at every depth, and the items of every list, with their paths.
fn walk(path: &str, schema: &serde_json::Value, look: &mut dyn FnMut(&str, &str, &serde_json::Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        look(&path, name, property);
        walk(&path, property, look);
        walk(&format!("{path}[]"), &property["items"], look);
        walk(&format!("{path}{{}}"), &property["additionalProperties"], look);
    }
}

/// The schema of each kind.
fn schemas() -> Vec<(String, serde_json::Value)> {
    let schema = |crd: &CustomResourceDefinition| {
        let json = serde_json::to_value(crd).unwrap();
        (crd.spec.names.kind.clone(), json["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone())
    };
    crd::all().iter().map(schema).collect()
}

/// What `kubectl explain` shows of a field: its own name or a capital first, as the fields of Kubernetes have it, a
/// full stop at the end, and no line that ends within a sentence.
fn is_sentence(name: &str, text: &str) -> bool {
    let begins = text.starts_with(name) || text.starts_with(char::is_uppercase);
    begins && text.contains(' ') && text.ends_with('.') && !text.replace("\n\n", "").contains('\n')
}

#[test]
fn every_field_is_described_in_a_sentence() {
    let mut problems = Vec::new();
    for (kind, schema) in schemas() {
        let text = schema["description"].as_str().unwrap_or_default();
        assert!(is_sentence(&kind, text), "{kind}: {text:?}");
        walk(&kind, &schema, &mut |path, name, field| {
            let text = field["description"].as_str().unwrap_or_default();
            if !is_sentence(name, text) {
                problems.push(format!("{path}: {text:?}"));
            }
        });
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_list_and_every_text_has_a_bound() {
    let mut problems = Vec::new();
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, name, field| {
            if field["type"] == "array" && field["maxItems"].is_null() {
                problems.push(format!("{path} has no maxItems"));
            }
            // The stored form of a run is bounded by the size of the object alone.
            let is_open = ["checkpoint", "history"].contains(&name);
            let is_bounded = ["maxLength", "enum", "format"].iter().any(|key| !field[key].is_null());
            if field["type"] == "string" && !is_bounded && !is_open {
                problems.push(format!("{path} has no maxLength"));
            }
        });
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn definitions_can_be_applied_by_clients() {
    for crd in crd::all() {
        let bytes = crd::to_yaml(&crd).unwrap().len();
        assert!(bytes < 200_000, "client-side apply keeps a copy in an annotation: {bytes}");
    }
}

#[test]
fn selectors_name_every_phase_on_one_side() {
    assert_eq!(
        Phase::selector(|phase| !phase.is_ended()),
        "status.phase!=Succeeded,status.phase!=Failed,status.phase!=TimedOut,status.phase!=Stopped,status.phase!=Rejected"
    );
    assert_eq!(Phase::selector(Phase::is_ended), "status.phase!=Starting,status.phase!=Running");
}
