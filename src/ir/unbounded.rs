//! Which programs need somebody with a clock beside them.

use crate::expr::Expr;

use super::{Access, Batch, Boundary, Branch, Catcher, Kind, Map, Rule, State, Tolerance, Until, Variables};

/// Whether evaluating an expression of the boundary can take for ever.
pub(super) fn boundary(boundary: &Boundary) -> bool {
    any([&boundary.input, &boundary.output])
}

/// Whether evaluating an expression of a state can take for ever. Structs are taken apart, so that a new
/// field is not forgotten here.
pub(super) fn state(state: &State) -> bool {
    let State { name: _, kind, input, result, output, variables, retry: _, catch, next: _ } = state;
    let is_unbounded = |catcher: &Catcher| {
        let Catcher { errors: _, output, variables, next: _ } = catcher;
        any([output]) || self::variables(variables.as_ref())
    };
    any([input, result, output])
        || self::variables(variables.as_ref())
        || catch.iter().any(is_unbounded)
        || self::kind(kind)
}

fn any<'e>(expressions: impl IntoIterator<Item = &'e Option<Expr>>) -> bool {
    expressions.into_iter().flatten().any(Expr::is_unbounded)
}

fn variables(variables: Option<&Variables>) -> bool {
    variables.is_some_and(|Variables { scope: _, values }| values.is_unbounded())
}

fn kind(kind: &Kind) -> bool {
    match kind {
        Kind::Pass { result } => any([result]),
        Kind::Task { resource: _, arguments, completion: _, timeout, heartbeat } => {
            any([arguments, timeout, heartbeat])
        }
        Kind::Wait(Until::Seconds(expr) | Until::Timestamp(expr)) => expr.is_unbounded(),
        Kind::Choice { rules, otherwise } => {
            let conditions = rules.iter().any(|Rule { condition, branch: _ }| condition.is_unbounded());
            conditions || rules.iter().map(|rule| &rule.branch).chain(otherwise).any(branch)
        }
        Kind::Parallel { arguments, branches: _ } => any([arguments]),
        Kind::Map(map) => self::map(map),
        Kind::Succeed => false,
        Kind::Fail { error, cause } => any([error, cause]),
    }
}

fn branch(branch: &Branch) -> bool {
    let Branch { body: _, output, variables, next: _ } = branch;
    any([output]) || self::variables(variables.as_ref())
}

fn map(map: &Map) -> bool {
    let Map {
        reader,
        items,
        takes_objects: _,
        items_max,
        item,
        batch,
        body: _,
        concurrency,
        is_isolated: _,
        iteration_seconds_max: _,
        tolerance,
        writer,
    } = map;
    let access = |Access { resource: _, arguments }: &Access| any([arguments]);
    let batched = |Batch { items_max, bytes_max, input }: &Batch| any([items_max, bytes_max, input]);
    let tolerated = |Tolerance { count, percentage }: &Tolerance| any([count, percentage]);
    items.is_unbounded()
        || any([items_max, item, concurrency])
        || tolerance.as_ref().is_some_and(tolerated)
        || reader.iter().chain(writer).any(access)
        || batch.as_ref().is_some_and(batched)
}
