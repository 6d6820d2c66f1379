//! The shape of a language's context object: names that lead to [`Root`]s.

use std::sync::Arc;

use super::{Expr, Missing, PathStep, Root};

/// Part of a context object, as a constant table in the language's own module.
#[derive(Clone, Debug)]
pub enum Layout {
    /// A value the scope knows.
    Leaf(Root),
    /// Named parts.
    Group(&'static [(&'static str, Layout)]),
}

impl Layout {
    /// The expression for a path that begins here. As far as the path runs inside the layout it is
    /// resolved now; the whole of a group becomes an object of the parts that have a value.
    #[must_use]
    pub fn resolve(&self, steps: Vec<PathStep>, missing: Missing) -> Expr {
        let mut at = self;
        let mut taken = 0;
        for step in &steps {
            let (Self::Group(parts), PathStep::Member(name)) = (at, step) else { break };
            let Some((_, part)) = parts.iter().find(|(part, _)| *part == &**name) else { break };
            at = part;
            taken += 1;
        }
        let rest = steps.into_iter().skip(taken).collect::<Vec<_>>();
        at.expr().select(rest, missing)
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
