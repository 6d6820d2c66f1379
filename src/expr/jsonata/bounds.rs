//! Bounds of functions whose result can be much longer than their arguments.
//!
//! The library bounds how deep and how long, not how many bytes: thirty times `$a & $a` would be a
//! gigabyte, and the process that computes it is everybody's.

use std::cell::RefCell;
use std::collections::VecDeque;

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::functions;
use jsonata_core::value::JValue;

use super::SEQUENCE_MAX;
use super::host::Answer;

/// Longest text in bytes that a function makes: four times a payload.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Largest value that another one is made of, or that is compared, in bytes of JSON. Values share their parts, so
/// one of a few kilobytes of memory can be larger than anything that could be walked through, and what does is
/// not interrupted. All variables of a run have 10 MiB together; a walk through so much takes a tenth of a second.
pub(super) const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What each part of a value may have, however many it has.
const PART_BYTES_MAX: usize = 1024 * 1024;

/// Values whose size is remembered while an expression is evaluated.
const MEASURED_MAX: usize = 16;

/// Smaller ones are measured as fast as they are found.
const WORTH_REMEMBERING_BYTES: usize = 4 * 1024;

thread_local! {
    /// Held on to, so that no other value comes to stand where one of them stood.
    static MEASURED: RefCell<VecDeque<(JValue, usize)>> = const { RefCell::new(VecDeque::new()) };
}

/// Bytes of a number as text, roughly.
const NUMBER_BYTES: usize = 8;

/// `&`: what is undefined, or a function, adds nothing.
pub(super) fn concatenate(operands: &[JValue]) -> Answer {
    let mut out = String::new();
    for operand in operands {
        match operand {
            JValue::String(text) => out.push_str(text),
            JValue::Undefined | JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {}
            JValue::Null | JValue::Number(_) | JValue::Bool(_) | JValue::Array(_) | JValue::Object(_) => {
                within("&", text_bytes(operand, false))?;
                let text = functions::string::string(operand, None)?;
                out.push_str(text.as_str().unwrap_or_default());
            }
        }
        within("&", out.len())?;
    }
    Ok(JValue::string(out))
}

/// The first argument, if it is small enough to be one of so many parts of a value as the second one says.
pub(super) fn part(arguments: &[JValue]) -> Answer {
    let value = arguments.first().cloned().unwrap_or(JValue::Undefined);
    let bytes_max = (VALUE_BYTES_MAX / parts(arguments)).max(PART_BYTES_MAX);
    if measured_bytes(&value) > bytes_max {
        let message =
            format!("a value of more than {bytes_max} bytes would be part of another, or be compared");
        return Err(EvaluatorError::EvaluationError(message));
    }
    Ok(value)
}

/// How large a value is. Of large ones the last are remembered: one that each element of a list is put beside
/// is walked through once.
fn measured_bytes(value: &JValue) -> usize {
    let Some(identity) = identity(value) else { return json_bytes(value, false, VALUE_BYTES_MAX) };
    MEASURED.with_borrow_mut(|measured| {
        let is_it = |(known, _): &&(JValue, usize)| self::identity(known) == Some(identity);
        if let Some((_, bytes)) = measured.iter().find(is_it) {
            return *bytes;
        }
        let bytes = json_bytes(value, false, VALUE_BYTES_MAX);
        if bytes > WORTH_REMEMBERING_BYTES {
            if measured.len() >= MEASURED_MAX {
                measured.pop_front();
            }
            measured.push_back((value.clone(), bytes));
        }
        bytes
    })
}

/// Forgets what was measured: another evaluation has other values.
pub(super) fn forget_measured() {
    MEASURED.with_borrow_mut(VecDeque::clear);
}

/// Where a value has its parts, and how many.
fn identity(value: &JValue) -> Option<(usize, usize)> {
    match value {
        JValue::Array(items) => Some((items.as_ptr() as usize, items.len())),
        JValue::Object(members) => Some((std::rc::Rc::as_ptr(members) as usize, members.len())),
        JValue::Null
        | JValue::Bool(_)
        | JValue::Number(_)
        | JValue::String(_)
        | JValue::Undefined
        | JValue::Lambda(_)
        | JValue::Builtin { .. }
        | JValue::Regex { .. } => None,
    }
}

/// The same of what is flattened into an array, which has so many items in all.
pub(super) fn items(arguments: &[JValue]) -> Answer {
    let value = part(arguments)?;
    if value.as_array().is_some_and(|items| items.len() > SEQUENCE_MAX / parts(arguments)) {
        let message = format!("D2014: an array would have more than {SEQUENCE_MAX} items");
        return Err(EvaluatorError::EvaluationError(message));
    }
    Ok(value)
}

/// Of how many the first argument is one.
fn parts(arguments: &[JValue]) -> usize {
    let parts = arguments.get(1).and_then(JValue::as_f64).unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts parts of a text")]
    let parts = parts as usize;
    parts.max(1)
}

