//! Fields that states of all types share, and how wrong ones are told.

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::jsonata;
use crate::source::Content;

use super::super::super::reader::{Field, Fields, Problems};
use super::{Language, Reading};

/// Fields of one query language, and what stands for them in the other.
const ONLY_JSONPATH: &[(&str, &str)] = &[
    ("InputPath", "select from `$states.input` in an expression"),
    ("OutputPath", "use `Output`"),
    ("Parameters", "use `Arguments`"),
    ("ResultSelector", "use `Output`"),
    ("ResultPath", "use `Output`"),
    ("Result", "use `Output`"),
    ("ItemsPath", "use `Items`"),
    ("SecondsPath", "write an expression into `Seconds`"),
    ("TimestampPath", "write an expression into `Timestamp`"),
    ("TimeoutSecondsPath", "write an expression into `TimeoutSeconds`"),
    ("HeartbeatSecondsPath", "write an expression into `HeartbeatSeconds`"),
    ("ErrorPath", "write an expression into `Error`"),
    ("CausePath", "write an expression into `Cause`"),
    ("MaxConcurrencyPath", "write an expression into `MaxConcurrency`"),
    ("ToleratedFailureCountPath", "write an expression into `ToleratedFailureCount`"),
    ("ToleratedFailurePercentagePath", "write an expression into `ToleratedFailurePercentage`"),
    ("MaxItemsPath", "write an expression into `MaxItems`"),
    ("MaxItemsPerBatchPath", "write an expression into `MaxItemsPerBatch`"),
    ("MaxInputBytesPerBatchPath", "write an expression into `MaxInputBytesPerBatch`"),
    ("Variable", "use `Condition`"),
    ("And", "use `Condition`"),
    ("Or", "use `Condition`"),
    ("Not", "use `Condition`"),
];

/// The same the other way round.
const ONLY_JSONATA: &[(&str, &str)] = &[
    ("Arguments", "use `Parameters`"),
    ("Output", "use `ResultSelector`, `ResultPath` or `OutputPath`"),
    ("Items", "use `ItemsPath`"),
    ("Condition", "use `Variable` with an operator, `And`, `Or` or `Not`"),
];

/// `Field: value`, or `FieldPath: path` in `JSONPath`.
#[derive(Debug)]
pub(in super::super) enum Computed<'n> {
    Value(Field<'n>),
    Path(Field<'n>),
}

impl<'n> Computed<'n> {
    pub(super) fn read(
        fields: &mut Fields<'n>,
        value: &'static str,
        path: &'static str,
        reading: Reading<'_>,
    ) -> Option<Self> {
        let names = match reading.language {
            Language::JsonPath => &[value, path][..],
            Language::Jsonata => &[value][..],
        };
        let (name, field) = reading.at_most_one(fields, names)?;
        Some(if name == path { Self::Path(field) } else { Self::Value(field) })
    }
}

impl Reading<'_> {
    /// Notes what is wrong where several of `names` are given; the first of them.
    pub(super) fn at_most_one<'n>(
        self,
        fields: &mut Fields<'n>,
        names: &[&'static str],
    ) -> Option<(&'static str, Field<'n>)> {
        let mut given = fields.given_of(names).into_iter();
        let first = given.next()?;
        for (name, field) in given {
            let message = format!("both `{}` and `{name}` are given", first.0);
            self.problems.push(field.problem(Code::Alternatives, message).with_help("remove one of them"));
        }
        Some(first)
    }

    /// The same; that there is none is noted too.
    pub(super) fn exactly_one<'n>(
        self,
        fields: &mut Fields<'n>,
        names: &[&'static str],
    ) -> Option<(&'static str, Field<'n>)> {
        let one = self.at_most_one(fields, names);
        if one.is_none() {
            let names = in_words(names.iter().copied());
            self.problems.push(fields.problem(Code::Alternatives, format!("one of {names} must be given")));
        }
        one
    }

    /// The word of a field that takes some words only.
    pub(super) fn word(self, field: &Field<'_>, words: &[&'static str]) -> Option<&'static str> {
        let text = field.text(self.problems)?;
        let word = words.iter().copied().find(|word| *word == &*text.value);
        if word.is_none() {
            let message = format!("expected {}, found `{}`", in_words(words.iter().copied()), text.value);
            self.problems.push(field.problem(Code::InvalidValue, message));
        }
        word
    }

    pub(super) fn comment(self, fields: &mut Fields<'_>) {
        if let Some(field) = fields.given("Comment") {
            expect_string(&field, self.problems);
        }
    }

    /// Notes every member that nobody asked for.
    pub(super) fn finish(self, mut fields: Fields<'_>, place: &str) {
        let (foreign, other) = match self.language {
            Language::JsonPath => (ONLY_JSONATA, Language::Jsonata),
            Language::Jsonata => (ONLY_JSONPATH, Language::JsonPath),
        };
        for (name, help) in foreign {
            if let Some(field) = fields.unasked(name) {
                let message = format!(
                    "`{name}` is a field of {}, the query language is {} here",
                    other.as_str(),
                    self.language.as_str()
                );
                let problem = Diagnostic::new(Code::QueryLanguage, field.path, field.span, message);
                self.problems.push(problem.with_help(*help));
            }
        }
        fields.finish(place, self.problems);
    }
}

