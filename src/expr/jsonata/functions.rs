//! What Amazon States Language adds to the functions of `JSONata`, and those that depend on the run.

use std::rc::Rc;

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::value::JValue;
use sha2::{Digest, Sha256};

use super::SEQUENCE_MAX;
use super::bounds::TEXT_BYTES_MAX;
use super::convert::{from_library, to_library};
use super::host::{Answer, Hosts, first_16};
use super::reads::Part;
use crate::expr::digest::Algorithm;
use crate::expr::random::uuid;
use crate::value::Value;

/// Calls one of [`super::host`]'s own functions.
pub(super) fn call(hosts: &Rc<Hosts>, name: &str, arguments: &[JValue]) -> Answer {
    let call = Call { hosts, name, arguments };
    match name {
        "hash" => call.hash(),
        "millis" => call.millis().map(JValue::Number),
        "now" => call.now(),
        "parse" => call.parse(),
        "partition" => call.partition(),
        "random" => call.random(),
        "range" => call.range(),
        "shuffle" => call.shuffle(),
        "uuid" => Ok(JValue::string(&*uuid(hosts.draw()))),
        _ => Err(EvaluatorError::ReferenceError("T1006: Attempted to invoke a non-function".to_owned())),
    }
}

struct Call<'c> {
    hosts: &'c Rc<Hosts>,
    name: &'c str,
    arguments: &'c [JValue],
}

