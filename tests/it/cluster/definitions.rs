//! Wrong definitions, applied as people apply them: what is said of them, and how they heal.

use serde_json::json;

use super::rig::{Space, manifest};

const HEAD: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: First\nStates:\n";

const RIGHT: &str = "  - {Type: Succeed, Name: First}\n";

/// What is wrong, and the problem that says so: code, path, line, column, part of the help.
type Case = (&'static str, &'static str, (&'static str, &'static str, i64, i64, &'static str));

const CASES: &[Case] = &[
    ("tab", "\t- {Type: Succeed, Name: First}\n", ("E001", "", 5, 2, "")),
    ("quote", "  - {Type: Succeed, Name: \"First}\n", ("E001", "", 5, 27, "")),
    (
        "field",
        "  - {Type: Pass, Name: First, End: true, OutputConstrutor: {}}\n",
        ("E005", "States[0].OutputConstrutor", 5, 42, "did you mean `OutputConstructor`?"),
    ),
    (
        "type",
        "  - {Type: Succeed, Name: First}\n  - {Type: Pas, Name: Next, End: true}\n",
        ("E008", "States[1].Type", 6, 12, "did you mean `Pass`?"),
    ),
    (
        "duplicate",
        "  - {Type: Pass, Name: First, End: true}\n  - {Type: Succeed, Name: First}\n",
        ("E009", "States[1].Name", 6, 27, ""),
    ),
    (
        "target",
        "  - {Type: Pass, Name: First, Next: Lsat}\n  - {Type: Succeed, Name: Last}\n",
        ("E010", "States[0].Next", 5, 37, "did you mean `Last`?"),
    ),
    (
        "both",
        "  - {Type: Pass, Name: First, Next: First, End: true}\n",
        ("E011", "States[0].Next", 5, 37, "remove one of them"),
    ),
    (
        "expression",
        "  - {Type: Pass, Name: First, End: true, OutputConstructor: {x.$: 'formt(1)'}}\n",
        ("E013", "States[0].OutputConstructor.x.$", 5, 68, "did you mean `format`?"),
    ),
    ("nothing", "", ("E004", "States", 4, 1, "its value is not")),
];

#[test]
fn a_wrong_definition_says_where_it_is_wrong_and_heals_when_it_is_mended() {
    let space = Space::new("definitions");
    let _controller = space.controller();
    for (name, states, (code, path, line, column, help)) in CASES {
        space.flow(name, &format!("{HEAD}{states}"));
        space.start(name, json!({"flowRef": {"name": name}}));
        let status = space.get("flows", name).unwrap()["status"].clone();
        let ready = &status["conditions"][0];
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&json!("False"), &json!("InvalidDefinition")),
            "{name}"
        );
        let found = status["diagnostics"].as_array().unwrap();
        let problem = found.iter().find(|problem| problem["code"] == *code);
        let problem = problem.unwrap_or_else(|| panic!("{name}: {found:#?}"));
        assert_eq!(problem["path"].as_str().unwrap_or_default(), *path, "{name}");
        assert_eq!((&problem["line"], &problem["column"]), (&json!(line), &json!(column)), "{name}");
        assert!(problem["help"].as_str().unwrap_or_default().contains(help), "{name}: {problem}");
        assert!(
            ready["message"].as_str().unwrap().starts_with(found[0]["code"].as_str().unwrap()),
            "{ready}"
        );
    }
    for (name, ..) in CASES {
        space.condition_saying(name, "Accepted", "Unknown", "FlowNotReady", "cannot be run yet. E0");
        space.apply(&manifest("Flow", name, json!({"definition": format!("{HEAD}{RIGHT}")})).to_string());
    }
    for (name, ..) in CASES {
        space.output(name);
        let status = space.get("flows", name).unwrap()["status"].clone();
        assert_eq!(
            (&status["conditions"][0]["status"], status.get("diagnostics")),
            (&json!("True"), None),
            "{name}"
        );
    }
}
