//! States: what they do and where they lead.

use crate::expr::Expr;
use crate::value::Str;

use super::{Pattern, ScopeIdx, StateIdx};

/// A node of a program.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name, unique within the scope.
    pub name: Str,
    /// What it does.
    pub kind: Kind,
    /// Makes the input from the raw input; absent: as it arrives.
    pub input: Option<Expr>,
    /// Shapes what the work gave before anything else sees it; absent: as it is.
    pub result: Option<Expr>,
    /// Makes the output; absent: the result.
    pub output: Option<Expr>,
    /// Variables that are set when the state is left, from values before that.
    pub variables: Option<Variables>,
    /// What to try again.
    pub retry: Vec<Retrier>,
    /// What to do about errors that are not tried again.
    pub catch: Vec<Catcher>,
    /// Where it leads. Choice states lead where their branches say, Fail and Succeed nowhere.
    pub next: Next,
}

/// What a state does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Gives a result without work.
    Pass {
        /// Absent: the input; nothing where outputs are merged.
        result: Option<Expr>,
    },
    /// Has work done outside the engine.
    Task {
        /// What is to be done, as the language names it.
        resource: Str,
        /// What is told to whoever does it; absent: the input.
        arguments: Option<Expr>,
        /// When it counts as done.
        completion: Completion,
        /// Seconds one attempt may take; absent or no value: the execution's default; 0: unlimited.
        timeout: Option<Expr>,
        /// Seconds that may pass between signs of life.
        heartbeat: Option<Expr>,
    },
    /// Waits.
    Wait(Until),
    /// Takes the first branch whose condition holds.
    Choice {
        /// In order.
        rules: Vec<Rule>,
        /// Where no condition holds; absent: an error.
        otherwise: Option<Branch>,
    },
    /// Runs scopes side by side; the result is the array of what they gave, in their order.
    Parallel {
        /// What they run on; absent: the input.
        arguments: Option<Expr>,
        /// The scopes.
        branches: Vec<ScopeIdx>,
    },
    /// Runs one scope for each element of an array; the result is the array of what they gave.
    Map(Box<Map>),
    /// Ends the scope.
    Succeed,
    /// Ends the scope with an error.
    Fail {
        /// Name of the error.
        error: Option<Expr>,
        /// Its cause.
        cause: Option<Expr>,
    },
}

impl Kind {
    /// The name of the kind as all languages write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass { .. } => "Pass",
            Self::Task { .. } => "Task",
            Self::Wait(_) => "Wait",
            Self::Choice { .. } => "Choice",
            Self::Parallel { .. } => "Parallel",
            Self::Map(_) => "Map",
            Self::Succeed => "Succeed",
            Self::Fail { .. } => "Fail",
        }
    }
}

/// A Map: one scope for each element.
#[derive(Clone, Debug)]
pub struct Map {
    /// Has the elements read from elsewhere before anything else; what it gave is [`crate::expr::Root::Result`]
    /// to `items`.
    pub reader: Option<Access>,
    /// The array, or the object whose members are the elements.
    pub items: Expr,
    /// Whether `items` may be an object where nothing was read. What was read always may.
    pub takes_objects: bool,
    /// At most so many elements, those behind them are left out; absent or 0: all.
    pub items_max: Option<Expr>,
    /// What an iteration runs on; absent: the element.
    pub item: Option<Expr>,
    /// Runs an iteration for several elements together.
    pub batch: Option<Batch>,
    /// The scope.
    pub body: ScopeIdx,
    /// How many iterations may run at a time; absent or 0: as many as the language allows.
    pub concurrency: Option<Expr>,
    /// Whether an iteration is a run of its own: it does not see the variables around it, has its own
    /// bound of events, and where it fails that is one of the failures that are tolerated.
    pub is_isolated: bool,
    /// Seconds that an iteration may take, where it is isolated and the language bounds that.
    pub iteration_seconds_max: Option<u64>,
    /// How many iterations may fail, where they are isolated; absent: none, and the error of the first that
    /// does is the error of the Map.
    pub tolerance: Option<Tolerance>,
    /// Has the results written elsewhere; what it gave is the result of the Map.
    pub writer: Option<Access>,
}

