//! A state: what all types share, and which type has what (asl.md §1).

use crate::diagnostic::{Code, Diagnostic};

use super::super::super::reader::{Field, Fields, Problems, Text};
use super::super::super::transition::check_next_or_end;
use super::choice::{Rule, read_rules};
use super::field::{Computed, items_of};
use super::map::Map;
use super::retry::{Catcher, Retrier};
use super::task::Task;
use super::{Body, Language, Reading};

#[derive(Debug)]
pub(in super::super) struct State<'n> {
    pub(in super::super) name: Text,
    pub(in super::super) language: Language,
    pub(in super::super) kind: Kind<'n>,
    pub(in super::super) flow: Flow<'n>,
    pub(in super::super) assign: Option<Field<'n>>,
    pub(in super::super) next: Option<Text>,
    pub(in super::super) is_end: bool,
    pub(in super::super) retry: Vec<Retrier>,
    pub(in super::super) catch: Vec<Catcher<'n>>,
}

/// The fields that shape what goes through the state.
#[derive(Debug, Default)]
pub(in super::super) struct Flow<'n> {
    pub(in super::super) input_path: Option<Field<'n>>,
    /// `Parameters` or `Arguments`.
    pub(in super::super) arguments: Option<Field<'n>>,
    pub(in super::super) result_selector: Option<Field<'n>>,
    pub(in super::super) result_path: Option<Field<'n>>,
    pub(in super::super) output_path: Option<Field<'n>>,
    pub(in super::super) output: Option<Field<'n>>,
}

