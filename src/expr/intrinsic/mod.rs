//! Intrinsic functions of Amazon States Language (asl.md §6).

use super::{Error, ErrorKind, Expr};
use crate::value::Value;

/// Deepest nesting of calls (asl.md §6).
pub const CALL_DEPTH_MAX: u32 = 10;

/// An intrinsic function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intrinsic {
    /// `States.Format`
    Format,
}

/// Why a text is no call of an intrinsic function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte at which it was noticed.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// Reads a call such as `States.Format('{}', $.name)`. Paths in it are read by `path`, which is given
/// their text.
///
/// # Errors
/// The first thing that does not fit, with its place in the text.
pub fn parse(text: &str, path: &dyn Fn(&str) -> Result<Expr, SyntaxError>) -> Result<Expr, SyntaxError> {
    let _ = path;
    Err(SyntaxError { offset: 0, message: format!("`{text}` is not read yet") })
}

impl Intrinsic {
    /// Calls the function.
    ///
    /// # Errors
    /// Where the arguments are not what it needs.
    pub fn call(self, arguments: &[Value], scope: &dyn super::Scope) -> Result<Value, Error> {
        let _ = (arguments, scope);
        Err(Error::new(ErrorKind::Function, "not called yet"))
    }
}
