//! `JSONata` expressions as Amazon States Language uses them (asl.md §7).
//!
//! The language is the library's; here is what is the service's: what it refuses, what it adds, what the
//! fields of a state take, and the bounds.

mod analysis;
mod bounds;
mod convert;
mod functions;
mod host;
mod reads;
mod syntax;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, EvaluatorOptions};
use jsonata_core::value::JValue;

use super::{Error, ErrorKind, Expr, Root, Scope, interrupt, parse_rfc3339};
use crate::value::{Str, Value};
use analysis::Analysis;
use convert::{from_library, to_library};
use host::Hosts;
use reads::Part;

/// Levels of evaluation: about a thousand calls of a function within itself, each some kilobytes of
/// memory. Calls in tail position do not count.
const DEPTH_MAX: usize = 3_000;

/// Longest sequence: more items than the largest payload can hold.
const SEQUENCE_MAX: usize = 300_000;

/// Most of a value or of the library's words that a message shows, in characters.
const EXCERPT_CHARS: usize = 256;

/// A `JSONata` expression in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: Str,
    /// What `$states` is, as far as it is read.
    states: Option<Expr>,
    /// The field, such as `Output/result`, for messages.
    field: Str,
    expected: Expected,
    tree: Arc<AstNode>,
    /// Variables of the scope, and how much of them is read.
    variables: Vec<(Root, Part)>,
    /// How much of `$states` is read.
    part: Part,
    hosts: Vec<&'static str>,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Expected {
    Any,
    Array,
    Boolean,
    Integer,
    /// A whole number of at least so much.
    IntegerFrom(u32),
    Number,
    Object,
    /// A number from 0 to 100.
    Percentage,
    String,
    /// A string that is a time in RFC 3339.
    Timestamp,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte at which it was noticed.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// The text between `{%` and `%}`; nothing for a string that is no expression.
#[must_use]
pub fn delimited(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

impl Expression {
    /// Reads the text of an expression, without its delimiters.
    ///
    /// # Errors
    /// Where it is no `JSONata` 2.0.6, or uses what Amazon States Language does not have.
    pub fn parse(
        text: &str,
        states: Expr,
        field: impl Into<Str>,
        expected: Expected,
    ) -> Result<Self, SyntaxError> {
        let (tree, analysis) = syntax::parse(text)?;
        let Analysis { mut reads, hosts, .. } = analysis;
        let part = reads.remove("states").unwrap_or_else(Part::nothing);
        Ok(Self {
            text: text.trim().into(),
            states: (!part.is_nothing()).then(|| part.of(states)),
            field: field.into(),
            expected,
            tree: Arc::new(tree),
            variables: reads.into_iter().map(|(name, part)| (Root::Variable(name), part)).collect(),
            part,
            hosts: hosts.into_iter().collect(),
        })
    }

    /// Whether it reads this member of `$states`.
    #[must_use]
    pub fn reads_states(&self, member: &str) -> bool {
        self.part.has(member)
    }

    /// What it gives.
    ///
    /// # Errors
    /// Where it fails, gives nothing, or not what the field takes: [`ErrorKind::Query`]. Where it gives
    /// more than any field takes: [`ErrorKind::TooLarge`].
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Error> {
        let result = self.compute(scope)?;
        let value = from_library(&result).map_err(|why| self.error(why.kind, &why.message))?;
        let value = value.ok_or_else(|| self.error(ErrorKind::Query, "returned nothing (undefined)."))?;
        if self.expected.takes(&value) {
            return Ok(value);
        }
        let (expected, found) = (self.expected.name(), value.kind());
        let excerpt = value.excerpt(EXCERPT_CHARS);
        let message = format!(
            "returned an unexpected result type. Expected '{expected}', but was '{found}' for value: {excerpt}"
        );
        Err(self.error(ErrorKind::Query, &message))
    }

    fn compute(&self, scope: &dyn Scope) -> Result<JValue, Error> {
        let mut bindings = Context::new();
        if let Some(states) = self.states.as_ref().map(|states| states.eval(scope)).transpose()?.flatten() {
            bindings.bind("states".to_owned(), to_library(&states, &self.part));
        }
        for (root, part) in &self.variables {
            if let (Root::Variable(name), Some(value)) = (root, scope.get(root)) {
                let value = to_library(&value, part);
                host::names(name).for_each(|name| bindings.bind(name.to_owned(), value.clone()));
            }
        }
        let calls = |names: &[&str]| self.hosts.iter().any(|host| names.contains(host));
        let now = calls(&["now", "millis"]).then(|| scope.get(&Root::Now)).flatten();
        let now = now.as_ref().and_then(Value::as_str).map(str::to_owned);
        let seed = if calls(&["random", "shuffle", "uuid"]) { scope.draw() } else { [0; 16] };
        let options = EvaluatorOptions {
            timeout_ms: None,
            cancel: interrupt::current().map(|interrupt| interrupt.token()),
            max_stack_depth: Some(DEPTH_MAX),
            max_sequence_length: Some(SEQUENCE_MAX),
        };
        let hosts = Hosts::new(self.hosts.clone(), now, seed, options);
        let evaluate = || {
            let evaluated = hosts
                .evaluator(bindings)
                .and_then(|mut evaluator| evaluator.evaluate(&self.tree, &JValue::Undefined));
            // What is left of the evaluation is gone before its result is looked at.
            drop(hosts);
            bounds::forget_measured();
            evaluated
        };
        // One that broke off may have left something.
        bounds::forget_measured();
        let result = guarded(evaluate)
            .ok_or_else(|| self.error(ErrorKind::Query, "threw an error during evaluation. Out of range."))?;
        result.map_err(|why| {
            let message: String = why.message().chars().take(EXCERPT_CHARS).collect();
            self.error(ErrorKind::Query, &format!("threw an error during evaluation. {message}"))
        })
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let (text, field) = (&self.text, &self.field);
        Error::new(kind, format!("The JSONata expression '{text}' specified for the field '{field}' {what}"))
    }
}

/// What `work` gives, nothing where the library panics, which it does on some numbers that are far out of
/// range (`$fromMillis(0, '[Y,1000000000]')`). Nothing that it touches is used afterwards.
fn guarded<R>(work: impl FnOnce() -> R) -> Option<R> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

impl Expected {
    fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::IntegerFrom(0) => "non-negative integer",
            Self::IntegerFrom(_) => "positive integer",
            Self::Number => "number",
            Self::Object => "object",
            Self::Percentage => "number between 0 and 100",
            Self::String => "string",
            Self::Timestamp => "timestamp",
        }
    }

    fn takes(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Array => value.as_array().is_some(),
            Self::Boolean => value.as_bool().is_some(),
            Self::Integer => value.as_i64().is_some(),
            Self::IntegerFrom(least) => value.as_i64().is_some_and(|number| number >= i64::from(least)),
            Self::Number => value.as_number().is_some(),
            Self::Object => value.as_object().is_some(),
            Self::Percentage => {
                value.as_number().is_some_and(|number| (0.0..=100.0).contains(&number.as_f64()))
            }
            Self::String => value.as_str().is_some(),
            Self::Timestamp => value.as_str().is_some_and(|text| parse_rfc3339(text).is_some()),
        }
    }
}
