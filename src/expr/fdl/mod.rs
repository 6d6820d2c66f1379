//! The expression language of FDL, both generations (fdl.md §4 and §8.2): paths, literals,
//! built-in functions, comparisons and logic.
//!
//! ```text
//! expression  = or
//! or          = and { "||" and }
//! and         = comparison { "&&" comparison }
//! comparison  = unary { ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" ) unary }
//! unary       = ( "!" | "-" ) unary | primary
//! primary     = literal | variable | call | "(" expression ")" | list | object
//! variable    = "$" [ name ] { "." name | "[" ( integer | string | "*" ) "]" | ".*" }
//! call        = name "(" [ expression { "," expression } ] ")"
//! ```
//!
//! A name behind a dot may begin with a digit. One of digits alone leads to that member of an
//! object and to that element of an array (`$Input.rows.0.id`).

mod parser;
mod token;

use super::{Expr, Layout, Missing};

/// Deepest nesting of calls (fdl.md §8.2).
pub const CALL_DEPTH_MAX: u32 = 10;

/// Deepest nesting of anything in one expression; far beyond what a person writes, and what keeps
/// the reader from overflowing its stack.
pub const NESTING_MAX: u32 = 50;

/// The variables that exist in a place.
#[derive(Clone, Copy, Debug)]
pub struct Variables {
    /// Name after the `$` and what it leads to.
    pub known: &'static [(&'static str, Layout)],
    /// What a path that leads nowhere gives.
    pub missing: Missing,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Class of the problem.
    pub kind: SyntaxErrorKind,
    /// Byte at which it was noticed.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Classes of syntax errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxErrorKind {
    /// The text breaks the grammar.
    Grammar,
    /// No such function, or not with so many arguments.
    Function,
    /// No such variable in this place.
    Variable,
}

/// Reads an expression.
///
/// # Errors
/// The first thing that does not fit, with its place in the text.
pub fn parse(text: &str, variables: Variables) -> Result<Expr, SyntaxError> {
    parser::Parser::new(text, variables)?.parse()
}
