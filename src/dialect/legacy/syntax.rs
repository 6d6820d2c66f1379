//! Documents as they are written (fdl.md §2 and §5). Nothing is interpreted: names are not resolved,
//! paths not read.

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Content, Span};

use super::super::reader::{Field, Fields, Problems, Text, expect_word, items_of, read_list};
use super::limits::{BRANCHES_MAX, EXECUTION_SECONDS_MAX, RETRY_SECONDS_MAX};

/// A whole definition.
#[derive(Debug)]
pub(super) struct Definition<'n> {
    pub(super) name: Option<Text>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) input: Option<Vec<Mapping<'n>>>,
    pub(super) output: Option<Vec<Mapping<'n>>>,
    pub(super) body: Series<'n>,
}

/// Steps that run one after the other: of the flow, of a branch, of an iteration.
#[derive(Debug)]
pub(super) struct Series<'n> {
    pub(super) steps: Vec<Step<'n>>,
    /// Whether each of them could be read: only then is known what leads where.
    pub(super) is_whole: bool,
    pub(super) path: String,
    pub(super) span: Option<Span>,
}

#[derive(Debug)]
pub(super) struct Step<'n> {
    /// Empty where the step has none, which was noted.
    pub(super) name: Text,
    pub(super) kind: Kind<'n>,
    pub(super) is_end: bool,
    pub(super) input: Option<Vec<Mapping<'n>>>,
    pub(super) output: Option<Vec<Mapping<'n>>>,
}

/// `{target, source}`.
#[derive(Debug)]
pub(super) struct Mapping<'n> {
    pub(super) target: Text,
    pub(super) source: Field<'n>,
}

#[derive(Debug)]
pub(super) enum Kind<'n> {
    Pass,
    Succeed,
    Fail {
        error: Option<Text>,
        cause: Option<Text>,
    },
    Wait {
        until: Option<Until<'n>>,
    },
    Choice {
        choices: Vec<Choice<'n>>,
        default: Option<Way<'n>>,
    },
    Task(Box<Task<'n>>),
    Parallel {
        /// Nothing where a branch could not be read, which was noted.
        branches: Vec<Option<Series<'n>>>,
    },
    Foreach {
        collection: Option<Text>,
        item: Option<Text>,
        index: Option<Text>,
        body: Option<Series<'n>>,
    },
    /// The type is missing or does not exist, which was noted.
    Unknown,
}

#[derive(Debug)]
pub(super) enum Until<'n> {
    Duration(Field<'n>),
    Timestamp(Field<'n>),
}

/// An option of a choice.
#[derive(Debug)]
pub(super) struct Choice<'n> {
    pub(super) condition: Option<Field<'n>>,
    pub(super) way: Way<'n>,
}

/// Where an option leads: through steps of its own, then to a sibling or on to the next step.
#[derive(Debug)]
pub(super) struct Way<'n> {
    pub(super) steps: Option<Series<'n>>,
    pub(super) goto: Option<Text>,
}

#[derive(Debug)]
pub(super) struct Task<'n> {
    pub(super) resource: Option<Text>,
    pub(super) pattern: Pattern,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) parameters: Option<Field<'n>>,
    pub(super) retry: Vec<Retry>,
    pub(super) catch: Vec<Catch>,
    pub(super) error: Option<Vec<Mapping<'n>>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern {
    RequestResponse,
    Sync,
    WaitForCallback,
}

#[derive(Debug)]
pub(super) struct Retry {
    pub(super) errors: Vec<Text>,
    pub(super) interval_seconds: u64,
    pub(super) max_interval_seconds: u64,
    pub(super) max_attempts: u32,
    pub(super) multiplier: f64,
}

#[derive(Debug)]
pub(super) struct Catch {
    pub(super) errors: Vec<Text>,
    pub(super) goto: Option<Text>,
}

const STEP_TYPES: &[&str] = &["task", "pass", "wait", "choice", "parallel", "foreach", "succeed", "fail"];

/// Fields that steps of some type have.
const OWN_FIELDS: &[&str] = &[
    "action",
    "branches",
    "catch",
    "cause",
    "choices",
    "default",
    "duration",
    "error",
    "errorMappings",
    "iterationMapping",
    "pattern",
    "postCondition",
    "preCondition",
    "resourceArn",
    "retry",
    "serviceParams",
    "steps",
    "timeoutSeconds",
    "timestamp",
];

