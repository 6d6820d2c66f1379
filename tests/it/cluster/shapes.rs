//! Bad shapes and wrong moves: the API server itself refuses them, and names the field and the rule.

use std::process::Output;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::rig::{Space, manifest};
use crate::tools;

/// What is said of shapes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shapes {
    created: Vec<Created>,
    changed: Vec<Changed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Created {
    kind: String,
    right: Map<String, Value>,
    refused: Vec<Case>,
    taken: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    spec: Map<String, Value>,
    #[serde(default)]
    without: Option<String>,
    #[serde(default)]
    says: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    kind: String,
    spec: Value,
    #[serde(default)]
    phase: Option<String>,
    refused: Vec<Move>,
    taken: Vec<Move>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    #[serde(default)]
    patch: Option<Value>,
    #[serde(default)]
    status: Option<Value>,
    #[serde(default)]
    says: Option<String>,
}

fn shapes() -> Shapes {
    serde_saphyr::from_str(include_str!("shapes.yaml")).unwrap()
}

/// Texts of any length: `x*3` stands for `xxx`.
fn long(text: &str) -> String {
    let repeated = text.rsplit_once('*').and_then(|(text, count)| Some(text.repeat(count.parse().ok()?)));
    repeated.unwrap_or_else(|| text.to_owned())
}

fn expanded(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(long(text)),
        Value::Array(items) => items.iter().map(expanded).collect(),
        Value::Object(members) => Value::Object(expanded_members(members)),
        other => other.clone(),
    }
}

fn expanded_members(members: &Map<String, Value>) -> Map<String, Value> {
    let several = |(name, value): (&String, &Value)| {
        let value = expanded(value);
        let names = match name.rsplit_once('#') {
            Some((name, count)) => {
                (0..count.parse().unwrap()).map(|number| format!("{name}{number}")).collect()
            }
            None => vec![long(name)],
        };
        names.into_iter().map(|name| (name, value.clone())).collect::<Vec<_>>()
    };
    members.iter().flat_map(several).collect()
}

/// The object of a case.
fn object(group: &Created, case: &Case) -> String {
    let mut spec = group.right.clone();
    spec.extend(expanded_members(&case.spec));
    if let Some(field) = &case.without {
        spec.remove(field);
    }
    let name = case.name.as_deref().map_or_else(|| "a".to_owned(), long);
    manifest(&group.kind, &name, Value::Object(spec)).to_string()
}

/// What is wrong with an answer, if anything.
fn problem(what: &str, output: &Output, says: Option<&str>) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_right = match says {
        Some(says) => !output.status.success() && says.split('…').all(|part| said.contains(part)),
        None => output.status.success(),
    };
    let what: String = what.chars().take(300).collect();
    let said: String = said.chars().take(600).collect();
    (!is_right).then(|| format!("{what}\n  expected {says:?}\n  found    {said}"))
}

