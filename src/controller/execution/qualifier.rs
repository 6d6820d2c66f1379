//! Which revision an Execution asks for: `spec.flowRef.qualifier`.

use sha2::{Digest as _, Sha256};

use crate::api::execution::FlowRef;
use crate::api::flow::{Alias, Route};

/// A revision that was asked for by more than the name of its Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualified {
    /// Its number.
    pub number: i64,
    /// The alias that leads to it.
    pub alias: Option<String>,
}

/// The revision that a qualifier means; nothing without one.
///
/// An alias with several routes is drawn by weight from the uid: always the same for one Execution.
///
/// # Errors
/// Where the Flow has no such alias; what is said of it.
pub fn qualified(aliases: &[Alias], uid: &str, flow_ref: &FlowRef) -> Result<Option<Qualified>, String> {
    let Some(qualifier) = flow_ref.qualifier.as_deref() else { return Ok(None) };
    if let Ok(number) = qualifier.parse() {
        return Ok(Some(Qualified { number, alias: None }));
    }
    let alias = aliases.iter().find(|alias| alias.name == qualifier);
    let route = alias.and_then(|alias| {
        let weight = |route: &Route| u64::try_from(route.weight).unwrap_or_default();
        let total: u64 = alias.routes.iter().map(weight).sum();
        let mut drawn = draw(uid).checked_rem(total)?;
        alias.routes.iter().find(|route| {
            let is_drawn = drawn < weight(route);
            drawn = drawn.saturating_sub(weight(route));
            is_drawn
        })
    });
    let known = || match aliases {
        [] => "it has none".to_owned(),
        aliases => {
            let names: Vec<_> = aliases.iter().map(|alias| format!("`{}`", alias.name)).collect();
            format!("it has {}", names.join(", "))
        }
    };
    if let (Some(_), None) = (alias, route) {
        return Err(format!(
            "spec.flowRef.qualifier alias `{qualifier}` of Flow {} has no route with a weight above 0.",
            flow_ref.name
        ));
    }
    route
        .map(|route| Some(Qualified { number: route.revision, alias: Some(qualifier.to_owned()) }))
        .ok_or_else(|| {
            format!(
                "spec.flowRef.qualifier `{qualifier}` is no alias of Flow {}: {}.",
                flow_ref.name,
                known()
            )
        })
}

/// 64 bits that depend on the uid and on nothing else, in every version alike.
fn draw(uid: &str) -> u64 {
    Sha256::digest(uid).iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(aliases: &str, qualifier: Option<&str>, uid: &str) -> Result<Option<Qualified>, String> {
        let aliases: Vec<Alias> = serde_json::from_str(aliases).unwrap();
        let flow_ref = FlowRef { name: "f".to_owned(), qualifier: qualifier.map(str::to_owned) };
        qualified(&aliases, uid, &flow_ref)
    }

    #[test]
    fn a_qualifier_is_a_number_or_an_alias() {
        let aliases =
            r#"[{"name": "prod", "routes": [{"revision": 3, "weight": 1}]}, {"name": "dev", "routes": []}]"#;
        assert_eq!(ask(aliases, None, "u"), Ok(None));
        assert_eq!(ask(aliases, Some("7"), "u"), Ok(Some(Qualified { number: 7, alias: None })));
        let through = Qualified { number: 3, alias: Some("prod".to_owned()) };
        assert_eq!(ask(aliases, Some("prod"), "u"), Ok(Some(through)));
        for (aliases, qualifier, says) in [
            (aliases, "test", "`test` is no alias of Flow f: it has `prod`, `dev`."),
            ("[]", "test", "`test` is no alias of Flow f: it has none."),
            (aliases, "dev", "alias `dev` of Flow f has no route with a weight above 0."),
        ] {
            let message = ask(aliases, Some(qualifier), "u").unwrap_err();
            assert_eq!(message, format!("spec.flowRef.qualifier {says}"));
        }
    }

    #[test]
    fn routes_are_taken_by_weight_and_always_the_same_by_one_execution() {
        let aliases = r#"[{"name": "prod", "routes": [{"revision": 3, "weight": 90}, {"revision": 4, "weight": 10}, {"revision": 5, "weight": 0}]}]"#;
        let taken = |uid: usize| ask(aliases, Some("prod"), &format!("uid-{uid}")).unwrap().unwrap().number;
        let counts = (0..2_000).fold([0; 3], |mut counts, uid| {
            assert_eq!(taken(uid), taken(uid));
            counts[usize::try_from(taken(uid) - 3).unwrap()] += 1;
            counts
        });
        assert!((1_740..1_860).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
        // What is drawn must stay what it was, also in later versions.
        assert_eq!((0..12).map(taken).collect::<Vec<_>>(), [4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
    }
}
