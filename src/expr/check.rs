//! The tests of a `JSONPath` Choice (asl.md §9).

use std::cmp::Ordering;

use super::{Comparison, Error, parse_rfc3339};
use crate::value::{Str, Value};

/// One test of one operand, or of two.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Compares two operands of one kind. Of another kind, either of them: does not hold.
    Compare(Kind, Comparison),
    /// The operand is text that matches.
    Matches(TextPattern),
    /// Whether the operand is of a kind. An operand that is missing is of none.
    Is(Kind),
    /// Whether there is an operand.
    IsPresent,
}

/// What the tests tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Numeric,
    /// A string.
    String,
    /// A string that is a time in RFC 3339.
    Timestamp,
}

/// Text in which `*` stands for any text (`StringMatches`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPattern {
    /// What must occur between the stars, in this order.
    pieces: Vec<Str>,
}

impl TextPattern {
    /// Reads a pattern: `*` is a star, `\*` and `\\` are themselves. A backslash before anything else is
    /// itself too.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' => pieces.push(Str::from(std::mem::take(&mut piece))),
                '\\' => piece.push(chars.next_if(|next| matches!(next, '*' | '\\')).unwrap_or(c)),
                _ => piece.push(c),
            }
        }
        pieces.push(piece.into());
        Self { pieces }
    }

    /// Whether the whole of `text` is of this pattern.
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return text.is_empty() };
        let Some((last, between)) = rest.split_last() else { return text == &**first };
        let inner = text.strip_prefix(&**first).and_then(|text| text.strip_suffix(&**last));
        let Some(mut inner) = inner else { return false };
        // The earliest place of each piece leaves the most for those behind it.
        for piece in between {
            match inner.split_once(&**piece) {
                Some((_, behind)) => inner = behind,
                None => return false,
            }
        }
        true
    }
}

impl Check {
    /// Whether it holds.
    ///
    /// # Errors
    /// None: an operand that must be there and is not was refused by its path.
    pub fn holds(&self, operands: &[Option<Value>]) -> Result<bool, Error> {
        let first = operands.first().and_then(Option::as_ref);
        let second = operands.get(1).and_then(Option::as_ref);
        Ok(match self {
            Self::Compare(kind, comparison) => {
                let order = first.zip(second).and_then(|(left, right)| kind.order(left, right));
                order.is_some_and(|order| comparison.holds_of(order))
            }
            Self::Matches(pattern) => first.and_then(Value::as_str).is_some_and(|text| pattern.matches(text)),
            Self::Is(kind) => first.is_some_and(|value| kind.is_of(value)),
            Self::IsPresent => first.is_some(),
        })
    }
}

