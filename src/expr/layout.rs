//! The shape of a language's context object: names that lead to [`Root`]s.

use std::sync::Arc;

use super::{Expr, Missing, PathStep, Root};
use crate::value::Str;

/// Part of a context object, as a constant table in the language's own module.
#[derive(Clone, Debug)]
pub enum Layout {
    /// A value the scope knows.
    Leaf(Root),
    /// Named parts.
    Group(&'static [(&'static str, Layout)]),
}

/// A path names a part that a group does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPart {
    /// Which step of the path names it.
    pub step: usize,
    /// The name.
    pub name: Str,
    /// The parts there are.
    pub known: Vec<&'static str>,
}

impl Layout {
    /// The expression for a path that begins here. As far as the path runs inside the layout it is
    /// resolved now; the whole of a group becomes an object of the parts that have a value.
    ///
    /// # Errors
    /// Where a member is named that a group does not have.
    pub fn resolve(&self, steps: Vec<PathStep>, missing: Missing) -> Result<Expr, UnknownPart> {
        let mut at = self;
        let mut taken = 0;
        for step in &steps {
            let (Self::Group(parts), PathStep::Member(name) | PathStep::MemberOrElement(name, _)) =
                (at, step)
            else {
                break;
            };
            let Some((_, part)) = parts.iter().find(|(part, _)| *part == &**name) else {
                let known = parts.iter().map(|(part, _)| *part).collect();
                return Err(UnknownPart { step: taken, name: name.clone(), known });
            };
            at = part;
            taken += 1;
        }
        let rest = steps.into_iter().skip(taken).collect::<Vec<_>>();
        Ok(at.expr().select(rest, missing))
    }

    fn expr(&self) -> Expr {
        match self {
            Self::Leaf(root) => Expr::Root(root.clone()),
            Self::Group(parts) => {
                Expr::Record(parts.iter().map(|(name, part)| (Arc::from(*name), part.expr())).collect())
            }
        }
    }
}
