//! Files that hold several Flows.

use crate::command::{file, millrace};

fn flow(name: &str) -> String {
    let states = "[{Type: Pass, Name: A, End: true, OutputConstructor: {ran: FLOW}}]".replace("FLOW", name);
    format!(
        "---\napiVersion: millrace.dev/v1alpha1\nkind: Flow\nmetadata: {{name: {name}}}\nspec:\n  definition: \
         {{Type: StateMachine, SpecVersion: v1, StartAt: A, States: {states}}}\n"
    )
}

#[test]
fn of_several_flows_the_one_that_is_named_runs() {
    let two = file("two.yaml", &[flow("order"), flow("refund")].concat());
    for name in ["order", "refund"] {
        let ended = millrace(&["run", &two, "--flow", name]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(&format!("\"ran\": \"{name}\"")), "{ended:?}");
    }
    let same = file("same.yaml", &[flow("order"), flow("order")].concat());
    let bare = file("bare.yaml", "---\nType: Pass\n---\nType: Pass\n");
    for (args, said) in [
        (
            &["run", &two][..],
            "2 definitions; only one can run: choose a Flow with --flow, there are `order`, `refund`",
        ),
        (&["run", &two, "--flow", "ordr"], "no Flow `ordr`; did you mean `order`?"),
        (&["run", &two, "--flow", "greet"], "no Flow `greet`; there are `order`, `refund`"),
        (&["run", &same, "--flow", "order"], "2 Flows `order`; only one can run"),
        (&["run", &bare, "--flow", "order"], "no Flow `order`; the 2 definitions in it have no names"),
        (&["run", &bare], "2 definitions; only one can run"),
    ] {
        let ended = millrace(args);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
}