impl Kind {
    fn is_of(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Numeric, Value::Number(_))
            | (Self::String, Value::String(_)) => true,
            (Self::Timestamp, Value::String(text)) => parse_rfc3339(text).is_some(),
            (Self::Null | Self::Boolean | Self::Numeric | Self::String | Self::Timestamp, _) => false,
        }
    }

    /// The order of two values of this kind; nothing where one of them is of another. Text is in the order
    /// of its code points, times are in that of their instants, numbers in that of their values.
    fn order(self, left: &Value, right: &Value) -> Option<Ordering> {
        match (self, left, right) {
            (Self::Null, Value::Null, Value::Null) => Some(Ordering::Equal),
            (Self::Boolean, Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            (Self::Numeric, Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
            (Self::String, Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            (Self::Timestamp, Value::String(left), Value::String(right)) => {
                Some(parse_rfc3339(left)?.cmp(&parse_rfc3339(right)?))
            }
            (Self::Null | Self::Boolean | Self::Numeric | Self::String | Self::Timestamp, _, _) => None,
        }
    }
}

impl Comparison {
    /// Whether it holds of two values that are in this order.
    fn holds_of(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::In => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::parse(json).unwrap()
    }

    #[test]
    fn comparisons_hold_of_values_of_one_kind_only() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        use Kind::{Boolean, Numeric, String, Timestamp};
        let cases = [
            (Numeric, Equal, "0", "0.0", true),
            (Numeric, Equal, "9007199254740993", "9007199254740992", false),
            (Numeric, Equal, "null", "0", false),
            (Numeric, Equal, "\"\"", "0", false),
            (Numeric, Equal, "[]", "0", false),
            (Numeric, Equal, "{}", "0", false),
            (Numeric, Equal, "false", "0", false),
            (Numeric, Equal, "1", "\"1\"", false),
            (Numeric, Equal, "\"1\"", "\"1\"", false),
            (Numeric, NotEqual, "\"1\"", "2", false),
            (Numeric, Less, "-1.5", "-1", true),
            (Numeric, LessOrEqual, "1", "1.0", true),
            (Numeric, Greater, "1e3", "999", true),
            (Numeric, GreaterOrEqual, "1", "2", false),
            (Boolean, Equal, "true", "true", true),
            (Boolean, Equal, "true", "false", false),
            (Boolean, Equal, "true", "1", false),
            (Boolean, Equal, "\"true\"", "true", false),
            (String, Equal, "\"a\"", "\"A\"", false),
            (String, Less, "\"A\"", "\"AB\"", true),
            (String, Less, "\"B\"", "\"a\"", true),
            (String, Less, "\"z\"", "\"é\"", true),
            (String, GreaterOrEqual, "\"\"", "\"\"", true),
            (String, Equal, "1", "1", false),
            (String, Less, "null", "\"a\"", false),
            (Timestamp, Equal, "\"2016-03-14T01:59:00Z\"", "\"2016-03-14T03:59:00.000+02:00\"", true),
            (Timestamp, Less, "\"2016-03-14T01:59:00.1Z\"", "\"2016-03-14T01:59:00.11Z\"", true),
            (Timestamp, Greater, "\"2016-03-14T01:59:00-01:00\"", "\"2016-03-14T02:00:00Z\"", true),
            (Timestamp, Equal, "\"2012-10-09T19:00:55\"", "\"2012-10-09T19:00:55\"", false),
            (Timestamp, LessOrEqual, "\"x\"", "\"2016-03-14T01:59:00Z\"", false),
        ];
        for (kind, comparison, left, right, expected) in cases {
            let operands = [Some(value(left)), Some(value(right))];
            let holds = Check::Compare(kind, comparison).holds(&operands).unwrap();
            assert_eq!(holds, expected, "{left} {comparison:?} {right} as {kind:?}");
        }
        assert!(!Check::Compare(Numeric, Equal).holds(&[None, Some(value("1"))]).unwrap());
        assert!(!Check::Compare(Numeric, NotEqual).holds(&[Some(value("1")), None]).unwrap());
        assert!(!Check::Compare(Numeric, Equal).holds(&[]).unwrap());
    }

    #[test]
    fn kinds_are_told_apart() {
        use Kind::{Boolean, Null, Numeric, String, Timestamp};
        let time = "\"2016-03-14T01:59:00Z\"";
        let cases: [(&str, &[Kind]); 8] = [
            ("null", &[Null]),
            ("false", &[Boolean]),
            ("0", &[Numeric]),
            ("1.5", &[Numeric]),
            ("\"\"", &[String]),
            (time, &[String, Timestamp]),
            ("[]", &[]),
            ("{}", &[]),
        ];
        for (json, kinds) in cases {
            for kind in [Null, Boolean, Numeric, String, Timestamp] {
                let holds = Check::Is(kind).holds(&[Some(value(json))]).unwrap();
                assert_eq!(holds, kinds.contains(&kind), "{json} is {kind:?}");
            }
            assert!(Check::IsPresent.holds(&[Some(value(json))]).unwrap(), "{json}");
        }
        assert!(!Check::IsPresent.holds(&[None]).unwrap());
        assert!(!Check::Is(Null).holds(&[None]).unwrap());
    }

    #[test]
    fn patterns_match_the_whole_text() {
        let cases = [
            ("foo*.log", "foo23.log", true),
            ("foo*.log", "foo.log", true),
            ("foo*.log", "xfoo.log", false),
            ("foo*.log", "foo.log2", false),
            ("*.log", "zebra.log", true),
            ("foo*.*", "foobar.zebra", true),
            ("foo*.*", "foobar", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("*ab*ab*", "ab", false),
            ("*ab*ab*", "xabyabz", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"a\\*b", r"a\xb", true),
            (r"a\\b", r"a\b", true),
            (r"a\b", r"a\b", true),
            ("a.c", "abc", false),
            ("é*", "e\u{301}a", false),
            ("é*", "éa", true),
        ];
        for (pattern, text, expected) in cases {
            let check = Check::Matches(TextPattern::new(pattern));
            let holds = check.holds(&[Some(Value::from(text))]).unwrap();
            assert_eq!(holds, expected, "{pattern} against {text}");
        }
        assert!(!Check::Matches(TextPattern::new("*")).holds(&[Some(value("1"))]).unwrap());
    }

    #[test]
    fn instants_are_as_strict_as_the_service() {
        let good = [
            "2016-03-14T01:59:00Z",
            "2016-03-14T01:59:00.123456789012Z",
            "2016-03-14T01:59:00.5-05:30",
            "2016-02-29T23:59:59+00:00",
        ];
        let bad = [
            "",
            "2016-03-14",
            "2016-12-05 21:29:29Z",
            "2016-12-05T21:29:29",
            "2016-12-05t21:29:29Z",
            "2016-12-05T21:29:29z",
            "2016-13-05T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "2015-02-29T00:00:00Z",
            "05-12-2016T21:29:29Z",
            "2016-12-05T21:29Z",
            "2016-12-05T21:29:29.Z",
            "2016-12-05T21:29:29,5Z",
            "2016-12-05T21:29:29+0200",
            "2016-12-05T21:29:29+02",
            "2016-12-05T21:29:29Z ",
            "2016-12-05T21:29:29+02:00[Europe/Paris]",
            "２016-12-05T21:29:29Z",
        ];
        for text in good {
            assert!(parse_rfc3339(text).is_some(), "{text}");
        }
        for text in bad {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
        assert_eq!(
            parse_rfc3339("2016-03-14T01:59:00.1234567891Z"),
            parse_rfc3339("2016-03-14T01:59:00.123456789Z")
        );
    }
}
