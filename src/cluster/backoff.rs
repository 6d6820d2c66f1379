//! Pauses between tries against something that may be away for long.

use std::time::Duration;

/// Pauses that double, from one length up to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `min` on, none longer than `max`.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = self.next.saturating_mul(2).min(self.max);
        pause
    }

    /// Waits for as long as the next pause.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }

    /// It has worked: the next pause is the shortest again.
    pub const fn reset(&mut self) {
        self.next = self.min;
    }

    /// What is in the way is not soon gone: the next pause is at least this long.
    pub fn skip_to(&mut self, pause: Duration) {
        self.next = self.next.max(pause).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_something_works() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(5));
        assert_eq!([(); 4].map(|()| backoff.next_pause()), [1, 2, 4, 5].map(seconds));
        backoff.reset();
        assert_eq!(backoff.next_pause(), seconds(1));
        backoff.skip_to(seconds(3));
        assert_eq!([(); 2].map(|()| backoff.next_pause()), [3, 5].map(seconds));
        backoff.skip_to(seconds(9));
        assert_eq!(backoff.next_pause(), seconds(5));
    }
}
