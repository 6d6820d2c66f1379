//! Retry and Catch (asl.md §10).

use crate::ir::{Catcher, Pattern, Retrier};

use super::super::super::reader::Text;
use super::super::limits::{ANY_ERROR, TASK_FAILED, TIMEOUTS};
use super::super::syntax::{self, Language};
use super::super::template::{Moment, View, error_output, payload};
use super::{Lowering, Names};

pub(super) fn retrier(rule: &syntax::Retrier) -> Retrier {
    Retrier {
        errors: patterns(&rule.errors),
        max_attempts: rule.max_attempts,
        interval_seconds: rule.interval_seconds,
        backoff_rate: rule.backoff_rate,
        max_delay_seconds: rule.max_delay_seconds,
        jitter: rule.jitter,
    }
}

/// Names are compared as they are written; two of them stand for many.
fn patterns(errors: &[Text]) -> Vec<Pattern> {
    errors
        .iter()
        .map(|error| match &*error.value {
            ANY_ERROR => Pattern::Any,
            TASK_FAILED => Pattern::AnyBut(TIMEOUTS.map(Into::into).to_vec()),
            _ => Pattern::Named(error.value.clone()),
        })
        .collect()
}

impl Lowering<'_, '_> {
    pub(super) fn catcher(
        &self,
        rule: &syntax::Catcher<'_>,
        names: &Names<'_>,
        view: View,
    ) -> Option<Catcher> {
        let view = view.at(Moment::Caught);
        let output = match (view.language, &rule.output) {
            (Language::JsonPath, _) => self.placed(rule.result_path.as_ref(), error_output()),
            (Language::Jsonata, Some(field)) => payload(field, "Output", view, self.problems),
            (Language::Jsonata, None) => error_output(),
        };
        let variables = rule.assign.as_ref().and_then(|field| self.variables(field, view));
        let next = self.target(names, rule.next.as_ref())?;
        Some(Catcher { errors: patterns(&rule.errors), output: Some(output), variables, next })
    }
}
