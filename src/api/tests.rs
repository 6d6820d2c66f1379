use super::condition::{Claim, ConditionStatus, find, merge};
use super::*;
use jiff::Timestamp;

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

#[test]
fn every_field_of_the_types_has_a_description_and_every_list_a_bound() {
    fn walk(path: &str, schema: &serde_json::Value, problems: &mut Vec<String>) {
        let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else { return };
        for (name, property) in properties {
            let path = format!("{path}.{name}");
            match property.get("description").and_then(|text| text.as_str()) {
                None => problems.push(format!("{path} has no description")),
                Some(text) if text.replace("\n\n", "").contains('\n') => {
                    problems.push(format!("{path} breaks its description in the middle of a sentence"));
                }
                Some(_) => {}
            }
            let kind = property.get("type").and_then(|t| t.as_str());
            if kind == Some("array") && property.get("maxItems").is_none() {
                problems.push(format!("{path} has no maxItems"));
            }
            // The stored form of a run is bounded by the size of the object alone.
            let is_open = ["checkpoint", "history"].contains(&name.as_str());
            let is_bounded = ["maxLength", "enum", "format"].iter().any(|key| property.get(key).is_some());
            if kind == Some("string") && !is_bounded && !is_open {
                problems.push(format!("{path} has no maxLength"));
            }
            walk(&path, property, problems);
            if let Some(items) = property.get("items") {
                walk(&format!("{path}[]"), items, problems);
            }
        }
    }
    let mut problems = Vec::new();
    for crd in crd::all() {
        let json = serde_json::to_value(&crd).unwrap();
        let schema = &json["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for part in ["spec", "status"] {
            if schema.get(part).is_some() {
                walk(&format!("{}.{part}", crd.spec.names.kind), &schema[part], &mut problems);
            }
        }
        let bytes = crd::to_yaml(&crd).unwrap().len();
        assert!(bytes < 200_000, "client-side apply keeps a copy in an annotation: {bytes}");
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn selectors_name_every_phase_on_one_side() {
    assert_eq!(
        Phase::selector(|phase| !phase.is_ended()),
        "status.phase!=Succeeded,status.phase!=Failed,status.phase!=TimedOut,status.phase!=Stopped,status.phase!=Rejected"
    );
    assert_eq!(Phase::selector(Phase::is_ended), "status.phase!=Starting,status.phase!=Running");
}
