//! Documents as they are written (fdl.md §7 and §9). Nothing is interpreted: names are not
//! resolved, expressions not read.

use crate::diagnostic::Code;
use crate::source::{Content, Span};

use super::super::reader::{Field, Fields, Problems, Text, expect_word, items_of, read_list};
use super::super::transition::check_next_or_end;
use super::limits::{BRANCHES_MAX, EXECUTION_SECONDS_MAX};
use super::map::Map;
use super::policies::{Catch, OnError, Retry};

/// A whole definition.
#[derive(Debug)]
pub(super) struct Definition<'n> {
    pub(super) name: Option<Text>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) body: Body<'n>,
}

/// A scope: the states of the flow, of a branch, of a Processor.
#[derive(Debug)]
pub(super) struct Body<'n> {
    pub(super) start_at: Option<Text>,
    pub(super) states: Vec<State<'n>>,
    /// Whether each of them could be read: only then is known what leads where.
    pub(super) is_whole: bool,
    pub(super) path: String,
    pub(super) span: Option<Span>,
}

#[derive(Debug)]
pub(super) struct State<'n> {
    /// Empty where the state has none, which was noted.
    pub(super) name: Text,
    pub(super) kind: Kind<'n>,
    pub(super) input: Option<Field<'n>>,
    pub(super) output: Option<Field<'n>>,
    pub(super) global: Option<Field<'n>>,
    pub(super) next: Option<Text>,
    pub(super) is_end: bool,
    pub(super) retry: Vec<Retry>,
    pub(super) catch: Vec<Catch<'n>>,
    /// What came before Retry and Catch, instead of them.
    pub(super) on_errors: Vec<OnError<'n>>,
}

#[derive(Debug)]
pub(super) enum Kind<'n> {
    Pass,
    Succeed,
    Fail {
        code: Option<Computed<'n>>,
        detail: Option<Computed<'n>>,
    },
    Wait {
        seconds: Option<Computed<'n>>,
    },
    Choice {
        branches: Vec<ChoiceBranch>,
        default: Option<Text>,
    },
    Task {
        action: Option<Text>,
        mode: Mode,
        parameters: Option<Field<'n>>,
        timeout: Option<Computed<'n>>,
    },
    Parallel {
        /// Nothing where a branch could not be read, which was noted.
        branches: Vec<Option<Body<'n>>>,
    },
    Map(Box<Map<'n>>),
    /// The type is missing or does not exist, which was noted.
    Unknown,
}