impl Map {
    /// A Map that runs `body` over an array that is there already.
    #[must_use]
    pub fn over(items: Expr, body: ScopeIdx) -> Self {
        Self {
            reader: None,
            items,
            takes_objects: false,
            items_max: None,
            item: None,
            batch: None,
            body,
            concurrency: None,
            is_isolated: false,
            iteration_seconds_max: None,
            tolerance: None,
            writer: None,
        }
    }
}

/// Reading or writing outside, done as a task is.
#[derive(Clone, Debug)]
pub struct Access {
    /// What is to be done, as the language names it.
    pub resource: Str,
    /// What is told to whoever does it; absent: an empty object. The results of a Map that are to be
    /// written are [`crate::expr::Root::Result`].
    pub arguments: Option<Expr>,
}

/// Elements that share an iteration, whose input is `{"Items": […], "BatchInput": …}`.
#[derive(Clone, Debug)]
pub struct Batch {
    /// At most so many elements; absent: no bound.
    pub items_max: Option<Expr>,
    /// At most so many bytes of input; absent: no bound but that of any input.
    pub bytes_max: Option<Expr>,
    /// What all batches are given beside their elements.
    pub input: Option<Expr>,
}

/// Failures of iterations that do not fail the Map. Beyond either bound it fails.
#[derive(Clone, Debug, Default)]
pub struct Tolerance {
    /// How many.
    pub count: Option<Expr>,
    /// How many of a hundred, may have a fraction.
    pub percentage: Option<Expr>,
}

/// Where a state leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To a state of the same scope.
    State(StateIdx),
    /// To the end of the scope.
    End,
}

/// When the work of a task counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// When the request was answered.
    Response,
    /// When what the request began has ended.
    Job,
    /// When someone reports with the task's token.
    Callback,
}

/// How long a Wait waits.
#[derive(Clone, Debug)]
pub enum Until {
    /// Seconds from its entry.
    Seconds(Expr),
    /// An instant in RFC 3339.
    Timestamp(Expr),
}

/// One rule of a Choice.
#[derive(Clone, Debug)]
pub struct Rule {
    /// When it is taken.
    pub condition: Expr,
    /// Where it leads.
    pub branch: Branch,
}

/// Where a Choice leads.
#[derive(Clone, Debug)]
pub struct Branch {
    /// States that run first, on the state's input; what they gave is the result.
    pub body: Option<ScopeIdx>,
    /// Makes the output in place of the state's own; absent: the state's.
    pub output: Option<Expr>,
    /// Variables in place of the state's own.
    pub variables: Option<Variables>,
    /// Where to then.
    pub next: Next,
}

/// An assignment of variables.
#[derive(Clone, Debug)]
pub struct Variables {
    /// Whose they are.
    pub scope: VariableScope,
    /// An object: a variable per member.
    pub values: Expr,
}

/// Who shares a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableScope {
    /// The whole run; of two writers the later one wins.
    Run,
    /// The scope instance, and those within it to read. Each branch and iteration has its own.
    Instance,
}

/// What to try again, and how.
#[derive(Clone, Debug)]
pub struct Retrier {
    /// Which errors.
    pub errors: Vec<Pattern>,
    /// Retries, not counting the first attempt.
    pub max_attempts: u32,
    /// Delay before the first retry.
    pub interval_seconds: u64,
    /// Factor from one delay to the next, at least 1.
    pub backoff_rate: f64,
    /// Longest delay.
    pub max_delay_seconds: Option<u64>,
    /// Whether delays are randomised.
    pub jitter: Jitter,
}

/// Randomisation of delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// As computed.
    None,
    /// Uniform between 0 and what was computed.
    Full,
}

/// Where an error leads.
#[derive(Clone, Debug)]
pub struct Catcher {
    /// Which errors.
    pub errors: Vec<Pattern>,
    /// Makes the output; absent: the state's input.
    pub output: Option<Expr>,
    /// Variables that are set instead of the state's own.
    pub variables: Option<Variables>,
    /// Where to.
    pub next: StateIdx,
}

impl State {
    /// A state that does `kind` and is the end of its scope.
    #[must_use]
    pub fn new(name: impl Into<Str>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            input: None,
            result: None,
            output: None,
            variables: None,
            retry: Vec::new(),
            catch: Vec::new(),
            next: Next::End,
        }
    }

    /// The same, leading to `next`.
    #[must_use]
    pub fn to(self, next: StateIdx) -> Self {
        Self { next: Next::State(next), ..self }
    }
}