/// True where the argument is small enough, an error elsewhere.
pub(super) fn tree(arguments: &[JValue]) -> Answer {
    within("**", text_bytes(arguments.first().unwrap_or(&JValue::Undefined), false))?;
    Ok(JValue::Bool(true))
}

/// Refuses a call whose result would be too long. `arguments` are those that were written, or the
/// context item alone.
pub(super) fn check(name: &str, arguments: &[&JValue], context: &JValue) -> Result<(), EvaluatorError> {
    let argument = |number: usize| arguments.get(number).copied().unwrap_or(&JValue::Undefined);
    if name == "distinct" {
        return part(&[argument(0).clone()]).map(drop);
    }
    let bytes = match name {
        "string" => text_bytes(argument(0), argument(1).as_bool() == Some(true)),
        "join" => joined_bytes(argument(0), argument(1)),
        "pad" => {
            let widths = arguments.iter().filter_map(|argument| argument.as_f64());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
            let width = widths.fold(0.0, |most: f64, width| most.max(width.abs())) as usize;
            width
        }
        _ if arguments.len() >= 3 && !argument(2).is_number() => {
            replaced_bytes(argument(0), argument(1), argument(2))
        }
        // The text is the context item.
        _ => replaced_bytes(context, argument(0), argument(1)),
    };
    within(&format!("${name}"), bytes)
}

fn within(name: &str, bytes: usize) -> Result<(), EvaluatorError> {
    if bytes <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("`{name}` would give a text of more than {TEXT_BYTES_MAX} bytes");
    Err(EvaluatorError::EvaluationError(message))
}

/// About how long a value is as JSON, for what makes a text of it.
fn text_bytes(value: &JValue, is_pretty: bool) -> usize {
    json_bytes(value, is_pretty, TEXT_BYTES_MAX)
}

/// About how long a value is as JSON; anything above the bound once it is reached. Values share parts,
/// so counting all of them could take for ever.
fn json_bytes(value: &JValue, is_pretty: bool, bytes_max: usize) -> usize {
    let mut open = vec![(value, 0_usize)];
    let mut bytes = 0_usize;
    while let Some((value, depth)) = open.pop() {
        bytes = bytes.saturating_add(match value {
            JValue::String(text) => text.len() + 2,
            JValue::Number(_) => NUMBER_BYTES,
            JValue::Array(items) => 2 + items.len(),
            JValue::Object(members) => 2 + members.keys().map(|key| key.len() + 4).sum::<usize>(),
            JValue::Null
            | JValue::Bool(_)
            | JValue::Undefined
            | JValue::Lambda(_)
            | JValue::Builtin { .. }
            | JValue::Regex { .. } => 4,
        });
        if is_pretty {
            bytes = bytes.saturating_add(2 * depth + 1);
        }
        if bytes > bytes_max {
            break;
        }
        if let Some(items) = value.as_array() {
            open.extend(items.iter().map(|item| (item, depth + 1)));
        } else if let Some(members) = value.as_object() {
            open.extend(members.values().map(|member| (member, depth + 1)));
        }
    }
    bytes
}

fn joined_bytes(items: &JValue, separator: &JValue) -> usize {
    let Some(items) = items.as_array() else { return 0 };
    let texts = items.iter().filter_map(JValue::as_str).map(str::len).fold(0, usize::saturating_add);
    texts.saturating_add(items.len().saturating_mul(separator.as_str().map_or(0, str::len)))
}

/// How long the text is once everything found in it is replaced by another text. What a function puts
/// there takes an evaluation each time, which can be interrupted.
fn replaced_bytes(text: &JValue, pattern: &JValue, replacement: &JValue) -> usize {
    let (Some(text), Some(replacement)) = (text.as_str(), replacement.as_str()) else { return 0 };
    let found: (usize, usize) = match pattern {
        JValue::String(pattern) if !pattern.is_empty() => (text.matches(&**pattern).count(), pattern.len()),
        JValue::Regex { pattern, flags } => match functions::string::build_regex(pattern, flags) {
            Ok(regex) => {
                let lengths = regex.find_iter(text).map(|found| found.len());
                lengths.fold((0, 0), |(count, longest), length| (count + 1, longest.max(length)))
            }
            Err(_) => (0, 0),
        },
        JValue::Null
        | JValue::Bool(_)
        | JValue::Number(_)
        | JValue::String(_)
        | JValue::Array(_)
        | JValue::Object(_)
        | JValue::Undefined
        | JValue::Lambda(_)
        | JValue::Builtin { .. } => (0, 0),
    };
    let (count, longest) = found;
    // `$1` stands for a part of what was found.
    let groups = replacement.matches('$').count().saturating_mul(longest);
    text.len().saturating_add(count.saturating_mul(replacement.len().saturating_add(groups)))
}