/// Retries of a policy that does not say how many (§5).
const ATTEMPTS: u32 = 3;

/// Delay before the first retry, in seconds (§5).
const INTERVAL_SECONDS: u64 = 1;

/// Factor from one delay to the next (§5).
const MULTIPLIER: f64 = 2.0;

impl<'n> Definition<'n> {
    /// Fields that are not known are tolerated here, and here only (§14.29).
    pub(super) fn read(document: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = document.fields(problems)?;
        expect_word(fields.required("version", problems), &["v1", "v1beta1"], problems);
        expect_word(fields.required("type", problems), &["flow"], problems);
        let timeout = fields.optional("timeoutSeconds");
        Some(Self {
            name: fields.optional("name").and_then(|field| field.name(problems)),
            timeout_seconds: timeout
                .and_then(|field| field.integer(0..=EXECUTION_SECONDS_MAX, problems))
                .filter(|seconds| *seconds > 0),
            input: read_mappings(&mut fields, "inputMappings", problems),
            output: read_mappings(&mut fields, "outputMappings", problems),
            body: Series::read(fields.required("steps", problems), fields.path(), problems),
        })
    }
}

impl<'n> Series<'n> {
    /// The steps of a field that must be there; its absence was noted.
    fn read(field: Option<Field<'n>>, path: &str, problems: &Problems) -> Self {
        let span = field.as_ref().and_then(|field| field.node.span);
        let path = field.as_ref().map_or_else(|| path.to_owned(), |field| field.path.clone());
        let items = items_of(field, "step", problems);
        let steps: Vec<_> = items.iter().filter_map(|item| Step::read(item, problems)).collect();
        let is_known = |step: &Step<'_>| !matches!(step.kind, Kind::Unknown) && !step.name.value.is_empty();
        let is_whole = !steps.is_empty() && steps.len() == items.len() && steps.iter().all(is_known);
        Self { steps, is_whole, path, span }
    }

    /// `{steps}`, a branch of a parallel step.
    fn read_branch(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let series = Self::read(fields.required("steps", problems), &field.path, problems);
        fields.finish("a branch", problems);
        Some(series)
    }
}

impl<'n> Step<'n> {
    fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let name = fields.required("name", problems).and_then(|field| field.name(problems));
        let name = name.unwrap_or_else(|| Text {
            value: "".into(),
            path: field.path.clone(),
            span: None,
            lines: None,
        });
        let word = read_type(&mut fields, problems);
        let end = fields.optional("end");
        let is_end = end.as_ref().and_then(|end| end.bool(problems));
        if let (Some(word @ ("succeed" | "fail")), Some(false), Some(end)) = (word, is_end, &end) {
            problems.push(end.problem(Code::NextOrEnd, format!("a {word} step is always an end")));
        }
        let input = read_mappings(&mut fields, "inputMappings", problems);
        let output = read_mappings(&mut fields, "outputMappings", problems);
        let kind = match word {
            Some(word) => {
                let kind = Kind::read(word, &mut fields, problems);
                fields.finish(&format!("a {word} step"), problems);
                kind
            }
            None => {
                OWN_FIELDS.iter().for_each(|name| drop(fields.optional(name)));
                fields.finish("a step", problems);
                Kind::Unknown
            }
        };
        Some(Self { name, kind, is_end: is_end == Some(true), input, output })
    }
}

