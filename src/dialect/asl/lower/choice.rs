//! Choice rules (asl.md §9).

use crate::expr::jsonata::Expected;
use crate::expr::{Check, Expr, Kind as ValueKind, Missing, TextPattern};
use crate::ir::{Branch, Kind, Rule, Variables};
use crate::source::Content;
use crate::value::Value;

use super::super::super::reader::{Field, Text};
use super::super::syntax::{self, Comparand, Condition, Operator, Test};
use super::super::template::{Moment, NOTHING, View, path, payload, value};
use super::number::is_expression;
use super::{Lowering, Names};

impl Lowering<'_, '_> {
    /// A Choice leaves by one of its branches, so its output is made and its variables are set there.
    pub(super) fn choice(
        &self,
        rules: &[syntax::Rule<'_>],
        default: Option<&Text>,
        names: &Names<'_>,
        view: View,
        output: Option<Expr>,
        variables: Option<Variables>,
    ) -> Kind {
        let view = view.at(Moment::Entry);
        // All rules have it in common.
        let output = output.map(Expr::shared);
        let rule = |rule: &syntax::Rule<'_>| {
            let own = rule.output.as_ref().map(|field| payload(field, "Output", view, self.problems));
            Rule {
                condition: self.condition(&rule.condition, view),
                branch: Branch {
                    body: None,
                    output: own.or_else(|| output.clone()),
                    // One without does not fall back to that of the state (§8).
                    variables: rule.assign.as_ref().and_then(|field| self.variables(field, view)),
                    next: self.next(names, rule.next.as_ref()),
                },
            }
        };
        let rules = rules.iter().map(rule).collect();
        let otherwise =
            default.map(|next| Branch { body: None, output, variables, next: self.next(names, Some(next)) });
        Kind::Choice { rules, otherwise }
    }

    fn condition(&self, condition: &Condition<'_>, view: View) -> Expr {
        match condition {
            Condition::Broken => NOTHING,
            Condition::Test(test) => self.test(test, view),
            Condition::Given(field) if is_expression(field, view.language) => {
                value(field, "Condition", Expected::Boolean, view, self.problems)
            }
            Condition::Given(field) => match field.node.content {
                Content::Bool(holds) => Expr::Literal(Value::Bool(holds)),
                Content::Null
                | Content::Number(_)
                | Content::String(_)
                | Content::Sequence(_)
                | Content::Mapping(_) => {
                    let problem = field.wrong_type("true, false or an expression");
                    self.problems.push(problem.with_help("such as `{% $states.input.total > 100 %}`"));
                    NOTHING
                }
            },
        }
    }

    fn test(&self, test: &Test<'_>, view: View) -> Expr {
        let tests = |tests: &[Test<'_>]| tests.iter().map(|test| self.test(test, view)).collect();
        match test {
            Test::Broken => NOTHING,
            Test::All(operands) => Expr::All(tests(operands)),
            Test::Any(operands) => Expr::Any(tests(operands)),
            Test::Not(operand) => Expr::Not(Box::new(self.test(operand, view))),
            Test::Compare { variable, operator, operand } => self.compare(variable, *operator, operand, view),
        }
    }

    fn compare(&self, variable: &Field<'_>, operator: Operator, operand: &Field<'_>, view: View) -> Expr {
        // Whether it is there is the only thing that can be asked of what is not (§9).
        let missing = if operator == Operator::IsPresent { Missing::Undefined } else { Missing::Error };
        let variable = self.operand(variable, "Variable", missing, view);
        match operator {
            Operator::Compare(kind, comparison, Comparand::Literal) => {
                let operand = self.literal_of(kind, operand);
                Expr::Check(Check::Compare(kind, comparison), vec![variable, operand])
            }
            Operator::Compare(kind, comparison, Comparand::Path) => {
                let label = operand.path.rsplit('.').next().unwrap_or_default();
                let operand = self.operand(operand, label, Missing::Error, view);
                Expr::Check(Check::Compare(kind, comparison), vec![variable, operand])
            }
            Operator::Matches => {
                let pattern = operand.node.as_str().map_or("", |pattern| pattern);
                self.literal_of(ValueKind::String, operand);
                Expr::Check(Check::Matches(TextPattern::new(pattern)), vec![variable])
            }
            Operator::Is(kind) => self.is(Check::Is(kind), variable, operand),
            Operator::IsPresent => self.is(Check::IsPresent, variable, operand),
        }
    }

    /// A test that asks for `true`, or with `false` for its contrary.
    fn is(&self, check: Check, variable: Expr, wanted: &Field<'_>) -> Expr {
        let check = Expr::Check(check, vec![variable]);
        match wanted.bool(self.problems) {
            Some(false) => Expr::Not(Box::new(check)),
            Some(true) | None => check,
        }
    }

    fn operand(&self, field: &Field<'_>, label: &str, missing: Missing, view: View) -> Expr {
        field.text(self.problems).map_or(NOTHING, |text| path(&text, label, view, missing, self.problems))
    }

    /// What a variable is compared with, of the operator's kind.
    fn literal_of(&self, kind: ValueKind, field: &Field<'_>) -> Expr {
        let value = field.node.to_value();
        let (is_fitting, expected) = match kind {
            ValueKind::Timestamp => return self.timestamp(field),
            ValueKind::String => (value.as_str().is_some(), "a string"),
            ValueKind::Numeric => (value.as_number().is_some(), "a number"),
            ValueKind::Boolean => (value.as_bool().is_some(), "true or false"),
            ValueKind::Null => (value == Value::Null, "nothing"),
        };
        if !is_fitting {
            self.problems.push(field.wrong_type(expected));
        }
        Expr::Literal(value)
    }
}
