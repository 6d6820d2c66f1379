//! What each function computes.

use super::Intrinsic;
use crate::expr::call::{Call, unique};
use crate::expr::digest::Algorithm;
use crate::expr::{Error, Scope, contains, random};
use crate::value::{Object, Value};

/// Most elements that `ArrayRange` makes (asl.md §15).
const RANGE_ITEMS_MAX: i128 = 1000;

/// Longest text that is hashed or turned into Base64 and back, in characters (asl.md §15).
const TEXT_CHARS_MAX: usize = 10_000;

pub(super) fn call(function: Intrinsic, call: &Call<'_>, scope: &dyn Scope) -> Result<Value, Error> {
    Ok(match function {
        Intrinsic::Format => call.fill(call.string(0)?.split("{}"))?,
        Intrinsic::FormatPieces => call.fill(call.array(0)?.iter().filter_map(Value::as_str))?,
        Intrinsic::StringToJson => call.parse()?,
        Intrinsic::JsonToString => Value::from(call.json(call.argument(0)?)?),
        Intrinsic::Array => call.arguments.iter().cloned().collect(),
        Intrinsic::ArrayPartition => call.partition()?,
        Intrinsic::ArrayContains => {
            call.check_length(call.argument(0)?.bytes())?;
            call.array(0)?;
            Value::Bool(contains(call.argument(0)?, call.argument(1)?))
        }
        Intrinsic::ArrayRange => call.range()?,
        Intrinsic::ArrayGetItem => call.item()?,
        Intrinsic::ArrayLength => Value::from(call.array(0)?.len()),
        Intrinsic::ArrayUnique => {
            call.check_length(call.argument(0)?.bytes())?;
            unique(call.array(0)?)
        }
        Intrinsic::Base64Encode => {
            call.check_chars(0, call.string(0)?)?;
            call.encode_base64()?
        }
        Intrinsic::Base64Decode => {
            call.check_chars(0, call.string(0)?)?;
            call.decode_base64()?
        }
        Intrinsic::Hash => call.digest()?,
        Intrinsic::JsonMerge => call.merge()?,
        Intrinsic::MathRandom => call.random_integer(scope)?,
        Intrinsic::MathAdd => call.sum()?,
        Intrinsic::StringSplit => {
            let (text, delimiters) = (call.string(0)?, call.string(1)?);
            call.check_length(delimiters.len())?;
            split(text, delimiters)
        }
        Intrinsic::Uuid => Value::from(random::uuid(scope.draw())),
    })
}

