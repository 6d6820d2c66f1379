//! Functions at the end of a path: `$.prices.max()`.

use super::Error;
use super::filter::{Operand, size};
use super::select::Search;
use crate::expr::call::TEXT_BYTES_MAX;
use crate::expr::path::element;
use crate::value::{Array, Number, Value};

/// A function with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) arguments: Vec<Operand>,
}

/// What is made of all that a path finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Elements, members or characters.
    Length,
    /// The least number.
    Min,
    /// The greatest number.
    Max,
    /// The mean of the numbers.
    Avg,
    /// The sum of the numbers.
    Sum,
    /// The standard deviation of the numbers.
    StdDev,
    /// The names of the members.
    Keys,
    /// One text of all texts.
    Concat,
    /// The array and the arguments behind it.
    Append,
    /// The first element.
    First,
    /// The last element.
    Last,
    /// The element at a position.
    Index,
}

impl Function {
    /// Names of all functions.
    pub(super) const NAMES: &'static [(&'static str, Self)] = &[
        ("length", Self::Length),
        ("size", Self::Length),
        ("min", Self::Min),
        ("max", Self::Max),
        ("avg", Self::Avg),
        ("sum", Self::Sum),
        ("stddev", Self::StdDev),
        ("keys", Self::Keys),
        ("concat", Self::Concat),
        ("append", Self::Append),
        ("first", Self::First),
        ("last", Self::Last),
        ("index", Self::Index),
    ];
}

impl Call {
    /// What the function makes of what the path before it found; nothing where it can make nothing of it.
    pub(super) fn value(&self, found: Option<Value>, search: &Search<'_>) -> Result<Option<Value>, Error> {
        let mut arguments = Vec::new();
        for argument in &self.arguments {
            arguments.extend(argument.value(search.root, search)?);
        }
        let items = found.as_ref().and_then(Value::as_array);
        let numbers = || numbers(found.as_ref(), &arguments, search);
        Ok(match self.function {
            Function::Length => match arguments.first().or(found.as_ref()) {
                Some(value) => size(value, search)?.map(Value::from),
                None => None,
            },
            Function::Min => extreme(numbers()?, |number, least| number < least),
            Function::Max => extreme(numbers()?, |number, greatest| number > greatest),
            Function::Sum => number(moments(&numbers()?).map(|(sum, _, _)| sum)),
            Function::Avg => number(moments(&numbers()?).map(|(_, mean, _)| mean)),
            Function::StdDev => number(moments(&numbers()?).map(|(_, _, variance)| variance.sqrt())),
            Function::Keys => match found.as_ref().and_then(Value::as_object) {
                Some(members) => {
                    let names: Vec<_> = members.iter().map(|(name, _)| Value::String(name.clone())).collect();
                    Some(search.array(&names)?)
                }
                None => None,
            },
            Function::Concat => Some(concat(items, &arguments, search)?),
            Function::Append => match items {
                Some(items) => Some(search.array(items.iter().chain(&arguments))?),
                None => None,
            },
            Function::First => items.and_then(|items| items.first().cloned()),
            Function::Last => items.and_then(|items| items.last().cloned()),
            Function::Index => {
                let position = arguments.first().and_then(Value::as_i64);
                position.zip(items).and_then(|(position, items)| element(items, position).cloned())
            }
        })
    }
}

/// All numbers in what was found and in the arguments, which may be arrays too.
fn numbers(found: Option<&Value>, arguments: &[Value], search: &Search<'_>) -> Result<Vec<Number>, Error> {
    let mut numbers = Vec::new();
    for value in found.into_iter().chain(arguments) {
        let items = value.as_array().map_or(std::slice::from_ref(value), |items| items);
        search.spend(items.len())?;
        numbers.extend(items.iter().filter_map(Value::as_number).cloned());
    }
    Ok(numbers)
}

fn extreme(numbers: Vec<Number>, is_beyond: impl Fn(&Number, &Number) -> bool) -> Option<Value> {
    let beyond = |best: Number, number: Number| if is_beyond(&number, &best) { number } else { best };
    numbers.into_iter().reduce(beyond).map(Value::Number)
}

/// Sum, mean and variance.
fn moments(numbers: &[Number]) -> Option<(f64, f64, f64)> {
    if numbers.is_empty() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().map(Number::as_f64).sum();
    let mean = sum / count;
    let deviations = numbers.iter().map(|number| (number.as_f64() - mean).powi(2));
    Some((sum, mean, deviations.sum::<f64>() / count))
}

/// Integers print without `.0` (asl.md §2).
fn number(value: Option<f64>) -> Option<Value> {
    let number = Number::from_f64(value?)?;
    Some(number.as_i64().map_or(Value::Number(number), Value::from))
}

fn concat(items: Option<&Array>, arguments: &[Value], search: &Search<'_>) -> Result<Value, Error> {
    let mut out = String::new();
    for value in items.into_iter().flat_map(|items| items.iter()).chain(arguments) {
        search.spend_bytes(value.as_str().map_or(0, str::len))?;
        match value {
            Value::String(text) => out.push_str(text),
            Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_json()),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
        if out.len() > TEXT_BYTES_MAX {
            return Err(search.too_large(&format!("makes a text of more than {TEXT_BYTES_MAX} bytes")));
        }
    }
    Ok(Value::from(out))
}
