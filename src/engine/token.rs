//! Task tokens: what an outsider needs to answer for a task.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::TaskId;

/// The key under which tokens are made. It is handed in whenever a run moves and is never part of
/// what is stored, so a run's status tells nobody its tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    bytes: [u8; 32],
    /// Where the executions are that tokens are made for, as whoever runs them finds them.
    place: Arc<str>,
}

/// What a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where the execution is, in the words of whoever runs it.
    pub place: String,
    /// Identity of the execution.
    pub execution: String,
    /// The attempt.
    pub task: TaskId,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.place, self.execution, self.task)
    }
}

impl Named {
    /// Reads what [`fmt::Display`] has written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (place, text) = text.split_once('#')?;
        let (execution, task) = text.split_once('#')?;
        Some(Self { place: place.to_owned(), execution: execution.to_owned(), task: TaskId::from(task) })
    }
}

impl TokenKey {
    /// A key of 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self { bytes, place: Arc::default() }
    }

    /// The same for executions at a place, so that an answer finds them. The place holds no `#`.
    #[must_use]
    pub fn at(&self, place: &str) -> Self {
        Self { bytes: self.bytes, place: place.into() }
    }

    /// The token of one attempt of a task: Base64 of `v1#<place>#<execution>#<task>#<MAC>`. The layout is
    /// near to that of the service the language comes from (fdl.md §10.8) and nobody's business but ours.
    #[must_use]
    pub fn token(&self, execution: &str, task: &TaskId) -> String {
        let (place, execution) = (self.place.to_string(), execution.to_owned());
        self.token_naming(&Named { place, execution, task: task.clone() })
    }

    /// The token that names this, wherever that is.
    #[must_use]
    pub fn token_naming(&self, named: &Named) -> String {
        let said = format!("v1#{named}");
        let mac = BASE64.encode(self.mac(&said));
        BASE64.encode(format!("{said}#{mac}"))
    }

    /// What a token names, wherever that is; nothing for a token that was not made with this key.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Named> {
        let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
        let (said, mac) = text.rsplit_once('#')?;
        let mut hmac = self.hmac()?;
        hmac.update(said.as_bytes());
        hmac.verify_slice(&BASE64.decode(mac).ok()?).ok()?;
        Named::parse(said.strip_prefix("v1#")?)
    }

    fn mac(&self, said: &str) -> Vec<u8> {
        self.hmac().map_or_else(Vec::new, |mut hmac| {
            hmac.update(said.as_bytes());
            hmac.finalize().into_bytes().to_vec()
        })
    }

    fn hmac(&self) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length; the library says so with a Result.
        Hmac::<Sha256>::new_from_slice(&self.bytes).ok()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}
