//! Fields that hold a number or an instant, or what gives one.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::diagnostic::Code;
use crate::expr::jsonata::Expected;
use crate::expr::{Expr, NeedKind, parse_rfc3339};
use crate::ir::Until;
use crate::value::Value;

use super::super::super::reader::Field;
use super::super::limits::SECONDS_MAX;
use super::super::syntax::{Computed, Language, Wait, number, whole_number};
use super::super::template::{NOTHING, View, reference_path, value};
use super::Lowering;

/// Fields that were recorded to have words of their own for a path that finds nothing (§11).
const TIMEOUTS: [&str; 2] = ["TimeoutSeconds", "HeartbeatSeconds"];

impl Lowering<'_, '_> {
    /// A whole number. A literal is held against the bounds here, what an expression gives by the engine.
    pub(super) fn whole(
        &self,
        field: Option<&Computed<'_>>,
        label: &str,
        bounds: RangeInclusive<u64>,
        view: View,
    ) -> Option<Expr> {
        let literal = |field: &Field<'_>| {
            whole_number(field, bounds.clone(), self.problems)
                .map_or(NOTHING, |number| Expr::Literal(Value::from(number)))
        };
        // None of the fields that hold one starts anywhere but at 0 or 1.
        let expected = Expected::IntegerFrom(u32::from(*bounds.start() > 0));
        field.map(|field| match (field, self.computed(field, label, expected, view, literal)) {
            (Computed::Value(_), value) => value,
            (Computed::Path(_), found) => {
                let kind = if label == "Seconds" { NeedKind::Seconds } else { NeedKind::Integer };
                let found = if TIMEOUTS.contains(&label) { without_results(found) } else { found };
                found.needed(format!("{label}Path"), kind)
            }
        })
    }

    /// A percentage.
    pub(super) fn percentage(&self, field: Option<&Computed<'_>>, label: &str, view: View) -> Option<Expr> {
        let literal = |field: &Field<'_>| {
            number(field, 0.0..=100.0, self.problems)
                .map_or(NOTHING, |_| Expr::Literal(field.node.to_value()))
        };
        field.map(|field| self.computed(field, label, Expected::Percentage, view, literal))
    }

    fn computed(
        &self,
        field: &Computed<'_>,
        label: &str,
        expected: Expected,
        view: View,
        literal: impl Fn(&Field<'_>) -> Expr,
    ) -> Expr {
        match field {
            Computed::Path(field) => match field.text(self.problems) {
                Some(text) => reference_path(&text, &format!("{label}Path"), view, self.problems),
                None => NOTHING,
            },
            Computed::Value(field) if is_expression(field, view.language) => {
                value(field, label, expected, view, self.problems)
            }
            Computed::Value(field) => literal(field),
        }
    }

    /// How long a Wait waits.
    pub(super) fn until(&self, wait: &Wait<'_>, view: View) -> Until {
        match wait {
            Wait::Seconds(field) => {
                let seconds = self.whole(Some(field), "Seconds", 0..=SECONDS_MAX, view);
                Until::Seconds(seconds.unwrap_or(NOTHING))
            }
            Wait::Timestamp(field) => {
                let literal = |field: &Field<'_>| self.timestamp(field);
                Until::Timestamp(self.computed(field, "Timestamp", Expected::Timestamp, view, literal))
            }
        }
    }

    /// A literal instant.
    pub(super) fn timestamp(&self, field: &Field<'_>) -> Expr {
        let instant = field.node.to_value();
        if instant.as_str().is_none() {
            self.problems.push(field.wrong_type("a string"));
        } else if instant.as_str().is_some_and(|text| parse_rfc3339(text).is_none()) {
            let message = format!("expected a time in RFC 3339, found `{}`", instant.excerpt(64));
            let problem = field.problem(Code::InvalidValue, message);
            self.problems.push(problem.with_help("such as `2016-08-18T17:33:00Z`"));
        }
        Expr::Literal(instant)
    }
}

/// A path in the words of [`TIMEOUTS`].
fn without_results(found: Expr) -> Expr {
    if let Expr::Query { from, path, missing } = found {
        let path = Arc::new(path.as_ref().clone().without_results());
        return Expr::Query { from, path, missing };
    }
    found
}

/// Whether a field holds an expression of `JSONata`.
pub(super) fn is_expression(field: &Field<'_>, language: Language) -> bool {
    language == Language::Jsonata
        && field.node.as_str().is_some_and(|text| crate::expr::jsonata::delimited(text).is_some())
}
