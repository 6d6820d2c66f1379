//! Reading the text of an expression.

use std::collections::BTreeSet;

use jsonata_core::ast::AstNode;
use jsonata_core::parser::{self, ParserError};

use super::analysis::{Analysis, Refusal};
use super::token::{Token, tokens};
use super::{SyntaxError, guarded};

/// The tree of a text, with what is known about it.
pub(super) fn parse(text: &str) -> Result<(AstNode, Analysis), SyntaxError> {
    let parsed = guarded(|| read(text).map_err(|error| located(text, &error)));
    let mut tree = parsed.unwrap_or_else(|| {
        let message = "the expression cannot be read".to_owned();
        Err(SyntaxError { offset: 0, message, help: None })
    })?;
    let original = tree.clone();
    let mut analysis = Analysis::of(&mut tree, BTreeSet::new());
    if !analysis.bound.is_empty() {
        tree = original;
        analysis = Analysis::of(&mut tree, analysis.bound);
    }
    match analysis.refusal.take() {
        Some(refusal) => Err(refused(text, refusal)),
        None => Ok((tree, analysis)),
    }
}

/// Reads a text with the library, to which `undefined` is a word of its own. In the language it is a name
/// like any other, which it is in backquotes.
fn read(text: &str) -> Result<AstNode, ParserError> {
    const NAME: &str = "undefined";
    if !text.contains(NAME) {
        return parser::parse(text);
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut end = 0;
    for token in tokens(text).iter().filter(|token| token.text == NAME) {
        quoted.push_str(text.get(end..token.start).unwrap_or_default());
        quoted.extend(["`", NAME, "`"]);
        end = token.end();
    }
    quoted.push_str(text.get(end..).unwrap_or_default());
    parser::parse(&quoted)
}

fn refused(text: &str, refusal: Refusal) -> SyntaxError {
    let tokens = tokens(text);
    let is_it = |token: &&Token<'_>| token.text == refusal.written || token.name() == refusal.written;
    let mut found = tokens.iter().filter(is_it).map(|token| token.start);
    let first = found.clone().next().unwrap_or_default();
    let offset = found.nth(refusal.occurrence).unwrap_or(first);
    SyntaxError { offset, message: refusal.message, help: Some(refusal.help.to_owned()) }
}

/// The library does not say where: it is the first token with which the text can no longer become an
/// expression.
fn located(text: &str, error: &ParserError) -> SyntaxError {
    let tokens = tokens(text);
    let is_wrong = |token: &Token<'_>| {
        let begun = text.get(..token.end()).unwrap_or(text);
        read(begun).is_err_and(|error| !is_end(&error))
    };
    let wrong = tokens.get(tokens.partition_point(|token| !is_wrong(token)));
    let unclosed = matches!(
        error,
        ParserError::UnclosedString | ParserError::UnclosedBacktick | ParserError::UnclosedComment
    );
    let token = wrong.or_else(|| tokens.last().filter(|_| unclosed));
    let offset = match error {
        ParserError::UnclosedComment => text.rfind("/*"),
        ParserError::UnexpectedToken(_)
        | ParserError::UnexpectedEnd
        | ParserError::InvalidSyntax(_)
        | ParserError::InvalidNumber(_)
        | ParserError::UnclosedString
        | ParserError::InvalidEscape(_)
        | ParserError::UnclosedBacktick
        | ParserError::Expected { .. }
        | ParserError::Coded { .. } => token.map(|token| token.start),
    };
    let offset = offset.unwrap_or(text.len());
    let found = token.map(|token| token.text.chars().take(32).collect::<String>());
    SyntaxError { offset, message: message(error, found.as_deref()), help: None }
}

/// Whether more text could still make it an expression.
fn is_end(error: &ParserError) -> bool {
    match error {
        ParserError::UnexpectedEnd
        | ParserError::UnclosedString
        | ParserError::UnclosedComment
        | ParserError::UnclosedBacktick => true,
        ParserError::UnexpectedToken(found) | ParserError::Expected { found, .. } => found == "Eof",
        ParserError::InvalidSyntax(message) => message.ends_with("Eof"),
        ParserError::InvalidNumber(_) | ParserError::InvalidEscape(_) | ParserError::Coded { .. } => false,
    }
}

/// The library's words, where they say more than that a token does not fit.
fn message(error: &ParserError, found: Option<&str>) -> String {
    let said = error.to_string();
    let said = ["Invalid syntax: ", "Invalid number: "]
        .iter()
        .find_map(|prefix| said.strip_prefix(prefix))
        .unwrap_or(&said)
        .to_owned();
    let said = match said.split_once(": ") {
        Some((code, said)) if is_code(code) => said.to_owned(),
        _ => said,
    };
    match (error, found) {
        (ParserError::UnclosedString, _) => "a string or a regular expression is not closed".to_owned(),
        (ParserError::UnclosedBacktick, _) => "a name in backquotes is not closed".to_owned(),
        (ParserError::UnclosedComment, _) => "a comment is not closed".to_owned(),
        (
            ParserError::UnexpectedEnd | ParserError::UnexpectedToken(_) | ParserError::Expected { .. },
            None,
        ) => "the expression ends too early".to_owned(),
        (
            ParserError::UnexpectedEnd | ParserError::UnexpectedToken(_) | ParserError::Expected { .. },
            Some(found),
        ) => {
            format!("`{found}` cannot stand here")
        }
        (ParserError::InvalidSyntax(_), Some(found)) if said.starts_with("Syntax error") => {
            format!("`{found}` cannot stand here: an operator or the end was expected")
        }
        (
            ParserError::InvalidSyntax(_)
            | ParserError::InvalidNumber(_)
            | ParserError::InvalidEscape(_)
            | ParserError::Coded { .. },
            _,
        ) => said,
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 5 && text.chars().skip(1).all(|digit| digit.is_ascii_digit())
}
