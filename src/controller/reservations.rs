//! Things that one look at a time may reach for, such as a name that can be taken once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// Things that nobody waits for any more are forgotten when so many are known.
const FORGOTTEN_AT: usize = 1_024;

/// Who may reach for what.
#[derive(Debug, Default)]
pub struct Reservations(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Reservations {
    /// Waits until nobody else has reserved a thing. It is free again when what is given is dropped.
    pub async fn take(&self, thing: String) -> OwnedMutexGuard<()> {
        let reservation = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= FORGOTTEN_AT {
                known.retain(|_, reservation| reservation.strong_count() > 0);
            }
            let reservation = known.get(&thing).and_then(Weak::upgrade).unwrap_or_default();
            known.insert(thing, Arc::downgrade(&reservation));
            reservation
        };
        reservation.lock_owned().await
    }
}
