//! What an Execution that has ended says of telling its end to whoever waits for it (`spec.callback`). Pure.
//!
//! Most tell it at once and say nothing of it. One that cannot says why until it could, or was given up: the
//! finalizer is there as long as it is tried, so that whoever has told nothing and holds nothing has told.

use crate::api::condition::{self, Claim, ConditionType};
use crate::api::execution::{AcceptedCallback, Callback};
use crate::api::{Condition, ConditionStatus, ExecutionStatus, Phase, Reason};
use crate::engine::{Named, TokenKey};

/// What is said once it was told after all.
const TOLD: &str = "whoever waits for its end was told (spec.callback)";

/// What keeps an end from being told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hitch {
    /// Why; it is tried again.
    Passing(String),
    /// Why; it is given up.
    Final(String),
}

/// What is known of telling an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// What has kept it from being told when it was last tried.
    pub hitch: Option<Hitch>,
    /// Whether the finalizer is there: it is still tried.
    pub is_held: bool,
}

/// Who was named when a run was accepted. A status holds no token: what it names is enough to make it again.
#[must_use]
pub fn accepted(callback: &Callback, key: &TokenKey) -> AcceptedCallback {
    let named = callback.task_token.as_deref().and_then(|token| key.verify(token));
    AcceptedCallback {
        task: named.map(|named| named.to_string()),
        task_token_from: callback.task_token_from.clone(),
    }
}

/// The token of whoever was named, unless that is in a Secret.
///
/// # Errors
/// Where none was named that could be told.
pub fn token_again(accepted: &AcceptedCallback, key: &TokenKey) -> Result<String, String> {
    let named = accepted.task.as_deref().and_then(Named::parse);
    let named = named.ok_or(
        "spec.callback.taskToken is no token of this installation: it was cut, or was made elsewhere",
    )?;
    Ok(key.token_naming(&named))
}

/// What is to be said of it in a phase; nothing where nothing was ever in the way.
#[must_use]
pub fn claim(telling: &Telling, before: &[Condition], phase: Phase) -> Option<Claim> {
    if !phase.is_ended() {
        return None;
    }
    let claim =
        |status, reason, message| Claim::new(ConditionType::CallbackDelivered, status, reason, message);
    match &telling.hitch {
        Some(Hitch::Passing(why)) => {
            let message =
                format!("nobody was told of its end yet (spec.callback), which is tried again: {why}");
            return Some(claim(ConditionStatus::False, Reason::CallbackPending, message));
        }
        Some(Hitch::Final(why)) => {
            let message =
                format!("nobody was told of its end (spec.callback), and it is tried no more: {why}");
            return Some(claim(ConditionStatus::False, Reason::CallbackLost, message));
        }
        None => {}
    }
    let said = condition::find(before, ConditionType::CallbackDelivered)?;
    if said.reason == Reason::CallbackPending && !telling.is_held {
        return Some(claim(ConditionStatus::True, Reason::Delivered, TOLD.to_owned()));
    }
    Some(claim(said.status, said.reason, said.message.clone()))
}

/// Whether there is something else to be said than what is.
#[must_use]
pub fn is_news(telling: &Telling, before: &[Condition], phase: Phase) -> bool {
    let said = condition::find(before, ConditionType::CallbackDelivered);
    let says = |claim: &Claim| {
        let is_same = |said: &Condition| {
            (said.status, said.reason) == (claim.status, claim.reason) && said.message == claim.message
        };
        !said.is_some_and(is_same)
    };
    claim(telling, before, phase).as_ref().is_some_and(says)
}

/// Whether a status says that it is given up.
#[must_use]
pub fn says_lost(status: &ExecutionStatus) -> bool {
    condition::find(&status.conditions, ConditionType::CallbackDelivered)
        .is_some_and(|said| said.reason == Reason::CallbackLost)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::engine::TaskId;

    #[test]
    fn who_was_named_is_known_without_the_token() {
        let key = TokenKey::new([7; 32]);
        let token = key.at("ns/run").token("uid", &TaskId::from("A/b#1@2"));
        let callback = |token: &str| Callback { task_token: Some(token.to_owned()), task_token_from: None };
        let named = accepted(&callback(&token), &key);
        assert_eq!(named.task.as_deref(), Some("ns/run#uid#A/b#1@2"));
        assert_eq!(token_again(&named, &key), Ok(token));
        let none = accepted(&callback("made up"), &key);
        assert!(token_again(&none, &key).unwrap_err().contains("no token of this installation"));
    }

    #[test]
    fn what_kept_an_end_from_being_told_is_said_until_it_was_told_or_given_up() {
        let mut said: Vec<Condition> = Vec::new();
        let mut say = |hitch: Option<Hitch>, is_held: bool, phase: Phase| {
            let telling = Telling { hitch, is_held };
            let is_news = is_news(&telling, &said, phase);
            let claims = claim(&telling, &said, phase).into_iter().collect();
            said = condition::merge(&said, claims, 1, Timestamp::UNIX_EPOCH);
            (is_news, said.first().map(|said| (said.status, said.reason)))
        };
        let pending = Some((ConditionStatus::False, Reason::CallbackPending));
        let lost = Some((ConditionStatus::False, Reason::CallbackLost));
        let told = Some((ConditionStatus::True, Reason::Delivered));
        let passing = |why: &str| Some(Hitch::Passing(why.to_owned()));
        // Most are told at once, and nothing is said of it.
        assert_eq!(say(None, true, Phase::Failed), (false, None));
        assert_eq!(say(None, false, Phase::Failed), (false, None));
        assert_eq!(say(passing("a"), true, Phase::Failed), (true, pending));
        assert_eq!(say(passing("a"), true, Phase::Failed), (false, pending));
        assert_eq!(say(passing("b"), true, Phase::Failed), (true, pending));
        // A new leader has not tried yet.
        assert_eq!(say(None, true, Phase::Failed), (false, pending));
        assert_eq!(say(None, false, Phase::Failed), (true, told));
        assert_eq!(say(None, false, Phase::Failed), (false, told));
        // What goes on again has no end.
        assert_eq!(say(None, false, Phase::Running), (false, None));
        assert_eq!(say(passing("a"), true, Phase::Failed), (true, pending));
        assert_eq!(say(Some(Hitch::Final("a".to_owned())), true, Phase::Failed), (true, lost));
        // That it is held no more does not mean that it was told.
        assert_eq!(say(None, false, Phase::Failed), (false, lost));
    }
}