/// `Field: value` or `Field.$: expression`.
#[derive(Debug)]
pub(super) enum Computed<'n> {
    Literal(Field<'n>),
    Expression(Text),
    /// Neither, which was noted.
    Broken,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Mode {
    #[default]
    RequestComplete,
    WaitForSystemCallback,
    WaitForCustomCallback,
}

#[derive(Debug)]
pub(super) struct ChoiceBranch {
    pub(super) condition: Option<Text>,
    pub(super) next: Option<Text>,
}

const STATE_TYPES: &[&str] = &["Task", "Pass", "Wait", "Choice", "Parallel", "Map", "Succeed", "Fail"];

/// Fields that states of some type have.
const OWN_FIELDS: &[&str] = &[
    "Action",
    "Branches",
    "Code",
    "Code.$",
    "Default",
    "Detail",
    "Detail.$",
    "ItemBatcher",
    "ItemConstructor",
    "ItemReader",
    "ItemsPath",
    "MaxConcuccency",
    "MaxConcuccency.$",
    "MaxConcurrency",
    "MaxConcurrency.$",
    "MaxItems",
    "MaxItems.$",
    "Parameters",
    "Processor",
    "ResultWriter",
    "Seconds",
    "Seconds.$",
    "TaskMode",
    "Timeout",
    "Timeout.$",
    "ToleratedFailedCount",
    "ToleratedFailedCount.$",
    "ToleratedFailedPercentage",
    "ToleratedFailedPercentage.$",
];

impl<'n> Definition<'n> {
    pub(super) fn read(document: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = document.fields(problems)?;
        expect_word(fields.required("Type", problems), &["StateMachine"], problems);
        expect_word(fields.required("SpecVersion", problems), &["v1"], problems);
        let name = fields.optional("Name").and_then(|field| field.name(problems));
        read_description(&mut fields, problems);
        let timeout = fields.optional("Timeout");
        let timeout_seconds =
            timeout.and_then(|field| field.integer(0..=EXECUTION_SECONDS_MAX, problems)).filter(|s| *s > 0);
        let body = Body::read(&mut fields, problems);
        fields.finish("a definition", problems);
        Some(Self { name, timeout_seconds, body })
    }
}

impl<'n> Body<'n> {
    pub(super) fn read(fields: &mut Fields<'n>, problems: &Problems) -> Self {
        let start_at = fields.required("StartAt", problems).and_then(|field| field.name(problems));
        let items = items_of(fields.required("States", problems), "state", problems);
        let states: Vec<_> = items.iter().filter_map(|item| State::read(item, problems)).collect();
        let is_known =
            |state: &State<'_>| !matches!(state.kind, Kind::Unknown) && !state.name.value.is_empty();
        let is_whole = states.len() == items.len() && states.iter().all(is_known);
        Self { start_at, states, is_whole, path: fields.path().to_owned(), span: fields.span() }
    }

    fn read_own(field: &Field<'n>, place: &str, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let body = Self::read(&mut fields, problems);
        fields.finish(place, problems);
        Some(body)
    }
}

impl<'n> State<'n> {
    fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let name = fields.required("Name", problems).and_then(|field| field.name(problems));
        let name = name.unwrap_or_else(|| Text {
            value: "".into(),
            path: field.path.clone(),
            span: None,
            lines: None,
        });
        read_description(&mut fields, problems);
        let word = read_type(&mut fields, problems);
        let input = fields.optional("InputConstructor");
        let output = if word == Some("Choice") { None } else { fields.optional("OutputConstructor") };
        let global = fields.optional("GlobalConstructor");
        let (next, is_end) = read_way_out(word, &mut fields, problems);
        let (mut retry, mut catch, mut on_errors) = (Vec::new(), Vec::new(), Vec::new());
        if matches!(word, Some("Task" | "Parallel" | "Map") | None) {
            let (newer, older) =
                ((fields.optional("Retry"), fields.optional("Catch")), fields.optional("OnErrors"));
            if let (true, Some(older)) = (newer.0.is_some() || newer.1.is_some(), &older) {
                let message = "the state has both `OnErrors` and what came after it, `Retry` and `Catch`";
                problems.push(older.problem(Code::InvalidValue, message).with_help("use one of the forms"));
            }
            retry = read_list(newer.0, problems, Retry::read);
            catch = read_list(newer.1, problems, Catch::read);
            on_errors = read_list(older, problems, OnError::read);
        }
        let kind = match word {
            Some(word) => {
                let kind = Kind::read(word, &mut fields, problems);
                fields.finish(&format!("a {word} state"), problems);
                kind
            }
            None => {
                OWN_FIELDS.iter().for_each(|name| drop(fields.optional(name)));
                fields.finish("a state", problems);
                Kind::Unknown
            }
        };
        Some(Self { name, kind, input, output, global, next, is_end, retry, catch, on_errors })
    }
}

