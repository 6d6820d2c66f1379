//! What an expression can see while it is evaluated.

use serde::{Deserialize, Serialize};

use crate::value::{Str, Value};

/// Where paths begin. The words are the engine's; what a language calls them is decided where the
/// language is lowered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The state's input after its own construction.
    Input,
    /// The state's input as it arrived.
    RawInput,
    /// What the work of the state gave.
    Result,
    /// The element of a Map that is being prepared or run.
    Item,
    /// Its position, from 0.
    ItemIndex,
    /// Its name, where the Map runs over the members of an object.
    ItemKey,
    /// Where it comes from: the state's data, or what a reader read.
    ItemSource,
    /// The input of the scope the state stands in.
    ScopeInput,
    /// What the scope has gathered so far: the last output, or the merge of all outputs.
    ScopeData,
    /// The run-wide variables as one object.
    Globals,
    /// A variable of the scope or of one around it.
    Variable(Str),
    /// Name of the error that is being handled.
    ErrorName,
    /// Cause of the error that is being handled.
    ErrorCause,
    /// Name of the execution.
    ExecutionName,
    /// Input the execution was started with.
    ExecutionInput,
    /// Identity of the execution (its uid).
    ExecutionId,
    /// The instant of the evaluation, in RFC 3339 with milliseconds.
    Now,
    /// When the execution started.
    StartTime,
    /// How often the execution was taken up again after a bad end.
    RedriveCount,
    /// When it was last; nothing where it never was.
    RedriveTime,
    /// Name of the Flow.
    FlowName,
    /// Account the run acts as.
    ServiceAccount,
    /// Name of the state.
    StateName,
    /// When the state was entered.
    StateEnteredTime,
    /// Number of the event that told of its entry.
    StateEventId,
    /// How often the state was retried since it was entered.
    RetryCount,
    /// Token that names this attempt of a task to an outsider.
    TaskToken,
    /// What whoever started the execution said of it; nothing where nothing was said.
    Attribute(Attribute),
}

/// What is said of an execution where it is started, for its definition to read (design.md §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attribute {
    /// Words that it is found by: an array of strings.
    Tags,
    /// How it stands to others that wait: a whole number, higher ones first.
    Priority,
    /// Name of the list whose workers do its tasks: a string.
    TaskList,
    /// An object of strings.
    Parameters,
    /// The instant that it is for, in RFC 3339, whenever it runs.
    ScheduledTime,
}

/// Answers an expression's questions. Values are shared, so answering is cheap.
pub trait Scope {
    /// The value at a root, nothing where it has none here.
    fn get(&self, root: &Root) -> Option<Value>;

    /// 16 bytes that look random and are a function of the run's seed, the state, the attempt and
    /// how often this was asked within one evaluation.
    fn draw(&self) -> [u8; 16];
}
