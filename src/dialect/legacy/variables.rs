//! What paths can lead to in each place (fdl.md §3).

use crate::expr::fdl::Variables;
use crate::expr::{Attribute, Layout, Missing, Root};

const FLOW: (&str, Layout) = ("flow", Layout::Group(&[("name", Layout::Leaf(Root::FlowName))]));

const EXECUTION: (&str, Layout) = (
    "execution",
    Layout::Group(&[
        ("name", Layout::Leaf(Root::ExecutionName)),
        ("input", Layout::Leaf(Root::ExecutionInput)),
        ("tags", Layout::Leaf(Root::Attribute(Attribute::Tags))),
        ("priority", Layout::Leaf(Root::Attribute(Attribute::Priority))),
        ("taskList", Layout::Leaf(Root::Attribute(Attribute::TaskList))),
        ("parameters", Layout::Leaf(Root::Attribute(Attribute::Parameters))),
        ("scheduledTime", Layout::Leaf(Root::Attribute(Attribute::ScheduledTime))),
    ]),
);

const STEP: (&str, Layout) = ("step", Layout::Group(&[("eventId", Layout::Leaf(Root::StateEventId))]));

const TASK: (&str, Layout) = ("task", Layout::Group(&[("token", Layout::Leaf(Root::TaskToken))]));

const FLOW_CONTEXT: (&str, Layout) = ("context", Layout::Group(&[FLOW, EXECUTION]));

const STEP_CONTEXT: (&str, Layout) = ("context", Layout::Group(&[FLOW, EXECUTION, STEP]));

const TASK_CONTEXT: (&str, Layout) = ("context", Layout::Group(&[FLOW, EXECUTION, STEP, TASK]));

/// Of the step itself, after its inputMappings.
const INPUT: (&str, Layout) = ("input", Layout::Leaf(Root::Input));

/// What the step's work gave.
const LOCAL: (&str, Layout) = ("local", Layout::Leaf(Root::Result));

const PARENT_INPUT: (&str, Layout) = ("input", Layout::Leaf(Root::ScopeInput));

/// The merge of what the steps before gave.
const PARENT_LOCAL: (&str, Layout) = ("local", Layout::Leaf(Root::ScopeData));

const ERROR: (&str, Layout) = ("error", Layout::Leaf(Root::ErrorName));

const CAUSE: (&str, Layout) = ("cause", Layout::Leaf(Root::ErrorCause));

/// A source that leads nowhere is `null` (§14.1).
const fn mapping(known: &'static [(&'static str, Layout)]) -> Variables {
    Variables { known, missing: Missing::Null }
}

/// The flow's inputMappings: `$input` is what the execution was started with.
pub(super) const AT_START: Variables =
    mapping(&[("input", Layout::Leaf(Root::ExecutionInput)), FLOW_CONTEXT]);

/// The flow's outputMappings.
pub(super) const AT_FINISH: Variables = mapping(&[PARENT_INPUT, PARENT_LOCAL, FLOW_CONTEXT]);

/// inputMappings of a step: what its parent has.
pub(super) const AT_ENTRY: Variables = mapping(&[PARENT_INPUT, PARENT_LOCAL, STEP_CONTEXT]);

/// The same of a task, which has a token.
pub(super) const AT_TASK_ENTRY: Variables = mapping(&[PARENT_INPUT, PARENT_LOCAL, TASK_CONTEXT]);

/// outputMappings of a step.
pub(super) const AT_EXIT: Variables = mapping(&[INPUT, LOCAL, STEP_CONTEXT]);

/// The same of a task.
pub(super) const AT_TASK_EXIT: Variables = mapping(&[INPUT, LOCAL, TASK_CONTEXT]);

/// errorMappings.
pub(super) const AT_ERROR: Variables =
    mapping(&[INPUT, ("local", Layout::Group(&[ERROR, CAUSE])), TASK_CONTEXT]);

/// `$local.code` in errorMappings: what a note of the documents calls the name of the error (§13.4), and
/// what the newer language calls it.
pub(super) const AT_ERROR_CODE: Variables =
    mapping(&[("local", Layout::Group(&[("code", Layout::Leaf(Root::ErrorName))]))]);

/// `$`, the step's own input, where something must be found: serviceParams, duration, collection (§2.3).
pub(super) const AT_WORK: Variables =
    Variables { known: &[("", Layout::Leaf(Root::Input))], missing: Missing::Error };

/// `$` in conditions: what is missing makes a comparison false (§4).
pub(super) const AT_CONDITION: Variables = Variables { missing: Missing::Undefined, ..AT_WORK };
