//! Values on their way to the library and back.

use jsonata_core::value::JValue;

use super::reads::Part;
use crate::expr::{Error, ErrorKind};
use crate::value::{DEPTH_MAX, Number, Value};

/// Longest result in bytes of JSON: more than any field takes. Values share their parts while they are
/// computed, so that some lines can make one of more bytes than there are atoms.
pub(super) const RESULT_BYTES_MAX: usize = 1024 * 1024;

/// Integers up to this are exact as doubles: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What the library sees of a value.
pub(super) fn to_library(value: &Value, part: &Part) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(value) => JValue::Bool(*value),
        Value::Number(number) => JValue::Number(number.as_f64()),
        Value::String(text) => JValue::string(&**text),
        Value::Array(items) => JValue::array(items.iter().map(|item| to_library(item, part)).collect()),
        Value::Object(members) => JValue::object(match part {
            Part::Whole => {
                members.iter().map(|(key, member)| (key.to_string(), to_library(member, part))).collect()
            }
            Part::Members(wanted) => members
                .iter()
                .filter_map(|(key, member)| Some((key.to_string(), to_library(member, wanted.get(key)?))))
                .collect(),
        }),
    }
}

/// The value of a result, nothing for `undefined`.
///
/// # Errors
/// Where it is too large or too deep, or holds what is no JSON, such as a function.
pub(super) fn from_library(result: &JValue) -> Result<Option<Value>, Error> {
    if result.is_undefined() {
        return Ok(None);
    }
    let mut bytes_left = RESULT_BYTES_MAX;
    value(result, 0, &mut bytes_left).map(Some)
}

fn value(result: &JValue, depth: u32, bytes_left: &mut usize) -> Result<Value, Error> {
    if depth > DEPTH_MAX {
        let message = format!("gave a value nested more than {DEPTH_MAX} levels deep");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    // At least so many, with a comma; exactly is counted where it is compared with a language's bound.
    let bytes = 2 + result.as_str().map_or(0, str::len);
    *bytes_left = bytes_left.checked_sub(bytes).ok_or_else(|| {
        let message = format!("gave a value of more than {RESULT_BYTES_MAX} bytes");
        Error::new(ErrorKind::TooLarge, message)
    })?;
    Ok(match result {
        JValue::Null | JValue::Undefined => Value::Null,
        JValue::Bool(value) => Value::Bool(*value),
        JValue::Number(number) => Value::Number(self::number(*number)?),
        JValue::String(text) => Value::from(&**text),
        JValue::Array(items) => {
            let items = items.iter().map(|item| value(item, depth + 1, bytes_left));
            Value::from(items.collect::<Result<Vec<_>, _>>()?)
        }
        JValue::Object(members) => {
            let mut made = Vec::with_capacity(members.len());
            for (key, member) in members.iter().filter(|(_, member)| !member.is_undefined()) {
                *bytes_left = bytes_left.saturating_sub(key.len());
                made.push((key.as_str(), value(member, depth + 1, bytes_left)?));
            }
            Value::Object(made.into_iter().collect())
        }
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            return Err(Error::new(ErrorKind::Query, "gave a function, which is no value"));
        }
    })
}

/// Integers become integers: `3`, not `3.0`.
fn number(number: f64) -> Result<Number, Error> {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and in the range of exact integers")]
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        return Ok(Number::from(number as i64));
    }
    Number::from_f64(number)
        .ok_or_else(|| Error::new(ErrorKind::Query, "gave a number that JSON does not have"))
}
