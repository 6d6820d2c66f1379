//! What a scalar of YAML means: the core schema of YAML 1.2, where `yes` and `on` are strings.

use granit_parser::Tag;

use super::{Content, Span, SyntaxError};
use crate::value::Number;

/// Longest part of a scalar that a message repeats, in characters.
const EXCERPT_CHARS_MAX: usize = 64;

/// The value of a scalar: of one that is not quoted by how it looks, of one with a tag by that.
///
/// # Errors
/// A tag that says what the text is not, or that nothing here knows; a number that JSON does not have.
pub(super) fn content(
    text: &str,
    is_plain: bool,
    tag: Option<&Tag>,
    span: Option<Span>,
) -> Result<Content, SyntaxError> {
    let Some(tag) = tag else {
        return if is_plain { plain(text, span) } else { Ok(Content::String(text.into())) };
    };
    let found = match tag.core_suffix() {
        Some("str") => return Ok(Content::String(text.into())),
        None if tag.parts() == ("", "!") || tag.parts() == ("!", "") => {
            return Ok(Content::String(text.into()));
        }
        Some("null" | "bool" | "int" | "float") => plain(text, span)?,
        Some(_) | None => return Err(unknown_tag(tag, span)),
    };
    let is_it = match &found {
        Content::Null => tag.core_suffix() == Some("null"),
        Content::Bool(_) => tag.core_suffix() == Some("bool"),
        Content::Number(number) => match tag.core_suffix() {
            Some("int") => number.as_i64().is_some(),
            other => other == Some("float"),
        },
        Content::String(_) | Content::Sequence(_) | Content::Mapping(_) => false,
    };
    if is_it {
        return Ok(found);
    }
    let message = format!("`{}` is not what the tag `{}` says it is", excerpt(text), tag.original());
    Err(SyntaxError { message, span })
}

/// The error of a tag that nothing here knows: what it would make of its value is lost otherwise.
pub(super) fn unknown_tag(tag: &Tag, span: Option<Span>) -> SyntaxError {
    let message = format!(
        "the tag `{}` means nothing here; write the value itself, or `!!str` before what is to be a string",
        excerpt(&tag.original())
    );
    SyntaxError { message, span }
}

fn plain(text: &str, span: Option<Span>) -> Result<Content, SyntaxError> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "true" | "True" | "TRUE" => Content::Bool(true),
        "false" | "False" | "FALSE" => Content::Bool(false),
        _ if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
            Content::String(text.into())
        }
        _ => match number(text) {
            Some(Some(number)) => Content::Number(number),
            Some(None) => {
                let message = format!("`{}` is no number that JSON has", excerpt(text));
                return Err(SyntaxError { message, span });
            }
            None => Content::String(text.into()),
        },
    })
}

/// The number that a text is, if it is one; within, if JSON has it.
fn number(text: &str) -> Option<Option<Number>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(None);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| !digits.starts_with('+')) {
            // Larger ones are numbers, too, and would not be the same as a float.
            let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
            return is_number.then(|| u64::from_str_radix(digits, radix).ok().map(Number::from));
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(value) = text.parse::<i64>() {
            return Some(Some(Number::from(value)));
        }
        if let Ok(value) = text.parse::<u64>() {
            return Some(Some(Number::from(value)));
        }
    }
    let is_of_float = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !unsigned.bytes().all(is_of_float) {
        return None;
    }
    // Rust reads what YAML calls a float and refuses what it does not, such as dates and addresses.
    let value = text.parse::<f64>().ok()?;
    Some(Number::from_f64(value))
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}