#[test]
fn what_cannot_be_is_refused_with_the_field_and_the_rule_and_its_neighbour_is_taken() {
    let space = Space::new("shapes");
    let create = ["--namespace", &space.name, "create", "--dry-run=server", "-f", "-"];
    let mut problems = Vec::new();
    for group in &shapes().created {
        assert!(group.refused.iter().all(|case| case.says.is_some()), "who is refused is told why");
        for case in group.refused.iter().chain(&group.taken) {
            let object = object(group, case);
            let output = space.cluster.kubectl_with(&create, &object);
            problems.extend(problem(&object, &output, case.says.as_deref()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Messages of the rules in CEL, at every depth.
fn messages(schema: &Value, into: &mut Vec<String>) {
    for (name, inner) in schema.as_object().into_iter().flatten() {
        if name == "x-kubernetes-validations" {
            let rules = inner.as_array().unwrap().iter();
            into.extend(rules.map(|rule| rule["message"].as_str().unwrap().to_owned()));
        } else {
            messages(inner, into);
        }
    }
    schema.as_array().into_iter().flatten().for_each(|inner| messages(inner, into));
}

#[test]
fn every_rule_in_cel_has_a_case() {
    /// Of a message, what a case says at least.
    const SAID_CHARS: usize = 40;
    let Shapes { created, changed } = shapes();
    let created = created.into_iter().flat_map(|group| {
        let said = group.refused.into_iter().filter_map(|case| case.says);
        said.map(|says| (group.kind.clone(), says)).collect::<Vec<_>>()
    });
    let changed = changed.into_iter().flat_map(|group| {
        let said = group.refused.into_iter().filter_map(|case| case.says);
        said.map(|says| (group.kind.clone(), says)).collect::<Vec<_>>()
    });
    let said: Vec<_> = created.chain(changed).collect();
    let mut count = 0;
    for definition in millrace::api::crd::all() {
        let kind = &definition.spec.names.kind;
        let mut rules = Vec::new();
        messages(&serde_json::to_value(&definition.spec.versions).unwrap(), &mut rules);
        for rule in &rules {
            let begins: String = rule.chars().take(SAID_CHARS).collect();
            let has_case = said.iter().any(|(of, says)| of == kind && says.contains(&begins));
            assert!(has_case, "shapes.yaml has no case for {kind}: {rule}");
        }
        count += rules.len();
    }
    assert!(count > 30, "{count} rules");
}

#[test]
fn wrong_moves_are_refused_and_right_ones_taken() {
    let space = Space::new("moves");
    let mut problems = Vec::new();
    for (number, group) in shapes().changed.iter().enumerate() {
        let name = format!("m{number}");
        let made = space.try_create(&manifest(&group.kind, &name, group.spec.clone()).to_string());
        assert!(made.status.success(), "{made:?}");
        let patch = |patch: &Value, options: &[&str]| {
            let (kind, patch) = (format!("{}.millrace.dev", group.kind.to_lowercase()), patch.to_string());
            let patch = ["patch", &kind, &name, "--type=merge", "-p", &patch];
            space.kubectl(&[&patch[..], options].concat())
        };
        if let Some(phase) = &group.phase {
            let set = patch(&json!({"status": {"phase": phase}}), &["--subresource=status"]);
            assert!(set.status.success(), "{set:?}");
        }
        assert!(group.refused.iter().all(|case| case.says.is_some()), "who is refused is told why");
        for case in group.refused.iter().chain(&group.taken) {
            let output = match (&case.patch, &case.status) {
                (Some(spec), None) => patch(spec, &["--dry-run=server"]),
                (None, Some(status)) => patch(status, &["--dry-run=server", "--subresource=status"]),
                _ => panic!("either a patch or a status: {name}"),
            };
            let what = format!("{} {} → {:?}{:?}", group.kind, group.spec, case.patch, case.status);
            problems.extend(problem(&what, &output, case.says.as_deref()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_field_that_does_not_exist_is_named() {
    let space = Space::new("unknown");
    let unknown = |kind: &str, spec: Value| {
        let object = manifest(kind, "a", spec).to_string();
        let refused = space.try_apply(&object, &["--server-side"]);
        assert!(!refused.status.success());
        let strict = space.try_apply(&object, &["--validate=strict", "--dry-run=server"]);
        assert!(!strict.status.success());
        [refused, strict].map(|output| String::from_utf8(output.stderr).unwrap()).join("\n")
    };
    let said = unknown("Execution", json!({"flowRef": {"name": "f"}, "inputs": {}}));
    assert_eq!(said.matches("spec.inputs").count(), 2, "{said}");
    let said = unknown("Flow", json!({"definition": "x", "default": {}}));
    assert_eq!(said.matches("spec.default").count(), 2, "{said}");
}

/// Every field of a schema, as `kubectl explain` prints them.
fn fields(schema: &Value, depth: usize, into: &mut Vec<(usize, String)>) {
    let inner = if schema["items"].is_object() { &schema["items"] } else { schema };
    for (name, field) in inner["properties"].as_object().into_iter().flatten() {
        into.push((depth, name.clone()));
        fields(field, depth + 1, into);
    }
}

#[test]
fn definitions_are_explained_and_can_be_applied_as_people_do() {
    let space = Space::new("definitions-of");
    let folder = tools::root().join("crds");
    // It keeps a copy in an annotation, of 256 KiB at most.
    let applied = space.cluster.kubectl(&["apply", "--dry-run=server", "-f", folder.to_str().unwrap()]);
    let warned = String::from_utf8(applied.stderr).unwrap();
    assert!(applied.status.success(), "{warned}");
    let about_annotation = "is missing the kubectl.kubernetes.io/last-applied-configuration";
    assert!(warned.lines().all(|line| line.contains(about_annotation)), "{warned}");

    let definitions = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for file in definitions {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.len() < 256 * 1024, "{}", file.display());
        let definition: Value = serde_saphyr::from_str(&text).unwrap();
        let plural = definition["spec"]["names"]["plural"].as_str().unwrap();
        let explain = |path: &str, options: &[&str]| {
            let all = [&["explain", path, "--api-version=millrace.dev/v1alpha1"], options].concat();
            let output = space.kubectl(&all);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(schema["description"].as_str().unwrap().ends_with('.'), "{plural}");
        let said = explain(plural, &["--recursive"]);
        for part in ["spec", "status"].iter().filter(|part| schema["properties"][**part].is_object()) {
            let mut expected = Vec::new();
            fields(&schema["properties"][*part], 2, &mut expected);
            for (depth, name) in expected {
                let line = format!("\n{}{name}\t<", "  ".repeat(depth));
                assert!(said.contains(&line), "{plural}.{part}: {name} is not explained\n{said}");
            }
        }
    }
    let tags = space.kubectl(&["explain", "mexec.spec.tags"]);
    assert!(String::from_utf8_lossy(&tags.stdout).contains("tags to find the run by"), "{tags:?}");
}
