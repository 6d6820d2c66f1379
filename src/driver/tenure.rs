//! What a driver may do, and what it has begun: all of it belongs to one term of leading.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{AbortHandle, JoinSet};

use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::leader::Leadership;

/// A term of leading, as the driver sees it. What is begun in it ends with it.
///
/// Whoever has waited for anything asks again before it acts: a lease may run out meanwhile.
pub struct Tenure {
    leadership: Leadership,
    /// Nothing new begins: the controller ends.
    begins_nothing: AtomicBool,
    /// Effects that are under way and can be waited for.
    out: Arc<AtomicUsize>,
    tasks: Mutex<JoinSet<()>>,
}

/// An effect that is under way.
pub struct Out(Arc<AtomicUsize>);

impl Drop for Out {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tenure {
    /// One that lasts as long as the right to act.
    #[must_use]
    pub fn new(leadership: Leadership) -> Self {
        Self {
            leadership,
            begins_nothing: AtomicBool::new(false),
            out: Arc::default(),
            tasks: Mutex::default(),
        }
    }

    /// Whether one may act at all.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.leadership.is_valid()
    }

    /// The API server, for a change that is made now.
    ///
    /// # Errors
    /// Where one may not act any more.
    pub fn checked<'a>(&self, api: &'a ApiServer) -> Result<&'a ApiServer, ApiError> {
        let lost = || ApiError::Unavailable("the lease has run out".to_owned());
        self.is_valid().then_some(api).ok_or_else(lost)
    }

    /// Whether anything new may begin.
    #[must_use]
    pub fn may_begin(&self) -> bool {
        !self.begins_nothing.load(Ordering::SeqCst) && self.is_valid()
    }

    /// Notes that something is under way, if it may begin.
    #[must_use]
    pub fn begin(&self) -> Option<Out> {
        // Counted before it is asked: who says that nothing begins sees it, or it does not begin.
        self.out.fetch_add(1, Ordering::SeqCst);
        let out = Out(self.out.clone());
        self.may_begin().then_some(out)
    }

    /// From now on nothing begins; what is under way goes on.
    pub fn begin_nothing(&self) {
        self.begins_nothing.store(true, Ordering::SeqCst);
    }

    /// How much is under way.
    #[must_use]
    pub fn out(&self) -> usize {
        self.out.load(Ordering::SeqCst)
    }

    /// Does something aside, as long as the term lasts.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        // Nothing that holds the lock can panic half way.
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }

    /// Ends whatever goes on.
    pub fn end(&self) {
        self.begin_nothing();
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn nothing_begins_without_a_lease_or_while_the_controller_ends() {
        let tenure = Tenure::new(Leadership::lasting(Duration::from_secs(60)));
        let out = tenure.begin();
        tenure.begin_nothing();
        assert!(out.is_some() && tenure.begin().is_none() && tenure.is_valid());
        assert_eq!(tenure.out(), 1);
        drop(out);
        assert_eq!(tenure.out(), 0);
        let tenure = Tenure::new(Leadership::default());
        assert!(!tenure.is_valid() && tenure.begin().is_none());
    }

    #[tokio::test]
    async fn what_goes_on_ends_with_the_term() {
        let tenure = Tenure::new(Leadership::lasting(Duration::from_secs(60)));
        let task = tenure.spawn(std::future::pending());
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        tenure.end();
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(!tenure.may_begin());
    }
}
