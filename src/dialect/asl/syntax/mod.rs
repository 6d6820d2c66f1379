//! Documents as they are written (asl.md §1, §9–§12). Nothing is interpreted: names are not
//! resolved, expressions not read. Which fields there are depends on the query language, so each state
//! knows its own.

mod choice;
mod field;
mod map;
mod retry;
mod state;
mod task;

use crate::diagnostic::Code;
use crate::source::Span;

use super::super::reader::{Field, Fields, Problems, Text, member_path, report_duplicates};
use super::limits::{NAME_CHARS_MAX, SECONDS_MAX};

pub(super) use choice::{Comparand, Condition, Operator, Rule, Test};
pub(super) use field::{Computed, number, whole_number};
pub(super) use map::{Batcher, InputType, Map, Processor, ReaderConfig, Source, Writer};
pub(super) use retry::{Catcher, Retrier, check_catch_all};
pub(super) use state::{Kind, State, Wait};
pub(super) use task::Task;

/// A query language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    JsonPath,
    Jsonata,
}

/// A whole definition.
#[derive(Debug)]
pub(super) struct Machine<'n> {
    pub(super) timeout_seconds: Option<u64>,
    pub(super) body: Body<'n>,
}

/// A `States` object with its beginning: the machine, a branch, a processor.
#[derive(Debug)]
pub(super) struct Body<'n> {
    pub(super) start_at: Option<Text>,
    pub(super) states: Vec<State<'n>>,
    /// Whether each of them could be read: only then is known what leads where.
    pub(super) is_whole: bool,
    pub(super) path: String,
    pub(super) span: Option<Span>,
}

/// What is known wherever something is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'p> {
    pub(super) problems: &'p Problems,
    /// The query language of the machine, or of the state that is being read.
    pub(super) language: Language,
}

impl Language {
    fn as_str(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }

    fn read(fields: &mut Fields<'_>, problems: &Problems) -> Option<(Self, Text)> {
        let text = fields.given("QueryLanguage")?.text(problems)?;
        let language = [Self::JsonPath, Self::Jsonata].into_iter().find(|own| own.as_str() == &*text.value);
        if language.is_none() {
            let message = format!("expected `JSONPath` or `JSONata`, found `{}`", text.value);
            problems.push(text.problem(Code::InvalidValue, message));
        }
        Some((language?, text))
    }
}

impl<'n> Machine<'n> {
    pub(super) fn read(document: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = document.fields(problems)?;
        let language = Language::read(&mut fields, problems).map_or(Language::JsonPath, |(own, _)| own);
        let reading = Reading { problems, language };
        if let Some(version) = fields.given("Version") {
            reading.word(&version, &["1.0"]);
        }
        let timeout = fields.given("TimeoutSeconds");
        let timeout_seconds = timeout.and_then(|field| whole_number(&field, 1..=SECONDS_MAX - 1, problems));
        let body = Body::read(&mut fields, reading);
        reading.finish(fields, "a state machine");
        Some(Self { timeout_seconds, body })
    }
}

impl<'n> Body<'n> {
    fn read(fields: &mut Fields<'n>, reading: Reading<'_>) -> Self {
        let problems = reading.problems;
        reading.comment(fields);
        let start_at = fields.needed("StartAt", problems).and_then(|field| field.text(problems));
        let (states, is_whole) = match fields.needed("States", problems) {
            Some(field) => read_states(&field, reading),
            None => (Vec::new(), false),
        };
        Self { start_at, states, is_whole, path: fields.path().to_owned(), span: fields.span() }
    }

    /// A branch of a Parallel.
    fn read_branch(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let mut fields = field.fields(reading.problems)?;
        let body = Self::read(&mut fields, reading);
        reading.finish(fields, "a branch");
        Some(body)
    }
}

/// The states of an object, and whether each of them could be read.
fn read_states<'n>(field: &Field<'n>, reading: Reading<'_>) -> (Vec<State<'n>>, bool) {
    let problems = reading.problems;
    let Some(mapping) = field.node.as_mapping() else {
        problems.push(field.wrong_type("an object of states"));
        return (Vec::new(), false);
    };
    if mapping.entries.is_empty() {
        problems.push(field.problem(Code::InvalidValue, "expected at least one state"));
    }
    report_duplicates(mapping, &field.path, problems);
    let mut is_whole = !mapping.entries.is_empty();
    let mut states = Vec::with_capacity(mapping.entries.len());
    for entry in &mapping.entries {
        let (key, path) = (&entry.key, member_path(&field.path, &entry.key.name));
        let name = Text { value: key.name.clone(), path: path.clone(), span: key.span, lines: None };
        check_name(&name, problems);
        let state = State::read(name, &Field::new(&entry.value, path), reading);
        is_whole &= !matches!(state.kind, Kind::Unknown);
        states.push(state);
    }
    (states, is_whole)
}

fn check_name(name: &Text, problems: &Problems) {
    let length = name.value.chars().count();
    let (code, message) = match length {
        0 => (Code::InvalidValue, "the name of a state is empty".to_owned()),
        length if length > NAME_CHARS_MAX => (
            Code::LimitExceeded,
            format!("the name of a state has {length} characters, at most {NAME_CHARS_MAX} are allowed"),
        ),
        _ => return,
    };
    problems.push(name.problem(code, message));
}
