//! Choice rules (asl.md §9).

use crate::diagnostic::Code;
use crate::expr::{Comparison, Kind};

use super::super::super::reader::{Field, Fields, Text};
use super::field::items_of;
use super::{Language, Reading};

#[derive(Debug)]
pub(in super::super) struct Rule<'n> {
    pub(in super::super) condition: Condition<'n>,
    pub(in super::super) next: Option<Text>,
    pub(in super::super) assign: Option<Field<'n>>,
    pub(in super::super) output: Option<Field<'n>>,
}

#[derive(Debug)]
pub(in super::super) enum Condition<'n> {
    /// `Condition` of `JSONata`.
    Given(Field<'n>),
    Test(Test<'n>),
    /// Missing, which was noted.
    Broken,
}

/// A `JSONPath` test, as deep as it was written.
#[derive(Debug)]
pub(in super::super) enum Test<'n> {
    All(Vec<Test<'n>>),
    Any(Vec<Test<'n>>),
    Not(Box<Test<'n>>),
    Compare {
        variable: Field<'n>,
        operator: Operator,
        operand: Field<'n>,
    },
    /// Missing, which was noted.
    Broken,
}

/// What an operator asks of the variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Operator {
    Compare(Kind, Comparison, Comparand),
    Matches,
    Is(Kind),
    IsPresent,
}

/// What a variable is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Comparand {
    Literal,
    Path,
}

/// A comparison with a literal, and its twin with a path.
macro_rules! twins {
    ($name:literal, $kind:ident, $comparison:ident) => {
        [
            ($name, Operator::Compare(Kind::$kind, Comparison::$comparison, Comparand::Literal)),
            (
                concat!($name, "Path"),
                Operator::Compare(Kind::$kind, Comparison::$comparison, Comparand::Path),
            ),
        ]
    };
}

const COMPARISONS: &[[(&str, Operator); 2]] = &[
    twins!("StringEquals", String, Equal),
    twins!("StringLessThan", String, Less),
    twins!("StringGreaterThan", String, Greater),
    twins!("StringLessThanEquals", String, LessOrEqual),
    twins!("StringGreaterThanEquals", String, GreaterOrEqual),
    twins!("NumericEquals", Numeric, Equal),
    twins!("NumericLessThan", Numeric, Less),
    twins!("NumericGreaterThan", Numeric, Greater),
    twins!("NumericLessThanEquals", Numeric, LessOrEqual),
    twins!("NumericGreaterThanEquals", Numeric, GreaterOrEqual),
    twins!("BooleanEquals", Boolean, Equal),
    twins!("TimestampEquals", Timestamp, Equal),
    twins!("TimestampLessThan", Timestamp, Less),
    twins!("TimestampGreaterThan", Timestamp, Greater),
    twins!("TimestampLessThanEquals", Timestamp, LessOrEqual),
    twins!("TimestampGreaterThanEquals", Timestamp, GreaterOrEqual),
];

const TESTS: &[(&str, Operator)] = &[
    ("StringMatches", Operator::Matches),
    ("IsNull", Operator::Is(Kind::Null)),
    ("IsPresent", Operator::IsPresent),
    ("IsNumeric", Operator::Is(Kind::Numeric)),
    ("IsString", Operator::Is(Kind::String)),
    ("IsBoolean", Operator::Is(Kind::Boolean)),
    ("IsTimestamp", Operator::Is(Kind::Timestamp)),
];

pub(super) fn read_rules<'n>(field: Option<Field<'n>>, reading: Reading<'_>) -> Vec<Rule<'n>> {
    let items = items_of(field, "rule", reading.problems);
    items.iter().filter_map(|item| Rule::read(item, reading)).collect()
}

impl<'n> Rule<'n> {
    fn read(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let problems = reading.problems;
        let mut fields = field.fields(problems)?;
        reading.comment(&mut fields);
        let next = fields.needed("Next", problems).and_then(|field| field.text(problems));
        let assign = fields.given("Assign");
        let (condition, output) = match reading.language {
            Language::JsonPath => (Condition::Test(Test::read_fields(&mut fields, reading)), None),
            Language::Jsonata => {
                let condition = fields.needed("Condition", problems);
                (condition.map_or(Condition::Broken, Condition::Given), fields.given("Output"))
            }
        };
        reading.finish(fields, "a rule of a Choice");
        Some(Self { condition, next, assign, output })
    }
}

impl<'n> Test<'n> {
    /// A test within another.
    fn read(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let mut fields = field.fields(reading.problems)?;
        reading.comment(&mut fields);
        let test = Self::read_fields(&mut fields, reading);
        reading.finish(fields, "a test within a rule of a Choice");
        Some(test)
    }

    fn read_fields(fields: &mut Fields<'n>, reading: Reading<'_>) -> Self {
        let problems = reading.problems;
        let Some((name, field)) = reading.at_most_one(fields, &["And", "Or", "Not", "Variable"]) else {
            let message = "one of `And`, `Or`, `Not`, `Variable` must be given";
            problems.push(fields.problem(Code::Alternatives, message));
            read_operator(fields, reading);
            return Self::Broken;
        };
        let tests = |field: Field<'n>| {
            let items = items_of(Some(field), "test", problems);
            items.iter().filter_map(|item| Self::read(item, reading)).collect()
        };
        match name {
            "And" => Self::All(tests(field)),
            "Or" => Self::Any(tests(field)),
            "Not" => Self::read(&field, reading).map_or(Self::Broken, |test| Self::Not(Box::new(test))),
            _ => match read_operator(fields, reading) {
                Some((operator, operand)) => Self::Compare { variable: field, operator, operand },
                None => {
                    let message = "`Variable` needs an operator such as `StringEquals` beside it";
                    problems.push(fields.problem(Code::Alternatives, message));
                    Self::Broken
                }
            },
        }
    }
}

/// The operator of a test with its operand. A second one is noted.
fn read_operator<'n>(fields: &mut Fields<'n>, reading: Reading<'_>) -> Option<(Operator, Field<'n>)> {
    let mut given = COMPARISONS
        .iter()
        .flatten()
        .chain(TESTS)
        .filter_map(|(name, operator)| Some((*name, *operator, fields.given(name)?)))
        .collect::<Vec<_>>()
        .into_iter();
    let (first, operator, operand) = given.next()?;
    for (name, _, field) in given {
        let message = format!("both `{first}` and `{name}` are given");
        let help = "a test has one operator; combine several with `And`";
        reading.problems.push(field.problem(Code::Alternatives, message).with_help(help));
    }
    Some((operator, operand))
}