/// The type of a step; nothing, with a note, where it is none.
fn read_type(fields: &mut Fields<'_>, problems: &Problems) -> Option<&'static str> {
    let kind = fields.required("type", problems).and_then(|field| field.text(problems))?;
    let word = &*kind.value;
    let known = STEP_TYPES.iter().copied().find(|known| *known == word);
    if known.is_none() {
        let (code, message, help) = if word == "loop" {
            // In the schema of the language, without a word on what it does (§13.6).
            let help = "a choice whose `goto` leads back to an earlier step is a loop".to_owned();
            (Code::Unsupported, "steps of type `loop` do not run in this version".to_owned(), help)
        } else {
            let help = match problems.closest(word, STEP_TYPES.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("types are {}", STEP_TYPES.join(", ")),
            };
            (Code::UnknownStateType, format!("there is no step type `{word}`"), help)
        };
        problems.push(Diagnostic::new(code, kind.path, kind.span, message).with_help(help));
    }
    known
}

impl<'n> Kind<'n> {
    fn read(word: &str, fields: &mut Fields<'n>, problems: &Problems) -> Self {
        match word {
            "succeed" => Self::Succeed,
            "fail" => Self::Fail {
                error: read_words(fields.optional("error"), problems),
                cause: read_words(fields.optional("cause"), problems),
            },
            "wait" => Self::Wait { until: Until::read(fields, problems) },
            // The documents want choices, the schema does not (§2.6).
            "choice" => Self::Choice {
                choices: read_list(fields.optional("choices"), problems, Choice::read),
                default: fields.optional("default").and_then(|field| {
                    let mut fields = field.fields(problems)?;
                    let way = Way::read(&mut fields, problems);
                    fields.finish("the default of a choice", problems);
                    Some(way)
                }),
            },
            "task" => Self::Task(Box::new(Task::read(fields, problems))),
            "parallel" => {
                let field = fields.required("branches", problems);
                let items = items_of(field.clone(), "branch", problems);
                if let (Some(field), true) = (field, items.len() > BRANCHES_MAX) {
                    let message = format!("{} branches, at most {BRANCHES_MAX} are allowed", items.len());
                    problems.push(field.problem(Code::LimitExceeded, message));
                }
                let branches = items.iter().map(|item| Series::read_branch(item, problems)).collect();
                Self::Parallel { branches }
            }
            "foreach" => Self::read_foreach(fields, problems),
            _ => Self::Pass,
        }
    }

    fn read_foreach(fields: &mut Fields<'n>, problems: &Problems) -> Self {
        let steps = fields.required("steps", problems);
        let body = steps.map(|steps| {
            let path = steps.path.clone();
            Series::read(Some(steps), &path, problems)
        });
        let mapping = fields.required("iterationMapping", problems);
        let (mut collection, mut item, mut index) = (None, None, None);
        if let Some(mut fields) = mapping.and_then(|mapping| mapping.fields(problems)) {
            collection = fields.required("collection", problems).and_then(|field| field.text(problems));
            item = fields.required("item", problems).and_then(|field| field.name(problems));
            index = fields.optional("index").and_then(|field| field.name(problems));
            fields.finish("an iterationMapping", problems);
        }
        Self::Foreach { collection, item, index, body }
    }
}

impl<'n> Until<'n> {
    fn read(fields: &mut Fields<'n>, problems: &Problems) -> Option<Self> {
        match (fields.optional("duration"), fields.optional("timestamp")) {
            (Some(_), Some(timestamp)) => {
                let message = "the step has both `duration` and `timestamp`";
                problems.push(timestamp.problem(Code::InvalidValue, message).with_help("remove one of them"));
                None
            }
            (Some(duration), None) => Some(Self::Duration(duration)),
            (None, Some(timestamp)) => Some(Self::Timestamp(timestamp)),
            (None, None) => {
                let message = "the step has neither `duration` nor `timestamp`";
                problems.push(fields.problem(Code::MissingField, message).with_help("say how long it waits"));
                None
            }
        }
    }
}

impl<'n> Choice<'n> {
    fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let condition = fields.required("condition", problems);
        let way = Way::read(&mut fields, problems);
        fields.finish("an option of a choice", problems);
        Some(Self { condition, way })
    }
}

impl<'n> Way<'n> {
    fn read(fields: &mut Fields<'n>, problems: &Problems) -> Self {
        let steps = fields.optional("steps");
        // An empty list is none.
        let steps = steps
            .filter(|steps| !matches!(&steps.node.content, Content::Sequence(items) if items.is_empty()));
        let steps = steps.map(|steps| {
            let path = steps.path.clone();
            Series::read(Some(steps), &path, problems)
        });
        Self { steps, goto: fields.optional("goto").and_then(|field| field.name(problems)) }
    }
}

