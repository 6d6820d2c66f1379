//! Which part of what it can see an expression reads.

use std::collections::BTreeMap;

use crate::expr::Expr;
use crate::value::Str;

/// A part of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Members, through the elements of arrays.
    Members(BTreeMap<Str, Part>),
}

impl Part {
    pub(super) fn nothing() -> Self {
        Self::Members(BTreeMap::new())
    }

    /// Adds what `path` leads to.
    pub(super) fn add<'n>(&mut self, mut path: impl Iterator<Item = &'n str>) {
        let Self::Members(members) = self else { return };
        match path.next() {
            None => *self = Self::Whole,
            Some(name) => members.entry(name.into()).or_insert_with(Self::nothing).add(path),
        }
    }

    /// Whether a member is named; of all of it none is.
    pub(super) fn has(&self, member: &str) -> bool {
        matches!(self, Self::Members(members) if members.contains_key(member))
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Members(members) if members.is_empty())
    }

    /// `expr` without what is not read, as far as it is put together from members.
    pub(super) fn of(&self, expr: Expr) -> Expr {
        match (self, expr) {
            (Self::Members(wanted), Expr::Record(members)) => Expr::Record(read(wanted, members)),
            (Self::Members(wanted), Expr::Object(members)) => Expr::Object(read(wanted, members)),
            (Self::Members(_), Expr::Shared { expr, .. }) => self.of(Expr::clone(&expr)),
            (Self::Whole | Self::Members(_), expr) => expr,
        }
    }
}

fn read(wanted: &BTreeMap<Str, Part>, members: Vec<(Str, Expr)>) -> Vec<(Str, Expr)> {
    let read = |(key, member): (Str, Expr)| wanted.get(&key).map(|part| (key, part.of(member)));
    members.into_iter().filter_map(read).collect()
}