/// A string, empty or not.
pub(super) fn expect_string(field: &Field<'_>, problems: &Problems) {
    if field.node.as_str().is_none() {
        problems.push(field.wrong_type("a string"));
    }
}

/// The elements of a list that must have some.
pub(super) fn items_of<'n>(field: Option<Field<'n>>, what: &str, problems: &Problems) -> Vec<Field<'n>> {
    let Some(field) = field else { return Vec::new() };
    let Some(items) = field.items(problems) else { return Vec::new() };
    if items.is_empty() {
        problems.push(field.problem(Code::InvalidValue, format!("expected at least one {what}")));
    }
    items
}

/// A whole number between bounds. Unlike in FDL, a string that holds one is none.
pub(in super::super) fn whole_number(
    field: &Field<'_>,
    bounds: std::ops::RangeInclusive<u64>,
    problems: &Problems,
) -> Option<u64> {
    match field.node.content {
        Content::Number(_) => field.integer(bounds, problems),
        Content::Null
        | Content::Bool(_)
        | Content::String(_)
        | Content::Sequence(_)
        | Content::Mapping(_) => {
            problems.push(wrong_number(field, "a whole number"));
            None
        }
    }
}

/// What is no number, though what is in it may be meant as one.
fn wrong_number(field: &Field<'_>, expected: &str) -> Diagnostic {
    let problem = field.wrong_type(expected);
    match field.node.as_str() {
        Some(text) if jsonata::delimited(text).is_some() => problem
            .with_help("expressions in `{% %}` are JSONata: give the state `\"QueryLanguage\": \"JSONata\"`"),
        Some(text) if text.parse::<f64>().is_ok() => {
            problem.with_help(format!("write `{text}` without quotes"))
        }
        Some(_) | None => problem,
    }
}

/// A number between bounds, with or without a fraction.
pub(in super::super) fn number(
    field: &Field<'_>,
    bounds: std::ops::RangeInclusive<f64>,
    problems: &Problems,
) -> Option<f64> {
    let Content::Number(number) = &field.node.content else {
        problems.push(wrong_number(field, "a number"));
        return None;
    };
    let inside = Some(number.as_f64()).filter(|number| bounds.contains(number));
    if inside.is_none() {
        let (start, end) = (bounds.start(), bounds.end());
        let expected =
            if *end < f64::MAX { format!("from {start} to {end}") } else { format!("from {start}") };
        problems
            .push(field.problem(Code::InvalidValue, format!("expected a number {expected}, found {number}")));
    }
    inside
}

fn in_words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