/// The type of a state; nothing, with a note, where it is none.
fn read_type(fields: &mut Fields<'_>, problems: &Problems) -> Option<&'static str> {
    let kind = fields.required("Type", problems).and_then(|field| field.text(problems))?;
    kind.state_type(STATE_TYPES, problems)
}

/// `Next` and `End`. Fail and Succeed are ends; that they say so is accepted (§14.29).
fn read_way_out(word: Option<&str>, fields: &mut Fields<'_>, problems: &Problems) -> (Option<Text>, bool) {
    match word {
        Some("Choice") => (None, false),
        // Whether it needs either is not known.
        None => {
            fields.optional("End").and_then(|field| field.bool(problems));
            (fields.optional("Next").and_then(|field| field.name(problems)), true)
        }
        Some(word @ ("Succeed" | "Fail")) => {
            let end = fields.optional("End");
            if end.as_ref().is_some_and(|end| end.bool(problems) == Some(false)) {
                problems.push(fields.problem(Code::NextOrEnd, format!("a {word} state is always an end")));
            }
            (None, true)
        }
        Some(_) => {
            let next_field = fields.optional("Next");
            let next = next_field.as_ref().and_then(|field| field.name(problems));
            let end_field = fields.optional("End");
            // What is neither true nor false was noted, and nothing else is made of it.
            let end = end_field.map(|field| field.bool(problems));
            let is_end = end.is_some_and(|end| end.unwrap_or(next_field.is_none()));
            check_next_or_end(next_field.as_ref(), is_end, fields, problems);
            (next, is_end)
        }
    }
}

impl<'n> Kind<'n> {
    fn read(word: &str, fields: &mut Fields<'n>, problems: &Problems) -> Self {
        match word {
            "Succeed" => Self::Succeed,
            "Fail" => Self::Fail {
                code: Computed::read(fields, "Code", "Code.$", problems),
                detail: Computed::read(fields, "Detail", "Detail.$", problems),
            },
            "Wait" => {
                let seconds = Computed::read(fields, "Seconds", "Seconds.$", problems);
                if seconds.is_none() {
                    fields.report_missing("Seconds", problems);
                }
                Self::Wait { seconds }
            }
            "Choice" => Self::Choice {
                branches: items_of(fields.required("Branches", problems), "branch", problems)
                    .iter()
                    .filter_map(|item| ChoiceBranch::read(item, problems))
                    .collect(),
                default: fields.required("Default", problems).and_then(|field| field.name(problems)),
            },
            "Task" => Self::Task {
                action: fields.required("Action", problems).and_then(|field| field.text(problems)),
                mode: Mode::read(fields.optional("TaskMode"), problems),
                parameters: fields.optional("Parameters"),
                timeout: Computed::read(fields, "Timeout", "Timeout.$", problems),
            },
            "Parallel" => {
                let field = fields.required("Branches", problems);
                let items = items_of(field.clone(), "branch", problems);
                if let (Some(field), true) = (field, items.len() > BRANCHES_MAX) {
                    let message = format!("{} branches, at most {BRANCHES_MAX} are allowed", items.len());
                    problems.push(field.problem(Code::LimitExceeded, message));
                }
                let read = |item| Body::read_own(item, "a branch", problems);
                let branches = items.iter().map(read).collect();
                Self::Parallel { branches }
            }
            "Map" => Self::Map(Box::new(Map::read(fields, problems))),
            _ => Self::Pass,
        }
    }
}

impl<'n> Computed<'n> {
    pub(super) fn read(
        fields: &mut Fields<'n>,
        literal: &'static str,
        expression: &'static str,
        problems: &Problems,
    ) -> Option<Self> {
        let (given, computed) = (fields.optional(literal), fields.optional(expression));
        if let (Some(_), Some(computed)) = (&given, &computed) {
            let message = format!("both `{literal}` and `{expression}` are given");
            problems.push(computed.problem(Code::DuplicateField, message).with_help("remove one of them"));
        }
        match (given, computed) {
            (_, Some(field)) => Some(field.text(problems).map_or(Self::Broken, Self::Expression)),
            (Some(field), None) => Some(Self::Literal(field)),
            (None, None) => None,
        }
    }
}

impl Mode {
    fn read(field: Option<Field<'_>>, problems: &Problems) -> Self {
        let words = ["RequestComplete", "WaitForSystemCallback", "WaitForCustomCallback"];
        match expect_word(field, &words, problems) {
            Some(1) => Self::WaitForSystemCallback,
            Some(2) => Self::WaitForCustomCallback,
            Some(_) | None => Self::RequestComplete,
        }
    }
}

impl ChoiceBranch {
    fn read(field: &Field<'_>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let condition =
            fields.required("Condition", problems).and_then(|field| read_condition(&field, problems));
        let next = fields.required("Next", problems).and_then(|field| field.name(problems));
        read_description(&mut fields, problems);
        fields.finish("a branch of a Choice", problems);
        Some(Self { condition, next })
    }
}

/// An expression. `true` and `false` are constants of conditions (§4), with or without quotes.
fn read_condition(field: &Field<'_>, problems: &Problems) -> Option<Text> {
    let Content::Bool(constant) = field.node.content else { return field.text(problems) };
    Some(Text {
        value: constant.to_string().into(),
        path: field.path.clone(),
        span: field.node.span,
        lines: field.node.lines.clone(),
    })
}

pub(super) fn read_description(fields: &mut Fields<'_>, problems: &Problems) {
    if let Some(field) = fields.optional("Description") {
        // Empty ones are harmless.
        if field.node.as_str().is_none() {
            field.name(problems);
        }
    }
}
