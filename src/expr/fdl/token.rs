//! Text to tokens.

use std::sync::Arc;

use super::{SyntaxError, SyntaxErrorKind};
use crate::expr::cursor::unicode_escape;
use crate::value::{Number, Str, Value};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `$` with the name right behind it, which may be empty.
    Variable(Str),
    /// A function, a keyword or a member.
    Name(Str),
    Number(Number),
    String(Str),
    /// An operator or a bracket.
    Sign(&'static str),
}

impl Token {
    /// The token for a message.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Variable(name) => format!("`${name}`"),
            Self::Name(name) => format!("`{name}`"),
            Self::Number(number) => format!("`{number}`"),
            Self::String(text) => format!("string `{}`", Value::String(text.clone()).excerpt(32)),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// Longer ones first: the first that fits is taken.
const SIGNS: &[&str] = &[
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "-", "(", ")", "[", "]", "{", "}", ",", ":", ".", "*",
];

/// All tokens with the byte at which each begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let offset = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(out) };
        // Behind a dot stands the name of a member, which may begin with a digit or be all digits.
        let is_member = matches!(out.last(), Some((_, Token::Sign("."))));
        let (token, length) = match first {
            '0'..='9' if is_member => {
                let name = name_characters(rest);
                (Token::Name(Arc::from(name)), name.len())
            }
            '$' => {
                let name = name_prefix(rest.get(1..).unwrap_or_default());
                (Token::Variable(Arc::from(name)), 1 + name.len())
            }
            '"' | '\'' | '`' => string(rest, first, offset)?,
            '0'..='9' => number(rest, offset)?,
            c if is_name_start(c) => {
                let name = name_prefix(rest);
                (Token::Name(Arc::from(name)), name.len())
            }
            c => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => return Err(error(offset, format!("unexpected character `{c}`"))),
            },
        };
        out.push((offset, token));
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn error(offset: usize, message: String) -> SyntaxError {
    SyntaxError { kind: SyntaxErrorKind::Grammar, offset, message, help: None }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Member names may hold hyphens (`$.detail-type`): the language has no subtraction.
fn name_prefix(text: &str) -> &str {
    if !text.starts_with(is_name_start) {
        return "";
    }
    name_characters(text)
}

fn name_characters(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn number(text: &str, offset: usize) -> Result<(Token, usize), SyntaxError> {
    let mut end = 0;
    let mut previous = ' ';
    for c in text.chars() {
        let is_sign_of_exponent = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || c == '.' || is_sign_of_exponent) {
            break;
        }
        end += c.len_utf8();
        previous = c;
    }
    let digits = text.get(..end).unwrap_or_default();
    let number = serde_json::from_str::<serde_json::Number>(digits)
        .map_err(|_| error(offset, format!("`{digits}` is no number")))?;
    Ok((Token::Number(Number::from(number)), end))
}

/// Quoted text; back-quoted text is taken as it stands.
fn string(text: &str, quote: char, offset: usize) -> Result<(Token, usize), SyntaxError> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((Token::String(Arc::from(out)), at + c.len_utf8()));
        }
        if c != '\\' || quote == '`' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some((_, 'n')) => out.push('\n'),
            Some((_, 't')) => out.push('\t'),
            Some((_, 'r')) => out.push('\r'),
            Some((_, 'b')) => out.push('\u{8}'),
            Some((_, 'f')) => out.push('\u{c}'),
            Some((_, 'u')) => {
                let escape = text.get(at..).unwrap_or_default();
                let (c, length) = unicode_escape(escape)
                    .ok_or_else(|| error(offset + at, format!("`{escape:.6}` is no character")))?;
                out.push(c);
                // Backslash and `u` were taken already.
                chars.by_ref().take(length - 2).for_each(drop);
            }
            Some((_, c @ ('\\' | '"' | '\'' | '/' | '`'))) => out.push(c),
            Some((_, c)) => {
                return Err(error(offset + at, format!("unknown escape `\\{c}` in a string")));
            }
            None => break,
        }
    }
    Err(error(offset, format!("the string that begins here is not closed with `{quote}`")))
}