#[derive(Debug)]
pub(in super::super) enum Kind<'n> {
    Pass {
        result: Option<Field<'n>>,
    },
    Task(Task<'n>),
    Wait(Option<Wait<'n>>),
    Choice {
        rules: Vec<Rule<'n>>,
        default: Option<Text>,
    },
    Parallel {
        /// Nothing where a branch could not be read, which was noted.
        branches: Vec<Option<Body<'n>>>,
    },
    Map(Box<Map<'n>>),
    Succeed,
    Fail {
        error: Option<Computed<'n>>,
        cause: Option<Computed<'n>>,
    },
    /// The type is missing or does not exist, which was noted.
    Unknown,
}

#[derive(Debug)]
pub(in super::super) enum Wait<'n> {
    Seconds(Computed<'n>),
    Timestamp(Computed<'n>),
}

const STATE_TYPES: &[&str] = &["Task", "Pass", "Wait", "Choice", "Parallel", "Map", "Succeed", "Fail"];

impl<'n> State<'n> {
    pub(super) fn read(name: Text, field: &Field<'n>, reading: Reading<'_>) -> Self {
        let Some(mut fields) = field.fields(reading.problems) else { return Self::unknown(name) };
        let problems = reading.problems;
        reading.comment(&mut fields);
        let language = read_language(&mut fields, reading);
        let outer = reading;
        let reading = Reading { language, ..reading };
        let Some(word) = read_type(&mut fields, problems) else { return Self::unknown(name) };
        let flow = Flow::read(word, &mut fields, language);
        let assign = match word {
            "Succeed" | "Fail" => None,
            _ => fields.given("Assign"),
        };
        let (next, is_end) = read_way_out(word, &mut fields, problems);
        let (retry, catch) = match word {
            "Task" | "Parallel" | "Map" => (
                read_list(fields.given("Retry"), problems, |item| Retrier::read(item, reading)),
                read_list(fields.given("Catch"), problems, |item| Catcher::read(item, reading)),
            ),
            _ => (Vec::new(), Vec::new()),
        };
        let kind = Kind::read(word, &mut fields, reading, outer);
        reading.finish(fields, &format!("a {word} state"));
        Self { name, language, kind, flow, assign, next, is_end, retry, catch }
    }

    fn unknown(name: Text) -> Self {
        Self {
            name,
            language: Language::JsonPath,
            kind: Kind::Unknown,
            flow: Flow::default(),
            assign: None,
            next: None,
            is_end: true,
            retry: Vec::new(),
            catch: Vec::new(),
        }
    }
}

impl<'n> Flow<'n> {
    fn read(word: &str, fields: &mut Fields<'n>, language: Language) -> Self {
        let mut given = |name, types: &[&str]| types.contains(&word).then(|| fields.given(name)).flatten();
        match language {
            Language::JsonPath => {
                let all = &["Task", "Parallel", "Map", "Pass", "Wait", "Choice", "Succeed"];
                Self {
                    input_path: given("InputPath", all),
                    output_path: given("OutputPath", all),
                    // A Map has it as the old name of ItemSelector.
                    arguments: given("Parameters", &["Task", "Parallel", "Pass"]),
                    result_selector: given("ResultSelector", &["Task", "Parallel", "Map"]),
                    result_path: given("ResultPath", &["Task", "Parallel", "Map", "Pass"]),
                    output: None,
                }
            }
            Language::Jsonata => Self {
                arguments: given("Arguments", &["Task", "Parallel"]),
                output: (word != "Fail").then(|| fields.given("Output")).flatten(),
                ..Self::default()
            },
        }
    }
}

/// The state's own query language, or the machine's. It cannot go back to `JSONPath` (§1).
fn read_language(fields: &mut Fields<'_>, reading: Reading<'_>) -> Language {
    let Some((own, text)) = Language::read(fields, reading.problems) else { return reading.language };
    if (own, reading.language) == (Language::JsonPath, Language::Jsonata) {
        let message =
            "`QueryLanguage` cannot be `JSONPath` where it is `JSONata` for the whole state machine";
        reading.problems.push(
            Diagnostic::new(Code::QueryLanguage, text.path, text.span, message)
                .with_help("leave it out at the top, and write `JSONata` into the states that use it"),
        );
    }
    own
}

/// The type of a state; nothing, with a note, where it is none.
fn read_type(fields: &mut Fields<'_>, problems: &Problems) -> Option<&'static str> {
    let kind = fields.needed("Type", problems).and_then(|field| field.text(problems))?;
    kind.state_type(STATE_TYPES, problems)
}

/// `Next` and `End`: exactly one of them, except where the type says where it leads.
fn read_way_out(word: &str, fields: &mut Fields<'_>, problems: &Problems) -> (Option<Text>, bool) {
    match word {
        "Choice" => return (None, false),
        "Succeed" | "Fail" => return (None, true),
        _ => {}
    }
    let next_field = fields.given("Next");
    let next = next_field.as_ref().and_then(|field| field.text(problems));
    // What is neither true nor false was noted, and nothing else is made of it.
    let end = fields.given("End").map(|field| field.bool(problems));
    let is_end = end.is_some_and(|end| end.unwrap_or(next_field.is_none()));
    check_next_or_end(next_field.as_ref(), is_end, fields, problems);
    (next, is_end)
}

impl<'n> Kind<'n> {
    /// `outer` is how states within this one are read: its own query language is not theirs (§1).
    fn read(word: &str, fields: &mut Fields<'n>, reading: Reading<'_>, outer: Reading<'_>) -> Self {
        let problems = reading.problems;
        match word {
            "Succeed" => Self::Succeed,
            "Fail" => Self::Fail {
                error: Computed::read(fields, "Error", "ErrorPath", reading),
                cause: Computed::read(fields, "Cause", "CausePath", reading),
            },
            "Wait" => Self::Wait(Wait::read(fields, reading)),
            "Choice" => Self::Choice {
                rules: read_rules(fields.needed("Choices", problems), reading),
                default: fields.given("Default").and_then(|field| field.text(problems)),
            },
            "Task" => Self::Task(Task::read(fields, reading)),
            "Parallel" => {
                let items = items_of(fields.needed("Branches", problems), "branch", problems);
                Self::Parallel { branches: items.iter().map(|item| Body::read_branch(item, outer)).collect() }
            }
            "Map" => Self::Map(Box::new(Map::read(fields, reading, outer))),
            _ => {
                let result = match reading.language {
                    Language::JsonPath => fields.given("Result"),
                    Language::Jsonata => None,
                };
                Self::Pass { result }
            }
        }
    }
}

impl<'n> Wait<'n> {
    fn read(fields: &mut Fields<'n>, reading: Reading<'_>) -> Option<Self> {
        let names = match reading.language {
            Language::JsonPath => &["Seconds", "SecondsPath", "Timestamp", "TimestampPath"][..],
            Language::Jsonata => &["Seconds", "Timestamp"][..],
        };
        let (name, field) = reading.exactly_one(fields, names)?;
        Some(match name {
            "Seconds" => Self::Seconds(Computed::Value(field)),
            "SecondsPath" => Self::Seconds(Computed::Path(field)),
            "Timestamp" => Self::Timestamp(Computed::Value(field)),
            _ => Self::Timestamp(Computed::Path(field)),
        })
    }
}

pub(super) fn read_list<'n, T>(
    field: Option<Field<'n>>,
    problems: &Problems,
    read: impl Fn(&Field<'n>) -> Option<T>,
) -> Vec<T> {
    let items = field.and_then(|field| field.items(problems)).unwrap_or_default();
    items.iter().filter_map(read).collect()
}
