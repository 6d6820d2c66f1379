//! JSON numbers: 64-bit integers that stay exact, and doubles.

use std::cmp::Ordering;
use std::fmt;

/// A JSON number. Integers between `i64::MIN` and `u64::MAX` are exact, everything else is a
/// finite double.
#[derive(Clone, Debug)]
pub struct Number(serde_json::Number);

impl Number {
    /// The number as a double, nothing where JSON has no such number (NaN, infinities).
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if value == 0.0 && value.is_sign_negative() {
            // What is read as `-0` is the integer (asl.md §6, recorded).
            return Some(Self::from(0_i64));
        }
        serde_json::Number::from_f64(value).map(Self)
    }

    /// The integer, also where it was written as a double without a fraction.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if let Some(value) = self.0.as_i64() {
            return Some(value);
        }
        let double = self.0.as_f64()?;
        // 2^63, the first double that no longer fits; below it the cast is exact.
        const END: f64 = 9_223_372_036_854_775_808.0;
        #[expect(clippy::cast_possible_truncation, reason = "range and fraction are checked")]
        (double.fract() == 0.0 && (-END..END).contains(&double)).then_some(double as i64)
    }

    /// The nearest double.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        // Every serde_json number has one while its arbitrary_precision feature is off.
        self.0.as_f64().unwrap_or(f64::MAX)
    }

    /// Length in bytes as JSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self.0.as_u64() {
            Some(value) => value.checked_ilog10().map_or(1, |log| log as usize + 1),
            None => self.0.to_string().len(),
        }
    }

    /// The number as the JSON library knows it.
    #[must_use]
    pub fn as_json(&self) -> &serde_json::Number {
        &self.0
    }

    fn as_i128(&self) -> Option<i128> {
        self.0.as_i64().map(i128::from).or_else(|| self.0.as_u64().map(i128::from))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    /// By value; integers exactly, everything else as doubles.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.as_i128(), other.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            (None, _) | (_, None) => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.into())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.into())
    }
}

impl From<serde_json::Number> for Number {
    fn from(value: serde_json::Number) -> Self {
        Self(value)
    }
}
