//! Intrinsic functions of Amazon States Language (asl.md §6).
//!
//! ```text
//! call     = name "(" [ argument { "," argument } ] ")"
//! argument = "'" text "'" | number | "true" | "false" | "null" | path | call
//! ```
//!
//! No blank stands before a call nor between its name and the bracket. In a text `\'`, `\{`, `\}` and `\\`
//! are the characters themselves, and a backslash before anything else is an error.
//!
//! Decisions where the reference is silent:
//! * The template of `States.Format` is a text of the definition, in which `\{\}` is no place for an
//!   argument, or a value, which is taken as it stands.
//! * `ArrayRange` and `MathRandom` round their arguments as `MathAdd` does. With a seed the random integer is
//!   a function of the seed and the bounds.
//! * `ArrayGetItem` of a position that is not there is an error.
//! * A deep `JsonMerge` merges objects that both sides have under one name, and so on below.

mod functions;
mod parser;

#[cfg(test)]
mod tests;

use super::call::{Call, functions};
use super::{Error, Expr, Scope};
use crate::value::Value;

pub use super::cursor::SyntaxError;

/// Deepest nesting of calls (asl.md §6).
pub const CALL_DEPTH_MAX: u32 = 10;

functions! {
    /// An intrinsic function.
    Intrinsic;
    Format = "States.Format", 1.., "A template with `{}` replaced by the arguments in order.";
    // Cannot be written: a name has no blanks.
    FormatPieces = "States.Format of a text", 1.., "The same of a template that was read with the definition: the pieces between its `{}`.";
    StringToJson = "States.StringToJson", 1, "The value of a JSON text.";
    JsonToString = "States.JsonToString", 1, "The compact JSON text of a value.";
    Array = "States.Array", _, "The arguments as an array.";
    ArrayPartition = "States.ArrayPartition", 2, "An array cut into arrays of a length.";
    ArrayContains = "States.ArrayContains", 2, "Whether an array holds a value.";
    ArrayRange = "States.ArrayRange", 3, "The integers from one to another by a step.";
    ArrayGetItem = "States.ArrayGetItem", 2, "The element of an array at a position.";
    ArrayLength = "States.ArrayLength", 1, "How many elements an array has.";
    ArrayUnique = "States.ArrayUnique", 1, "An array without repetitions, the first of equal elements stays.";
    Base64Encode = "States.Base64Encode", 1, "A string as Base64.";
    Base64Decode = "States.Base64Decode", 1, "The text behind a Base64 string.";
    Hash = "States.Hash", 2, "Lower-case hexadecimal digest: MD5, SHA-1, SHA-256, SHA-384, SHA-512.";
    JsonMerge = "States.JsonMerge", 3, "The members of two objects, the second wins.";
    MathRandom = "States.MathRandom", 2..=3, "An integer, at least the first argument and below the second.";
    MathAdd = "States.MathAdd", 2, "The sum of two numbers that are rounded first.";
    StringSplit = "States.StringSplit", 2, "A string cut at each of the characters of another.";
    Uuid = "States.UUID", 0, "A UUID of version 4.";
}

/// Reads a call such as `States.Format('{}', $.name)`. Paths in it are read by `path`, which is given
/// their text.
///
/// # Errors
/// The first thing that does not fit, with its place in the text.
pub fn parse(text: &str, path: &dyn Fn(&str) -> Result<Expr, SyntaxError>) -> Result<Expr, SyntaxError> {
    parser::parse(text, path)
}

impl Intrinsic {
    /// Calls the function.
    ///
    /// # Errors
    /// Where the arguments are not what it needs; the message names the function, the argument, what was
    /// found and what was expected.
    pub fn call(self, arguments: &[Value], scope: &dyn Scope) -> Result<Value, Error> {
        let name = if self == Self::FormatPieces { Self::Format.name() } else { self.name() };
        functions::call(self, &Call { name, arguments }, scope)
    }
}