impl Call<'_> {
    fn expected(&self, number: usize, expected: &str) -> EvaluatorError {
        let found = from_library(self.argument(number));
        let found = match found {
            Ok(Some(value)) => format!("{} `{}`", value.kind(), value.excerpt(64)),
            Ok(None) => "nothing".to_owned(),
            Err(_) => "something else".to_owned(),
        };
        let (name, number) = (self.name, number + 1);
        let message =
            format!("T0410: Argument {number} of function ${name} must be {expected}, found {found}");
        EvaluatorError::TypeError(message)
    }

    fn argument(&self, number: usize) -> &JValue {
        self.arguments.get(number).unwrap_or(&JValue::Undefined)
    }

    fn integer(&self, number: usize) -> Result<i64, EvaluatorError> {
        let value = self.argument(number).as_f64().filter(|value| value.fract() == 0.0);
        // Beyond 2^53 a double does not say which integer it is.
        let value = value.filter(|value| value.abs() <= 9_007_199_254_740_992.0);
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        value.map(|value| value as i64).ok_or_else(|| self.expected(number, "an integer"))
    }

    fn is_undefined(&self) -> bool {
        self.argument(0).is_undefined()
    }

    /// Non-strings are hashed as JSON, as by the intrinsic function (asl.md §6).
    fn hash(&self) -> Answer {
        if self.is_undefined() {
            return Ok(JValue::Undefined);
        }
        let data = match self.argument(0).as_str() {
            Some(text) => text.to_owned(),
            None => {
                let value = from_library(self.argument(0)).ok().flatten();
                value.ok_or_else(|| self.expected(0, "data of at most a payload"))?.to_json()
            }
        };
        let algorithm = self.argument(1).as_str().and_then(Algorithm::named);
        let algorithm =
            algorithm.ok_or_else(|| self.expected(1, "`MD5`, `SHA-1`, `SHA-256`, `SHA-384` or `SHA-512`"))?;
        Ok(JValue::string(algorithm.digest(&data)))
    }

    fn instant(&self) -> Result<&str, EvaluatorError> {
        let missing = || EvaluatorError::EvaluationError(format!("`${}` has no clock here", self.name));
        self.hosts.now.as_deref().ok_or_else(missing)
    }

    fn millis(&self) -> Result<f64, EvaluatorError> {
        let instant: Result<jiff::Timestamp, _> = self.instant()?.parse();
        #[expect(clippy::cast_precision_loss, reason = "the calendar ends before 2^53 milliseconds")]
        let millis = instant.map(|instant| instant.as_millisecond() as f64);
        millis.map_err(|why| EvaluatorError::EvaluationError(format!("`${}`: {why}", self.name)))
    }

    fn now(&self) -> Answer {
        // As a callback it is handed what it does not want.
        if !self.argument(0).is_string() {
            return Ok(JValue::string(self.instant()?));
        }
        let mut arguments = vec![JValue::Number(self.millis()?)];
        arguments.extend(self.arguments.iter().cloned());
        self.hosts.call_library("fromMillis", &JValue::Undefined, &arguments)
    }

    fn parse(&self) -> Answer {
        if self.is_undefined() {
            return Ok(JValue::Undefined);
        }
        let text = self.argument(0).as_str().ok_or_else(|| self.expected(0, "JSON as a string"))?;
        let value = Value::parse(text).map_err(|why| {
            EvaluatorError::EvaluationError(format!("Argument 1 of function $parse: {why}"))
        })?;
        Ok(to_library(&value, &Part::Whole))
    }

    /// What is no array counts as one of one item, as everywhere in `JSONata`: a range of one number is a
    /// number.
    fn items(&self) -> Vec<JValue> {
        self.argument(0).as_array().cloned().unwrap_or_else(|| vec![self.argument(0).clone()])
    }

    fn partition(&self) -> Answer {
        if self.is_undefined() {
            return Ok(JValue::Undefined);
        }
        let size = self.integer(1)?;
        let size = usize::try_from(size).ok().filter(|size| *size > 0);
        let size = size.ok_or_else(|| self.expected(1, "a positive integer"))?;
        let parts = self.items().chunks(size).map(|part| JValue::cons(part.to_vec())).collect();
        Ok(JValue::cons(parts))
    }

    /// One number is given as it is, not as an array (asl.md §7).
    fn range(&self) -> Answer {
        let (start, end, step) = (self.integer(0)?, self.integer(1)?, self.integer(2)?);
        if step == 0 {
            return Err(self.expected(2, "an integer other than 0"));
        }
        let is_inside = |number: i64| if step > 0 { number <= end } else { number >= end };
        let mut numbers = Vec::new();
        let mut next = Some(start).filter(|start| is_inside(*start));
        while let Some(number) = next {
            if numbers.len() >= SEQUENCE_MAX {
                let message = format!("$range would give more than {SEQUENCE_MAX} numbers");
                return Err(EvaluatorError::EvaluationError(message));
            }
            #[expect(clippy::cast_precision_loss, reason = "no argument is beyond 2^53")]
            numbers.push(JValue::Number(number as f64));
            next = number.checked_add(step).filter(|next| is_inside(*next));
        }
        Ok(JValue::sequence(numbers))
    }

    /// From 0 to below 1. With a seed the same number each time; as a callback it has none.
    fn random(&self) -> Answer {
        let draw = match self.arguments {
            [seed] if !seed.is_undefined() => {
                let seed = from_library(seed).ok().flatten().filter(|seed| seed.bytes() <= TEXT_BYTES_MAX);
                let seed = seed.ok_or_else(|| self.expected(0, "a number"))?;
                first_16(&Sha256::digest(seed.to_json()))
            }
            _ => self.hosts.draw(),
        };
        Ok(JValue::Number(fraction(draw)))
    }

    fn shuffle(&self) -> Answer {
        if self.is_undefined() {
            return Ok(JValue::Undefined);
        }
        let mut items = self.items();
        for last in (1..items.len()).rev() {
            let choices = last as u128 + 1;
            // 128 bits over a position: the bias is beyond notice.
            let other = usize::try_from(u128::from_be_bytes(self.hosts.draw()) % choices).unwrap_or(last);
            items.swap(last, other);
        }
        Ok(JValue::sequence(items))
    }
}

/// A number from 0 to below 1 with all the bits that a double has there.
fn fraction(draw: [u8; 16]) -> f64 {
    const BITS: u32 = 53;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let fraction = (u128::from_be_bytes(draw) >> (u128::BITS - BITS)) as f64 / (1_u64 << BITS) as f64;
    fraction
}