impl<'n> Task<'n> {
    fn read(fields: &mut Fields<'n>, problems: &Problems) -> Self {
        let pattern = fields.optional("pattern");
        let words = ["requestResponse", "sync", "waitForCallback"];
        let timeout = fields.optional("timeoutSeconds");
        Self {
            resource: read_resource(fields, problems),
            pattern: match expect_word(pattern, &words, problems) {
                Some(1) => Pattern::Sync,
                Some(2) => Pattern::WaitForCallback,
                Some(_) | None => Pattern::RequestResponse,
            },
            timeout_seconds: timeout.and_then(|field| field.integer(0..=EXECUTION_SECONDS_MAX, problems)),
            parameters: fields.optional("serviceParams"),
            retry: read_list(fields.optional("retry"), problems, Retry::read),
            catch: read_list(fields.optional("catch"), problems, Catch::read),
            error: read_mappings(fields, "errorMappings", problems),
        }
    }
}

/// `resourceArn` or `action`.
fn read_resource(fields: &mut Fields<'_>, problems: &Problems) -> Option<Text> {
    match (fields.optional("resourceArn"), fields.optional("action")) {
        (Some(_), Some(action)) => {
            let message = "the step has both `resourceArn` and `action`";
            problems.push(action.problem(Code::InvalidValue, message).with_help("remove one of them"));
            None
        }
        (Some(field), None) | (None, Some(field)) => field.text(problems),
        (None, None) => {
            let message = "the step has neither `resourceArn` nor `action`";
            let problem = fields.problem(Code::MissingField, message);
            problems.push(problem.with_help("say what is to be done: `resourceArn: acs:fc:::services/…`"));
            None
        }
    }
}

impl Retry {
    fn read(field: &Field<'_>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let errors = read_errors(&mut fields, problems);
        let mut seconds = |name, default| {
            let field = fields.optional(name);
            field.and_then(|field| field.integer(0..=RETRY_SECONDS_MAX, problems)).unwrap_or(default)
        };
        let interval_seconds = seconds("intervalSeconds", INTERVAL_SECONDS);
        let max_interval_seconds = seconds("maxIntervalSeconds", RETRY_SECONDS_MAX);
        let attempts = fields.optional("maxAttempts");
        let attempts = attempts.and_then(|field| field.integer(0..=u64::from(u32::MAX), problems));
        let multiplier = fields.optional("multiplier");
        let policy = Self {
            errors,
            interval_seconds,
            max_interval_seconds,
            max_attempts: attempts.map_or(ATTEMPTS, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            multiplier: multiplier.and_then(|field| field.factor(problems)).unwrap_or(MULTIPLIER),
        };
        fields.finish("a retry policy", problems);
        Some(policy)
    }
}

impl Catch {
    fn read(field: &Field<'_>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let errors = read_errors(&mut fields, problems);
        // In the schema of the language, without a word on what becomes of their output (§5).
        if let Some(steps) = fields.optional("steps") {
            let problem = steps.problem(Code::Unsupported, "steps of a catch do not run in this version");
            problems.push(problem.with_help("let `goto` lead to a choice with these steps"));
        }
        let goto = fields.required("goto", problems).and_then(|field| field.name(problems));
        fields.finish("a catch policy", problems);
        Some(Self { errors, goto })
    }
}

fn read_errors(fields: &mut Fields<'_>, problems: &Problems) -> Vec<Text> {
    let items = items_of(fields.required("errors", problems), "error name", problems);
    items.iter().filter_map(|item| item.name(problems)).collect()
}

/// A text; an empty one is none.
fn read_words(field: Option<Field<'_>>, problems: &Problems) -> Option<Text> {
    let field = field.filter(|field| field.node.as_str().is_none_or(|text| !text.is_empty()))?;
    field.name(problems)
}

/// Mappings, where they are given. An empty list is given too: it makes an empty object.
fn read_mappings<'n>(
    fields: &mut Fields<'n>,
    name: &'static str,
    problems: &Problems,
) -> Option<Vec<Mapping<'n>>> {
    let items = fields.optional(name)?.items(problems)?;
    let read = |item: &Field<'n>| {
        let mut fields = item.fields(problems)?;
        let target = fields.required("target", problems).and_then(|field| field.name(problems));
        // `null` is a constant like any other.
        let source = fields.needed("source", problems);
        fields.finish("a mapping", problems);
        Some(Mapping { target: target?, source: source? })
    };
    Some(items.iter().filter_map(read).collect())
}
