//! What ends expressions that do not end by themselves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::expr::Interrupt;

/// Longest time for what one event leads to, as a controller has it. All but endless ones take milliseconds.
pub(super) const TIME_MAX: Duration = Duration::from_secs(10);

/// Interrupts after a while, unless it is dropped before.
pub(super) struct Watchdog(Arc<Guard>);

#[derive(Default)]
struct Guard {
    is_over: Mutex<bool>,
    over: Condvar,
    has_bitten: AtomicBool,
}

impl Watchdog {
    /// From now on.
    pub(super) fn set(interrupt: &Interrupt) -> Self {
        let guard = Arc::new(Guard::default());
        let (watching, interrupt) = (guard.clone(), interrupt.clone());
        // Without a thread for it nobody is in time, and all goes on.
        let _ = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let is_over = watching.is_over.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = watching.over.wait_timeout_while(is_over, TIME_MAX, |is_over| !*is_over);
            if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
                watching.has_bitten.store(true, Ordering::Relaxed);
                interrupt.interrupt();
            }
        });
        Self(guard)
    }

    /// Whether it was this that interrupted.
    pub(super) fn has_bitten(&self) -> bool {
        self.0.has_bitten.load(Ordering::Relaxed)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.over.notify_one();
    }
}
