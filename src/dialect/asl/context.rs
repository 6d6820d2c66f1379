//! The context object: `$$` of `JSONPath`, `$states.context` of `JSONata` (asl.md §2).

use std::sync::Arc;

use crate::expr::{Expr, Function, Root};
use crate::value::{Str, Value};

/// Part of the context object.
enum Part {
    Value(Root),
    /// A text with `{}` for each of the values: definitions take it apart.
    Text(&'static str, &'static [Root]),
    Group(&'static [Member]),
}

type Member = (&'static str, Part);

/// What the context object holds in a state.
#[derive(Clone, Copy)]
pub(super) struct Context(&'static [Member]);

const EXECUTION: Part = Part::Group(&[
    (
        "Id",
        Part::Text(
            "arn:aws:states:local:000000000000:execution:{}:{}",
            &[Root::FlowName, Root::ExecutionName],
        ),
    ),
    ("Input", Part::Value(Root::ExecutionInput)),
    ("Name", Part::Value(Root::ExecutionName)),
    ("RoleArn", Part::Value(Root::ServiceAccount)),
    ("StartTime", Part::Value(Root::StartTime)),
    ("RedriveCount", Part::Value(Root::RedriveCount)),
]);

const STATE_MACHINE: Part = Part::Group(&[
    ("Id", Part::Text("arn:aws:states:local:000000000000:stateMachine:{}", &[Root::FlowName])),
    ("Name", Part::Value(Root::FlowName)),
]);

const STATE: Part = Part::Group(&[
    ("Name", Part::Value(Root::StateName)),
    ("EnteredTime", Part::Value(Root::StateEnteredTime)),
]);

const RETRIED_STATE: Part = Part::Group(&[
    ("Name", Part::Value(Root::StateName)),
    ("EnteredTime", Part::Value(Root::StateEnteredTime)),
    ("RetryCount", Part::Value(Root::RetryCount)),
]);

const TASK: Part = Part::Group(&[("Token", Part::Value(Root::TaskToken))]);

/// Has no value outside of a Map, and is left out there.
const MAP: Part = Part::Group(&[(
    "Item",
    Part::Group(&[
        ("Index", Part::Value(Root::ItemIndex)),
        ("Value", Part::Value(Root::Item)),
        ("Key", Part::Value(Root::ItemKey)),
        ("Source", Part::Value(Root::ItemSource)),
    ]),
)]);

impl Context {
    /// In a state that is not retried.
    pub(super) const PLAIN: Self =
        Self(&[("Execution", EXECUTION), ("StateMachine", STATE_MACHINE), ("State", STATE), ("Map", MAP)]);

    /// In a Task, Parallel or Map.
    pub(super) const RETRIED: Self = Self(&[
        ("Execution", EXECUTION),
        ("StateMachine", STATE_MACHINE),
        ("State", RETRIED_STATE),
        ("Map", MAP),
    ]);

    /// In a Task that waits for its token.
    pub(super) const CALLBACK: Self = Self(&[
        ("Execution", EXECUTION),
        ("StateMachine", STATE_MACHINE),
        ("State", RETRIED_STATE),
        ("Task", TASK),
        ("Map", MAP),
    ]);

    /// All of it.
    pub(super) fn whole(self) -> Expr {
        group(self.0)
    }

    /// So much of it as a path through these names can see; all of it where they lead nowhere.
    pub(super) fn along(self, names: &[Str]) -> Expr {
        along(self.0, names)
    }
}

fn group(members: &[Member]) -> Expr {
    Expr::Record(members.iter().map(|(name, part)| (Arc::from(*name), whole(part))).collect())
}

fn whole(part: &Part) -> Expr {
    match part {
        Part::Value(root) => Expr::Root(root.clone()),
        Part::Text(template, roots) => {
            let template = Expr::Literal(Value::from(*template));
            let values = roots.iter().cloned().map(Expr::Root);
            Expr::Call(Function::Format, std::iter::once(template).chain(values).collect())
        }
        Part::Group(members) => group(members),
    }
}

fn along(members: &[Member], names: &[Str]) -> Expr {
    let named = |first: &Str| members.iter().find(|(name, _)| *name == &**first);
    let Some(((name, part), rest)) =
        names.split_first().and_then(|(first, rest)| Some((named(first)?, rest)))
    else {
        return group(members);
    };
    let inner = match part {
        Part::Group(members) => along(members, rest),
        Part::Value(_) | Part::Text(..) => whole(part),
    };
    Expr::Record(vec![(Arc::from(*name), inner)])
}
