//! Stopping an evaluation from outside.
//!
//! A `JSONata` expression can loop for ever, and how long is too long only a clock can say, which
//! nothing here reads. So whoever has a clock evaluates under an [`Interrupt`] and pulls it from another
//! thread. What an interrupted evaluation gives means nothing and must not be used: see
//! [`is_interrupted`].

use std::cell::RefCell;

use jsonata_core::evaluator::CancelToken;

thread_local! {
    static CURRENT: RefCell<Option<Interrupt>> = const { RefCell::new(None) };
}

/// A switch that stops evaluations. Clones are one switch.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(CancelToken);

impl Interrupt {
    /// Stops what is evaluated under this switch, now and later.
    pub fn interrupt(&self) {
        self.0.cancel();
    }

    /// Whether it was pulled.
    #[must_use]
    pub fn is_pulled(&self) -> bool {
        self.0.is_cancelled()
    }

    pub(super) fn token(&self) -> CancelToken {
        self.0.clone()
    }
}

/// Does `work`; what it evaluates on this thread stops once `interrupt` is pulled.
pub fn interruptible<R>(interrupt: &Interrupt, work: impl FnOnce() -> R) -> R {
    /// Puts back what was in force, also where `work` unwinds.
    struct Outer(Option<Interrupt>);
    impl Drop for Outer {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _outer = Outer(CURRENT.replace(Some(interrupt.clone())));
    work()
}

/// Whether what is evaluated on this thread was interrupted. The values and errors since then are no
/// one's.
#[must_use]
pub fn is_interrupted() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(Interrupt::is_pulled))
}

/// The switch in force on this thread.
pub(super) fn current() -> Option<Interrupt> {
    CURRENT.with_borrow(Clone::clone)
}
