//! Whether the controller is ready to act.

use std::sync::{Arc, PoisonError, RwLock};

/// Whether the controller is ready, and what it waits for while it is not.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<RwLock<Option<String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Some("starting".to_owned()))))
    }
}

impl Readiness {
    /// It waits for something.
    pub fn waits_for(&self, what: impl Into<String>) {
        self.set(Some(what.into()));
    }

    /// It is ready.
    pub fn is_given(&self) {
        self.set(None);
    }

    fn set(&self, waits_for: Option<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = waits_for;
    }

    /// What it waits for.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