impl Call<'_> {
    fn check_chars(&self, position: usize, text: &str) -> Result<(), Error> {
        let chars = text.chars().count();
        if chars <= TEXT_CHARS_MAX {
            return Ok(());
        }
        let argument = position + 1;
        Err(self.refuse(format!(
            "argument {argument} must have at most {TEXT_CHARS_MAX} characters, found {chars}"
        )))
    }

    fn fill<'t>(&self, pieces: impl Iterator<Item = &'t str> + Clone) -> Result<Value, Error> {
        let holes = pieces.clone().count().saturating_sub(1);
        let mut values = self.arguments.iter().skip(1);
        if holes != values.len() {
            return Err(self.refuse(format!(
                "the template has {holes} `{{}}`, which must be as many as the other arguments, found {}",
                values.len()
            )));
        }
        let mut out = String::new();
        for (position, piece) in pieces.enumerate() {
            if let Some(value) = (position > 0).then(|| values.next()).flatten() {
                self.check_length(out.len().saturating_add(value.bytes()))?;
                write_plain(value, &mut out);
            }
            out.push_str(piece);
            self.check_length(out.len())?;
        }
        Ok(Value::from(out))
    }

    fn parse(&self) -> Result<Value, Error> {
        let text = self.string(0)?;
        match text.trim() {
            "" => Ok(Value::Null),
            // An integer, not the double that JSON libraries make of it.
            "-0" => Ok(Value::from(0_i64)),
            _ => Value::parse(text).map_err(|error| {
                let found = self.arguments.first().map(|text| text.excerpt(64)).unwrap_or_default();
                self.refuse(format!("argument 1 must be JSON text, found `{found}`: {error}"))
            }),
        }
    }

    fn partition(&self) -> Result<Value, Error> {
        let items = self.array(0)?;
        let size = usize::try_from(self.integer(1)?).ok().filter(|size| *size > 0);
        let size = size.ok_or_else(|| self.expected(1, "a positive integer"))?;
        Ok(items.chunks(size).map(|chunk| Value::from(chunk.to_vec())).collect())
    }

    fn range(&self) -> Result<Value, Error> {
        let (first, last) = (i128::from(self.rounded(0)?), i128::from(self.rounded(1)?));
        let step = i128::from(self.rounded(2)?);
        if step == 0 {
            return Err(self.expected(2, "an integer other than 0"));
        }
        let is_empty = if step > 0 { first > last } else { first < last };
        let count = if is_empty { 0 } else { (last - first) / step + 1 };
        if count > RANGE_ITEMS_MAX {
            return Err(
                self.refuse(format!("the range must have at most {RANGE_ITEMS_MAX} elements, found {count}"))
            );
        }
        // All of them lie between two integers of 64 bits.
        let item = |position: i128| i64::try_from(first + position * step).unwrap_or_default();
        Ok((0..count).map(|position| Value::from(item(position))).collect())
    }

    fn item(&self) -> Result<Value, Error> {
        let items = self.array(0)?;
        let item = usize::try_from(self.integer(1)?).ok().and_then(|position| items.get(position));
        item.cloned().ok_or_else(|| {
            self.expected(1, &format!("a position in the array of {} elements, from 0", items.len()))
        })
    }

    fn digest(&self) -> Result<Value, Error> {
        let data = self.argument(0)?;
        let text = data.as_str().map_or_else(|| self.json(data), |text| Ok(text.to_owned()))?;
        self.check_chars(0, &text)?;
        let algorithm = Algorithm::named(self.string(1)?)
            .ok_or_else(|| self.expected(1, "`MD5`, `SHA-1`, `SHA-256`, `SHA-384` or `SHA-512`"))?;
        Ok(Value::from(algorithm.digest(&text)))
    }

    fn merge(&self) -> Result<Value, Error> {
        let (left, right) = (self.object(0)?, self.object(1)?);
        let is_deep = self.argument(2)?.as_bool().ok_or_else(|| self.expected(2, "`true` or `false`"))?;
        if !is_deep {
            return Ok(Value::Object(left.merged(right)));
        }
        let bytes = |position| self.argument(position).map(Value::bytes);
        self.check_length(bytes(0)?.saturating_add(bytes(1)?))?;
        Ok(Value::Object(merge_deep(left, right)))
    }

    fn random_integer(&self, scope: &dyn Scope) -> Result<Value, Error> {
        let (low, high) = (self.rounded(0)?, self.rounded(1)?);
        if high <= low {
            return Err(self.expected(1, &format!("a number greater than argument 1, which is {low}")));
        }
        let draw = if self.arguments.len() > 2 { random::seeded(self.rounded(2)?) } else { scope.draw() };
        Ok(Value::from(random::integer(low, high, draw)))
    }

    fn sum(&self) -> Result<Value, Error> {
        let (left, right) = (self.rounded(0)?, self.rounded(1)?);
        let sum = left.checked_add(right).map(Value::from);
        sum.ok_or_else(|| self.refuse(format!("{left} + {right} does not fit into 64 bits")))
    }

    /// A number rounded to an integer, halves upwards (asl.md §6).
    fn rounded(&self, position: usize) -> Result<i64, Error> {
        let number =
            self.argument(position)?.as_number().ok_or_else(|| self.expected(position, "a number"))?;
        if let Some(integer) = number.as_i64() {
            return Ok(integer);
        }
        let floor = number.as_f64().floor();
        let rounded = if number.as_f64() - floor < 0.5 { floor } else { floor + 1.0 };
        let integer = crate::value::Number::from_f64(rounded).and_then(|number| number.as_i64());
        integer.ok_or_else(|| self.expected(position, "a number of at most 64 bits"))
    }
}

/// Pieces between characters of a set, without empty ones (asl.md §6).
fn split(text: &str, delimiters: &str) -> Value {
    let set: std::collections::BTreeSet<char> = delimiters.chars().collect();
    text.split(|c| set.contains(&c)).filter(|piece| !piece.is_empty()).map(Value::from).collect()
}

/// A value as Java writes it: text without quotes, `{name=value, name=value}` (asl.md §6).
fn write_plain(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_json()),
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                write_plain(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (position, (name, member)) in members.iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                out.push_str(name);
                out.push('=');
                write_plain(member, out);
            }
            out.push('}');
        }
    }
}

fn merge_deep(left: &Object, right: &Object) -> Object {
    let merged = right.iter().map(|(name, value)| {
        let both = left.get(name).and_then(Value::as_object).zip(value.as_object());
        (name.clone(), both.map_or_else(|| value.clone(), |(left, right)| merge_deep(left, right).into()))
    });
    left.merged(&merged.collect())
}
