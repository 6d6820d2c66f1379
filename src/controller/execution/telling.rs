//! What an Execution that has ended says of telling its end to whoever waits for it (`spec.callback`). Pure.
//!
//! Most tell it at once and say nothing of it. One that cannot says why, until it could or was given up: the finalizer
//! stays until that is said.

use crate::api::condition::{self, Claim, ConditionType};
use crate::api::execution::{AcceptedCallback, Callback};
use crate::api::{Condition, ConditionStatus, Phase, Reason};
use crate::engine::{Named, TokenKey};

/// How often it is tried to tell an end where somebody has to mend something, such as a Secret that is not there:
/// some ten minutes.
pub const TRIES_MAX: u32 = 25;

/// What is said once it was told after all.
const TOLD: &str = "whoever waits for its end was told (spec.callback)";

/// What is said where somebody has taken the finalizer away.
const LET_GO: &str =
    "nobody was told of its end (spec.callback): its finalizer was taken away before that was possible";

/// What has become of telling an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hitch {
    /// Why it was not told; it is tried again.
    Passing(String),
    /// Why it was not told; it is given up.
    Final(String),
    /// It was told after all.
    Over,
}

/// What is known of telling an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// What has become of it when it was last tried.
    pub hitch: Option<Hitch>,
    /// Whether the finalizer is there: it is still tried.
    pub is_held: bool,
}

/// Why an end was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untold {
    /// The API server does not answer as it should now.
    Now(String),
    /// Somebody has to mend something.
    Until(String),
    /// Nothing could mend it.
    Never(String),
}

/// What comes after an end was told, or was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing is owed any more. Why nobody was told, if nobody was.
    LetGo(Option<String>),
    /// Something is to be said first; then it is tried again.
    Say(Hitch),
    /// It is tried again, for this reason.
    Again(String),
}

/// What comes after the so many-th try, by what the status says so far. Of one that is being deleted nothing can be
/// said any more.
#[must_use]
pub fn next(tried: Result<(), Untold>, said: &[Condition], tries: u32, is_deleting: bool) -> Next {
    let said = condition::find(said, ConditionType::CallbackDelivered).map(|said| said.reason);
    let why = match tried {
        Ok(()) if said == Some(Reason::CallbackPending) && !is_deleting => return Next::Say(Hitch::Over),
        Ok(()) => return Next::LetGo(None),
        Err(Untold::Now(why)) => return Next::Again(why),
        Err(Untold::Until(why)) if tries < TRIES_MAX && is_deleting => return Next::Again(why),
        Err(Untold::Until(why)) if tries < TRIES_MAX => return Next::Say(Hitch::Passing(why)),
        Err(Untold::Until(why) | Untold::Never(why)) => why,
    };
    match said {
        Some(Reason::CallbackLost) => Next::LetGo(Some(why)),
        _ if is_deleting => Next::LetGo(Some(why)),
        _ => Next::Say(Hitch::Final(why)),
    }
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
        Some(Hitch::Over) => {
            return Some(claim(ConditionStatus::True, Reason::Delivered, TOLD.to_owned()));
        }
        None => {}
    }
    let said = condition::find(before, ConditionType::CallbackDelivered)?;
    if said.reason == Reason::CallbackPending && !telling.is_held {
        return Some(claim(ConditionStatus::False, Reason::CallbackLost, LET_GO.to_owned()));
    }
    Some(claim(said.status, said.reason, said.message.clone()))
}

/// Whether there is something else to be said than what is.
#[must_use]
pub fn is_news(telling: &Telling, before: &[Condition], phase: Phase) -> bool {
    let said = condition::find(before, ConditionType::CallbackDelivered);
    let Some(claim) = claim(telling, before, phase) else { return false };
    let merged = condition::merge(before, vec![claim], 0, jiff::Timestamp::UNIX_EPOCH);
    let words = |said: &Condition| (said.status, said.reason, said.message.clone());
    condition::find(&merged, ConditionType::CallbackDelivered).map(words) != said.map(words)
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
        assert_eq!(say(Some(Hitch::Over), true, Phase::Failed), (true, told));
        assert_eq!(say(None, false, Phase::Failed), (false, told));
        // What goes on again has no end.
        assert_eq!(say(None, false, Phase::Running), (false, None));
        assert_eq!(say(passing("a"), true, Phase::Failed), (true, pending));
        assert_eq!(say(Some(Hitch::Final("a".to_owned())), true, Phase::Failed), (true, lost));
        assert_eq!(say(None, false, Phase::Failed), (false, lost));
        assert_eq!(say(None, false, Phase::Running), (false, None));
        // Somebody has taken the finalizer away.
        assert_eq!(say(passing("a"), true, Phase::Failed), (true, pending));
        assert_eq!(say(None, false, Phase::Failed), (true, lost));
        // A message is cut where it is stored.
        let long = "x".repeat(condition::MESSAGE_CHARS_MAX + 1);
        assert_eq!(say(passing(&long), true, Phase::Failed), (true, pending));
        assert_eq!(say(passing(&long), true, Phase::Failed), (false, pending));
    }

    #[test]
    fn it_is_let_go_once_it_is_said_what_became_of_it() {
        let said = |status, reason| {
            let claim = Claim::new(ConditionType::CallbackDelivered, status, reason, "");
            condition::merge(&[], vec![claim], 1, Timestamp::UNIX_EPOCH)
        };
        let pending = said(ConditionStatus::False, Reason::CallbackPending);
        let lost = said(ConditionStatus::False, Reason::CallbackLost);
        let told = said(ConditionStatus::True, Reason::Delivered);
        let (w, until) = ("w".to_owned(), || Err(Untold::Until("w".to_owned())));
        let never = || Err(Untold::Never("w".to_owned()));
        assert_eq!(next(Ok(()), &[], 1, false), Next::LetGo(None));
        assert_eq!(next(Ok(()), &told, 1, false), Next::LetGo(None));
        assert_eq!(next(Ok(()), &pending, 1, false), Next::Say(Hitch::Over));
        assert_eq!(next(Ok(()), &pending, 1, true), Next::LetGo(None));
        assert_eq!(next(Err(Untold::Now(w.clone())), &[], 99, false), Next::Again(w.clone()));
        assert_eq!(next(until(), &[], 1, false), Next::Say(Hitch::Passing(w.clone())));
        assert_eq!(next(until(), &pending, 1, true), Next::Again(w.clone()));
        assert_eq!(next(until(), &pending, TRIES_MAX, false), Next::Say(Hitch::Final(w.clone())));
        assert_eq!(next(until(), &lost, TRIES_MAX, false), Next::LetGo(Some(w.clone())));
        assert_eq!(next(never(), &[], 1, false), Next::Say(Hitch::Final(w.clone())));
        assert_eq!(next(never(), &[], 1, true), Next::LetGo(Some(w.clone())));
        assert_eq!(next(never(), &lost, 1, false), Next::LetGo(Some(w)));
    }
}
