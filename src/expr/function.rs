//! The built-in functions of FDL (fdl.md §8.4).
//!
//! Decisions where the sources are silent: `length` of a string counts characters; `format` writes
//! strings as they are and everything else as compact JSON, and refuses a wrong number of
//! arguments; `hash` of anything but a string hashes its compact JSON; `randomInt(a, b)` is at
//! least `a` and below `b`; `get` of what is not there is `null`.

use super::call::{Call, functions, unique};
use super::digest::Algorithm;
use super::{Error, Scope, contains, random};
use crate::value::Value;

functions! {
    /// A built-in function of FDL.
    Function;
    ArrayContains = "arrayContains", 2, "Whether an array holds a value.";
    ArrayUnique = "arrayUnique", 1, "An array without repetitions, the first of equal elements stays.";
    ToArray = "toArray", _, "The arguments as an array.";
    Format = "format", 1.., "A template with `{}` replaced by the arguments in order.";
    Length = "length", 1, "Elements of an array, members of an object, characters of a string.";
    Split = "split", 2, "A string cut at every delimiter.";
    RegexMatchString = "regexMatchString", 2, "Whether a pattern (RE2 syntax) matches somewhere in a string.";
    MapKeys = "mapKeys", 1, "Names of an object's members.";
    MapValues = "mapValues", 1, "Values of an object's members.";
    JsonMerge = "jsonMerge", 2, "The members of two objects, the second wins.";
    StringToJson = "stringToJson" | "fromJSON", 1, "The value of a JSON text.";
    JsonToString = "jsonToString", 1, "The compact JSON text of a value.";
    FromBase64 = "fromBase64", 1, "The text behind a Base64 string.";
    ToBase64 = "toBase64", 1, "A string as Base64.";
    Hash = "hash", 2, "Lower-case hexadecimal digest: MD5, SHA-1, SHA-256, SHA-512.";
    Uuid = "uuid", 0, "A version 4 UUID from the run's seed.";
    Get = "get", 2, "An element of an array by position or a member of an object by name.";
    IntAdd = "intAdd", 2, "The sum of two integers.";
    RandomInt = "randomInt", 2, "An integer from the run's seed, at least the first argument and below the second.";
}

impl Function {
    /// Calls the function.
    ///
    /// # Errors
    /// Where the arguments are not what it needs; the message names the function, the argument,
    /// what was found and what was expected.
    pub fn call(self, arguments: &[Value], scope: &dyn Scope) -> Result<Value, Error> {
        let call = Call { name: self.name(), arguments };
        Ok(match self {
            Self::ArrayContains => {
                let items = Value::Array(call.array(0)?.clone());
                Value::Bool(contains(&items, call.argument(1)?))
            }
            Self::ArrayUnique => unique(call.array(0)?),
            Self::ToArray => arguments.iter().cloned().collect(),
            Self::Format => call.format()?,
            Self::Length => call.length()?,
            Self::Split => call.split()?,
            Self::RegexMatchString => call.regex_match()?,
            Self::MapKeys => call.object(0)?.iter().map(|(key, _)| Value::String(key.clone())).collect(),
            Self::MapValues => call.object(0)?.iter().map(|(_, value)| value.clone()).collect(),
            Self::JsonMerge => Value::Object(call.object(0)?.merged(call.object(1)?)),
            Self::StringToJson => {
                Value::parse(call.string(0)?).map_err(|error| call.refuse(error.to_string()))?
            }
            Self::JsonToString => Value::from(call.json(call.argument(0)?)?),
            Self::FromBase64 => call.decode_base64()?,
            Self::ToBase64 => call.encode_base64()?,
            Self::Hash => call.hash()?,
            Self::Uuid => Value::from(random::uuid(scope.draw())),
            Self::Get => call.get()?,
            Self::IntAdd => call.add()?,
            Self::RandomInt => call.random(scope)?,
        })
    }
}

impl Call<'_> {
    fn format(&self) -> Result<Value, Error> {
        let template = self.string(0)?;
        let mut values = self.arguments.iter().skip(1);
        let mut out = String::with_capacity(template.len());
        let mut pieces = template.split("{}");
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let value = values.next().ok_or_else(|| {
                let holes = template.matches("{}").count();
                self.refuse(format!("{holes} `{{}}` but {} values", self.arguments.len() - 1))
            })?;
            match value.as_str() {
                Some(text) => out.push_str(text),
                None => out.push_str(&self.json(value)?),
            }
            out.push_str(piece);
            self.check_length(out.len())?;
        }
        if values.next().is_some() {
            let holes = template.matches("{}").count();
            return Err(self.refuse(format!("{holes} `{{}}` but {} values", self.arguments.len() - 1)));
        }
        Ok(Value::from(out))
    }

    fn length(&self) -> Result<Value, Error> {
        let length = match self.argument(0)? {
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            Value::String(text) => text.chars().count(),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                return Err(self.expected(0, "an array, an object or a string"));
            }
        };
        Ok(Value::from(length))
    }

    fn split(&self) -> Result<Value, Error> {
        let (text, delimiter) = (self.string(0)?, self.string(1)?);
        if delimiter.is_empty() {
            return Err(self.expected(1, "a delimiter of at least one character"));
        }
        Ok(text.split(delimiter).map(Value::from).collect())
    }

    fn regex_match(&self) -> Result<Value, Error> {
        let text = self.string(0)?;
        let pattern = regex::Regex::new(self.string(1)?).map_err(|error| {
            // The library's message spans lines; its last one says what is wrong.
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default().trim();
            self.refuse(format!("argument 2 is no regular expression: {reason}"))
        })?;
        Ok(Value::Bool(pattern.is_match(text)))
    }

    fn hash(&self) -> Result<Value, Error> {
        let input = self.argument(0)?;
        let input = input.as_str().map_or_else(|| self.json(input), |text| Ok(text.to_owned()))?;
        let algorithm = self.string(1)?;
        let known = Algorithm::named(algorithm).filter(|known| *known != Algorithm::Sha384);
        let algorithm = known.ok_or_else(|| self.expected(1, "`MD5`, `SHA-1`, `SHA-256` or `SHA-512`"))?;
        Ok(Value::from(algorithm.digest(&input)))
    }

    fn get(&self) -> Result<Value, Error> {
        let found = match self.argument(0)? {
            Value::Array(items) => {
                let position = self.integer(1)?;
                usize::try_from(position).ok().and_then(|position| items.get(position))
            }
            Value::Object(members) => members.get(self.string(1)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(self.expected(0, "an array or an object"));
            }
        };
        Ok(found.cloned().unwrap_or_default())
    }

    fn add(&self) -> Result<Value, Error> {
        let (a, b) = (self.integer(0)?, self.integer(1)?);
        a.checked_add(b)
            .map(Value::from)
            .ok_or_else(|| self.refuse(format!("{a} + {b} does not fit into 64 bits")))
    }

    fn random(&self, scope: &dyn Scope) -> Result<Value, Error> {
        let (low, high) = (self.integer(0)?, self.integer(1)?);
        if high <= low {
            return Err(self.refuse(format!("the range from {low} to below {high} is empty")));
        }
        Ok(Value::from(random::integer(low, high, scope.draw())))
    }
}
