//! What expressions can see in each place (fdl.md §8.1).

use crate::expr::fdl::Variables;
use crate::expr::{Attribute, Layout, Missing, Root};

const EXECUTION: Layout = Layout::Group(&[
    ("Name", Layout::Leaf(Root::ExecutionName)),
    ("Input", Layout::Leaf(Root::ExecutionInput)),
    ("RoleArn", Layout::Leaf(Root::ServiceAccount)),
    ("Tags", Layout::Leaf(Root::Attribute(Attribute::Tags))),
    ("Priority", Layout::Leaf(Root::Attribute(Attribute::Priority))),
    ("TaskList", Layout::Leaf(Root::Attribute(Attribute::TaskList))),
    ("Parameters", Layout::Leaf(Root::Attribute(Attribute::Parameters))),
    ("ScheduledTime", Layout::Leaf(Root::Attribute(Attribute::ScheduledTime))),
]);

const ERROR: Layout =
    Layout::Group(&[("Code", Layout::Leaf(Root::ErrorName)), ("Detail", Layout::Leaf(Root::ErrorCause))]);

const NAME: (&str, Layout) = ("Name", Layout::Leaf(Root::StateName));
const INPUT: (&str, Layout) = ("Input", Layout::Leaf(Root::Input));
const OUTPUT: (&str, Layout) = ("Output", Layout::Leaf(Root::Result));
const RETRY_COUNT: (&str, Layout) = ("RetryCount", Layout::Leaf(Root::RetryCount));
const TASK_TOKEN: (&str, Layout) = ("TaskToken", Layout::Leaf(Root::TaskToken));

const GLOBAL: (&str, Layout) = ("Global", Layout::Leaf(Root::Globals));

const CONTEXT: Layout = Layout::Group(&[
    ("Execution", EXECUTION),
    ("Current", Layout::Group(&[NAME, INPUT, OUTPUT, ("Error", ERROR), RETRY_COUNT])),
]);

const TASK_CONTEXT: Layout = Layout::Group(&[
    ("Execution", EXECUTION),
    ("Current", Layout::Group(&[NAME, INPUT, OUTPUT, ("Error", ERROR), RETRY_COUNT, TASK_TOKEN])),
]);

const fn constructor(known: &'static [(&'static str, Layout)]) -> Variables {
    Variables { known, missing: Missing::Null }
}

/// InputConstructor, ItemsPath, `Seconds.$` and the like.
pub(super) const AT_ENTRY: Variables = constructor(&[INPUT, ("Context", CONTEXT), GLOBAL]);

/// The same in a Task, which has a token.
pub(super) const AT_TASK: Variables = constructor(&[INPUT, ("Context", TASK_CONTEXT), GLOBAL]);

/// ItemConstructor.
pub(super) const AT_ITEM: Variables =
    constructor(&[INPUT, ("Context", CONTEXT), GLOBAL, ("Item", Layout::Leaf(Root::Item))]);

/// OutputConstructor and GlobalConstructor.
pub(super) const AT_EXIT: Variables = constructor(&[INPUT, OUTPUT, ("Context", CONTEXT), GLOBAL]);

/// The same in a Task.
pub(super) const AT_TASK_EXIT: Variables = constructor(&[INPUT, OUTPUT, ("Context", TASK_CONTEXT), GLOBAL]);

/// OutputConstructor of a Catch.
pub(super) const AT_CATCH: Variables = AT_ENTRY;

/// The same in a Task.
pub(super) const AT_TASK_CATCH: Variables = AT_TASK;

/// Conditions: a path that leads nowhere makes a comparison false.
pub(super) const AT_CONDITION: Variables = Variables { missing: Missing::Undefined, ..AT_ENTRY };
