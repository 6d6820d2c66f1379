//! Every bound of every field of a spec: the API server refuses what is beyond it, and names the field and the bound.
//! What is beyond is made from the definitions themselves, so that no bound is left out. Rules in CEL are in
//! shapes.yaml.

use serde_json::{Map, Value, json};

use super::rig::{Space, manifest};
use crate::tools;

/// In what way something is beyond its bounds. All fields that can be are so at once: the API server tells of each.
const WAYS: &[Way] = &[
    Way::Long,
    Way::Short,
    Way::Many,
    Way::Few,
    Way::Twice,
    Way::OtherWord,
    Way::OtherText,
    Way::WithoutPart,
    Way::WithoutLeaf,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A text with a character, or a number with one, too many.
    Long,
    /// The same with too few.
    Short,
    /// A list with an item, or a map with a member, too many.
    Many,
    /// A list with an item too few.
    Few,
    /// A list that holds the same twice and must not.
    Twice,
    /// A word that is none of those that are meant.
    OtherWord,
    /// A text that is not of the form that is meant.
    OtherText,
    /// A list or an object is missing.
    WithoutPart,
    /// Anything else is missing.
    WithoutLeaf,
}

/// What is beyond the bounds of a field, and what is said of it.
#[derive(Default)]
struct Beyond {
    value: Option<Value>,
    told: Vec<String>,
}

impl Beyond {
    fn with(value: Value, told: String) -> Self {
        Self { value: Some(value), told: vec![told] }
    }
}

/// Something that a field may hold, different for each number.
fn right(schema: &Value, number: u64) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date-time")) => json!("2026-01-01T00:00:00Z"),
        (Some("integer"), _) => json!(number + 1),
        (Some("boolean"), _) => json!(true),
        (Some("array"), _) if schema["minItems"].as_u64() > Some(0) => json!([right(&schema["items"], 0)]),
        (Some("array"), _) => json!([]),
        (Some("object"), _) => {
            let required = schema["required"].as_array().into_iter().flatten();
            let member = |name: &Value| {
                let name = name.as_str().unwrap();
                (name.to_owned(), right(&schema["properties"][name], number))
            };
            Value::Object(required.map(member).collect())
        }
        _ => json!(format!("a{number}")),
    }
}

/// What is beyond the bounds of a field in a way, as far as it has such bounds.
fn beyond(path: &str, schema: &Value, way: Way) -> Beyond {
    let several =
        |count: u64| Value::Array((0..count).map(|number| right(&schema["items"], number)).collect());
    let bound = |name: &str| schema[name].as_u64();
    // Of numbers they are written as `1.0`.
    #[allow(clippy::cast_possible_truncation, reason = "bounds are whole numbers")]
    let whole = |name: &str| schema[name].as_f64().unwrap() as i64;
    match (schema["type"].as_str(), way) {
        (Some("object"), _) => beyond_object(path, schema, way),
        (Some("array"), Way::Many) if bound("maxItems").is_some() => {
            let max = bound("maxItems").unwrap();
            let told = format!("{path}: Too many: {}: must have at most {max} items", max + 1);
            Beyond::with(several(max + 1), told)
        }
        (Some("array"), Way::Few) if bound("minItems") > Some(0) => {
            Beyond::with(json!([]), format!("{path} in body should have at least {}", schema["minItems"]))
        }
        (Some("array"), Way::Twice)
            if ["set", "map"].map(Value::from).contains(&schema["x-kubernetes-list-type"]) =>
        {
            let item = right(&schema["items"], 0);
            Beyond::with(json!([item, item]), format!("{path}[1]: Duplicate value"))
        }
        (Some("array"), _) => {
            let Beyond { value, told } = beyond(&format!("{path}[0]"), &schema["items"], way);
            Beyond { value: value.map(|value| json!([value])), told }
        }
        (Some("string"), Way::OtherWord) if schema["enum"].is_array() => {
            Beyond::with(json!("nonsense"), format!("{path}: Unsupported value: \"nonsense\""))
        }
        (Some("string"), Way::OtherText) if schema["pattern"].is_string() => {
            Beyond::with(json!("|"), format!("{path} in body should match"))
        }
        (Some("string"), Way::Long) if bound("maxLength").is_some() => {
            let max = bound("maxLength").unwrap();
            let told = format!("{path}: Too long: may not be more than {max} ");
            Beyond::with(json!("x".repeat(usize::try_from(max).unwrap() + 1)), told)
        }
        (Some("string"), Way::Short) if bound("minLength") > Some(0) => {
            Beyond::with(json!(""), format!("{path} in body should be at least {} ", schema["minLength"]))
        }
        (Some("integer"), Way::Long) if schema["maximum"].is_number() => {
            let max = whole("maximum");
            Beyond::with(json!(max + 1), format!("{path} in body should be less than or equal to {max}"))
        }
        (Some("integer"), Way::Short) if schema["minimum"].is_number() => {
            let min = whole("minimum");
            Beyond::with(json!(min - 1), format!("{path} in body should be greater than or equal to {min}"))
        }
        _ => Beyond::default(),
    }
}

fn beyond_object(path: &str, schema: &Value, way: Way) -> Beyond {
    let (mut members, mut told) = (Map::new(), Vec::new());
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let inner = format!("{path}.{name}");
        let is_part = matches!(field["type"].as_str(), Some("object" | "array"));
        let way_out = if is_part { Way::WithoutPart } else { Way::WithoutLeaf };
        if is_required(name) && way == way_out {
            told.push(format!("{inner}: Required value"));
            continue;
        }
        let found = beyond(&inner, field, way);
        told.extend(found.told);
        match found.value {
            Some(value) => drop(members.insert(name.clone(), value)),
            None if is_required(name) => drop(members.insert(name.clone(), right(field, 0))),
            None => {}
        }
    }
    let values = &schema["additionalProperties"];
    if let (Some(max), Way::Many) = (schema["maxProperties"].as_u64(), way) {
        members = (0..=max).map(|number| (format!("a{number}"), right(values, number))).collect();
        told.push(format!("{path}: Too many: {}: must have at most {max} items", max + 1));
    }
    let value = beyond(&format!("{path}.a"), values, way);
    told.extend(value.told);
    members.extend(value.value.map(|value| ("a".to_owned(), value)));
    Beyond { value: (!told.is_empty()).then_some(Value::Object(members)), told }
}

#[test]
fn what_is_beyond_a_bound_is_refused_with_the_field_and_the_bound() {
    let space = Space::new("bounds");
    let create = ["--namespace", &space.name, "create", "--dry-run=server", "-f", "-"];
    let (mut problems, mut count) = (Vec::new(), 0);
    for file in std::fs::read_dir(tools::root().join("crds")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let definition: Value = serde_saphyr::from_str(&text).unwrap();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for way in WAYS {
            let Beyond { value: Some(spec), told } = beyond("spec", &schema["properties"]["spec"], *way)
            else {
                continue;
            };
            let output = space.cluster.kubectl_with(&create, &manifest(kind, "a", spec).to_string());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{kind}, {way:?}");
            count += told.len();
            let lacks = told.iter().filter(|told| !said.contains(&***told));
            let shown: Vec<_> = said.lines().map(|line| line.chars().take(200).collect::<String>()).collect();
            problems.extend(lacks.map(|told| format!("{kind}: {told}\n  not in {shown:#?}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 250, "{count} bounds");
}
