//! The context object: `$$` of `JSONPath`, `$states.context` of `JSONata` (asl.md §2).

use std::sync::{Arc, LazyLock};

use crate::expr::{Attribute, Expr, Function, Root};
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
pub(super) struct Context {
    members: &'static [Member],
    /// All of it, once for all expressions: each of them would otherwise hold all of it.
    whole: &'static LazyLock<Expr>,
}

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
    ("RedriveTime", Part::Value(Root::RedriveTime)),
    ("Tags", Part::Value(Root::Attribute(Attribute::Tags))),
    ("Priority", Part::Value(Root::Attribute(Attribute::Priority))),
    ("TaskList", Part::Value(Root::Attribute(Attribute::TaskList))),
    ("Parameters", Part::Value(Root::Attribute(Attribute::Parameters))),
    ("ScheduledTime", Part::Value(Root::Attribute(Attribute::ScheduledTime))),
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

const PLAIN: &[Member] =
    &[("Execution", EXECUTION), ("StateMachine", STATE_MACHINE), ("State", STATE), ("Map", MAP)];

const RETRIED: &[Member] =
    &[("Execution", EXECUTION), ("StateMachine", STATE_MACHINE), ("State", RETRIED_STATE), ("Map", MAP)];

const CALLBACK: &[Member] = &[
    ("Execution", EXECUTION),
    ("StateMachine", STATE_MACHINE),
    ("State", RETRIED_STATE),
    ("Task", TASK),
    ("Map", MAP),
];

static PLAIN_WHOLE: LazyLock<Expr> = LazyLock::new(|| group(PLAIN).shared());
static RETRIED_WHOLE: LazyLock<Expr> = LazyLock::new(|| group(RETRIED).shared());
static CALLBACK_WHOLE: LazyLock<Expr> = LazyLock::new(|| group(CALLBACK).shared());

impl Context {
    /// In a state that is not retried.
    pub(super) const PLAIN: Self = Self { members: PLAIN, whole: &PLAIN_WHOLE };

    /// In a Task, Parallel or Map.
    pub(super) const RETRIED: Self = Self { members: RETRIED, whole: &RETRIED_WHOLE };

    /// In a Task that waits for its token.
    pub(super) const CALLBACK: Self = Self { members: CALLBACK, whole: &CALLBACK_WHOLE };

    /// All of it.
    pub(super) fn whole(self) -> Expr {
        LazyLock::force(self.whole).clone()
    }

    /// So much of it as a path through these names can see; all of it where they lead nowhere.
    pub(super) fn along(self, names: &[Str]) -> Expr {
        let is_known =
            names.first().is_some_and(|first| self.members.iter().any(|(name, _)| *name == &**first));
        if is_known { along(self.members, names) } else { self.whole() }
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
