//! What the functions of all languages share: their table, and the arguments of one call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Error, ErrorKind};
use crate::value::{Array, Object, Value};

/// Longest text that a function makes, in bytes. No language lets a state hand on more; values share
/// what they hold, so that written out they can be larger than any memory.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// More than any function takes that does not take as many as one likes.
const ARGUMENTS_MAX: usize = 10;

/// The enum of a language's functions, with the names and the number of arguments of each.
macro_rules! functions {
    (
        $(#[$meta:meta])* $type:ident;
        $($name:ident = $first:literal $(| $alias:literal)*, $arity:pat, $doc:literal;)+
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = $doc] $name,)+
        }

        impl $type {
            /// Names of all functions, without aliases.
            pub const NAMES: &'static [&'static str] = &[$($first),+];

            /// The function with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($first $(| $alias)* => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The name it is known by.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $first,)+
                }
            }

            /// Whether it takes so many arguments.
            #[must_use]
            pub fn takes(self, count: usize) -> bool {
                match self {
                    $(Self::$name => matches!(count, $arity),)+
                }
            }
        }
    };
}
pub(super) use functions;

/// One call with its arguments, so that every refusal can name both.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) arguments: &'a [Value],
}

impl Call<'_> {
    pub(super) fn refuse(&self, why: impl AsRef<str>) -> Error {
        Error::new(ErrorKind::Function, format!("`{}`: {}", self.name, why.as_ref()))
    }

    pub(super) fn expected(&self, position: usize, expected: &str) -> Error {
        let found = self.arguments.get(position).cloned().unwrap_or_default();
        self.refuse(format!(
            "argument {} must be {expected}, found {} `{}`",
            position + 1,
            found.kind(),
            found.excerpt(64),
        ))
    }

    /// The compact JSON text of a value.
    pub(super) fn json(&self, value: &Value) -> Result<String, Error> {
        self.check_length(value.bytes())?;
        Ok(value.to_json())
    }

    pub(super) fn check_length(&self, bytes: usize) -> Result<(), Error> {
        if bytes <= TEXT_BYTES_MAX {
            return Ok(());
        }
        let name = self.name;
        let message = format!(
            "`{name}`: the text would have {bytes} bytes or more, at most {TEXT_BYTES_MAX} are allowed"
        );
        Err(Error::new(ErrorKind::TooLarge, message))
    }

    pub(super) fn argument(&self, position: usize) -> Result<&Value, Error> {
        self.arguments
            .get(position)
            .ok_or_else(|| self.refuse(format!("argument {} is missing", position + 1)))
    }

    pub(super) fn string(&self, position: usize) -> Result<&str, Error> {
        self.argument(position)?.as_str().ok_or_else(|| self.expected(position, "a string"))
    }

    pub(super) fn array(&self, position: usize) -> Result<&Array, Error> {
        self.argument(position)?.as_array().ok_or_else(|| self.expected(position, "an array"))
    }

    pub(super) fn object(&self, position: usize) -> Result<&Object, Error> {
        self.argument(position)?.as_object().ok_or_else(|| self.expected(position, "an object"))
    }

    pub(super) fn integer(&self, position: usize) -> Result<i64, Error> {
        self.argument(position)?.as_i64().ok_or_else(|| self.expected(position, "an integer"))
    }

    /// A string as Base64.
    pub(super) fn encode_base64(&self) -> Result<Value, Error> {
        Ok(Value::from(BASE64.encode(self.string(0)?)))
    }

    /// The text behind a Base64 string.
    pub(super) fn decode_base64(&self) -> Result<Value, Error> {
        let bytes = BASE64.decode(self.string(0)?).map_err(|_| self.expected(0, "Base64"))?;
        let text = String::from_utf8(bytes).map_err(|_| self.expected(0, "the Base64 of UTF-8 text"))?;
        Ok(Value::from(text))
    }
}

/// How many arguments a function takes, in words.
pub(super) fn arity(takes: impl Fn(usize) -> bool) -> String {
    let least = (0..ARGUMENTS_MAX).find(|count| takes(*count)).unwrap_or_default();
    match (least, takes(ARGUMENTS_MAX)) {
        (0, false) => "no arguments".to_owned(),
        (0, true) => "any number of arguments".to_owned(),
        (least, false) if takes(least + 1) => format!("{least} or {} arguments", least + 1),
        (1, false) => "1 argument".to_owned(),
        (least, false) => format!("{least} arguments"),
        (1, true) => "at least 1 argument".to_owned(),
        (least, true) => format!("at least {least} arguments"),
    }
}

/// An array without repetitions; the first of equal elements stays.
pub(super) fn unique(items: &Array) -> Value {
    // By their text, in which equal values are equal: comparing each with each would take too long.
    let mut seen = std::collections::BTreeSet::new();
    items.iter().filter(|item| seen.insert(item.to_canonical_json())).cloned().collect()
}
