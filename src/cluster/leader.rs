//! Leader election by a Lease: of several controllers one acts.
//!
//! # Guarantees
//!
//! * [`Leadership::is_valid`] is true only while nobody else may have taken the lease, by this machine's
//!   boot clock, which goes on while the machine sleeps.
//! * A [`Leadership`] that has ended never counts again: after a lapse, even one that nobody else has
//!   used, the lease is won anew, so that whoever gave way meanwhile begins from what there is then.
//! * The holder named in the lease takes it again at once: a controller that was restarted under its
//!   name does not wait for itself.
//! * A lease that was given up is free at once.
//!
//! # Assumptions
//!
//! Clocks of different machines need not agree: whether a lease has run out is judged by how long it
//! has not been renewed, as seen from here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tracing::{info, warn};

/// The lease is renewed so often within its duration.
const RENEWALS_PER_DURATION: u32 = 5;

/// How often a lease that is held by another is looked at, and one that could not be renewed is tried
/// again: how long a hand-over takes at most.
const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// Who holds which lease, and for how long it counts.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name of the Lease.
    pub lease: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name under which it is held.
    pub identity: String,
    /// How long it counts after a renewal.
    pub duration: Duration,
}

/// The right to act, as long as it lasts: when it has ended it stays so. Cheap to ask.
#[derive(Clone, Debug, Default)]
pub struct Leadership {
    /// Milliseconds since boot until which the lease counts; 0 when it was found to have run out.
    valid_until: Arc<AtomicU64>,
}

impl Leadership {
    fn since(from: u64, duration: Duration) -> Self {
        Self { valid_until: Arc::new(AtomicU64::new(end_of(from, duration))) }
    }

    /// One that lasts so long from now on.
    #[cfg(test)]
    pub(crate) fn lasting(duration: Duration) -> Self {
        Self::since(boot_millis(), duration)
    }

    /// Whether one may act.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.left().is_zero()
    }

    /// How long it lasts if it is not renewed.
    fn left(&self) -> Duration {
        loop {
            let (now, until) = (boot_millis(), self.valid_until.load(Ordering::Acquire));
            if now < until {
                return Duration::from_millis(until - now);
            }
            // Somebody gives way because of it: from now on no renewal counts.
            if self.valid_until.compare_exchange(until, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return Duration::ZERO;
            }
        }
    }

    /// Makes it last longer, unless it has ended.
    fn extend(&self, from: u64, duration: Duration) -> bool {
        let end = end_of(from, duration);
        let renewed = |until: u64| (boot_millis() < until).then_some(end);
        self.valid_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, renewed).is_ok()
    }

    fn end(&self) {
        self.valid_until.store(0, Ordering::Release);
    }
}

fn end_of(from: u64, duration: Duration) -> u64 {
    from.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since boot, sleep included.
fn boot_millis() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

/// A lease as it was last seen, and since when it has looked like that.
struct Seen {
    lease: Lease,
    since: u64,
}

/// Takes part in the election.
pub struct Election {
    api: Api<Lease>,
    candidate: Candidate,
    leadership: Leadership,
    seen: Option<Seen>,
}

impl Election {
    /// A candidate that holds nothing yet.
    #[must_use]
    pub fn new(client: kube::Client, candidate: Candidate) -> Self {
        let api = Api::namespaced(client, &candidate.namespace);
        Self { api, candidate, leadership: Leadership::default(), seen: None }
    }

    /// Waits until the lease is held.
    pub async fn win(&mut self) -> Leadership {
        let mut was_told = false;
        loop {
            match self.try_take().await {
                Ok(Some(leadership)) => {
                    info!(lease = self.candidate.lease, identity = self.candidate.identity, "leading");
                    self.leadership = leadership.clone();
                    return leadership;
                }
                Ok(None) if !was_told => {
                    let holder = self.holder().unwrap_or_default().to_owned();
                    info!(lease = self.candidate.lease, holder, "another controller leads; waiting");
                    was_told = true;
                }
                Ok(None) => {}
                Err(error) => warn!(lease = self.candidate.lease, %error, "the lease cannot be taken"),
            }
            tokio::time::sleep(RETRY_PERIOD).await;
        }
    }

    /// Renews the lease until it is lost.
    pub async fn keep(&mut self) {
        let period = self.candidate.duration / RENEWALS_PER_DURATION;
        let mut pause = period;
        loop {
            tokio::time::sleep(pause.min(self.leadership.left())).await;
            // An API server that is back is noticed at once.
            pause = period.min(RETRY_PERIOD);
            // The answer may not come at all.
            match tokio::time::timeout(self.leadership.left(), self.renew()).await {
                Ok(Ok(true)) => pause = period,
                Ok(Ok(false)) => {
                    let holder = self.holder().unwrap_or_default().to_owned();
                    warn!(lease = self.candidate.lease, holder, "the lease was lost");
                    break;
                }
                Ok(Err(error)) => warn!(lease = self.candidate.lease, %error, "the lease cannot be renewed"),
                Err(_) => warn!(lease = self.candidate.lease, "the lease is not renewed in time"),
            }
            if !self.leadership.is_valid() {
                warn!(lease = self.candidate.lease, "the lease has run out");
                break;
            }
        }
        self.leadership.end();
    }

    /// Gives the lease up, so that nobody has to wait for it to run out.
    pub async fn give_up(&mut self) {
        self.leadership.end();
        // A renewal may be under way still: once more then.
        for _ in 0..2 {
            if self.holder() != Some(&self.candidate.identity) {
                return;
            }
            match self.try_give_up().await {
                Ok(()) => return,
                Err(error) => warn!(lease = self.candidate.lease, %error, "the lease cannot be given up"),
            }
        }
    }

    async fn try_give_up(&mut self) -> kube::Result<()> {
        let current = self.look(boot_millis()).await?;
        let ours = current.filter(|lease| holder(lease) == Some(&self.candidate.identity));
        let Some(mut lease) = ours else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        self.api.replace(&self.candidate.lease, &PostParams::default(), &lease).await.map(drop)
    }

    fn holder(&self) -> Option<&str> {
        self.seen.as_ref().and_then(|seen| holder(&seen.lease))
    }

    /// Takes the lease, if it is free or ours.
    async fn try_take(&mut self) -> kube::Result<Option<Leadership>> {
        // What counts is when the request began: the answer may be late.
        let began = boot_millis();
        let current = self.look(began).await?;
        if current.as_ref().is_some_and(|current| !self.may_take(current, began)) {
            return Ok(None);
        }
        match self.write(current, began).await {
            Ok(()) => Ok(Some(Leadership::since(began, self.candidate.duration))),
            // Somebody was quicker.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Renews the lease, if it names us still and has not run out.
    async fn renew(&mut self) -> kube::Result<bool> {
        let began = boot_millis();
        let current = self.look(began).await?;
        if current.as_ref().and_then(holder) != Some(&*self.candidate.identity) {
            return Ok(false);
        }
        self.write(current, began).await?;
        Ok(self.leadership.extend(began, self.candidate.duration))
    }

    async fn write(&mut self, current: Option<Lease>, began: u64) -> kube::Result<()> {
        let (exists, lease, params) = (current.is_some(), self.lease(current), PostParams::default());
        let lease = match exists {
            true => self.api.replace(&self.candidate.lease, &params, &lease).await?,
            false => self.api.create(&params, &lease).await?,
        };
        self.seen = Some(Seen { lease, since: began });
        Ok(())
    }

    /// Reads the lease and notes since when it has not changed.
    async fn look(&mut self, now: u64) -> kube::Result<Option<Lease>> {
        let Some(lease) = self.api.get_opt(&self.candidate.lease).await? else {
            self.seen = None;
            return Ok(None);
        };
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        let since =
            self.seen.as_ref().filter(|seen| version(&seen.lease) == version(&lease)).map(|seen| seen.since);
        self.seen = Some(Seen { lease: lease.clone(), since: since.unwrap_or(now) });
        Ok(Some(lease))
    }

    fn may_take(&self, lease: &Lease, now: u64) -> bool {
        let holder = holder(lease);
        if holder.is_none() || holder == Some(&self.candidate.identity) {
            return true;
        }
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let millis = u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000);
        let since = self.seen.as_ref().map_or(now, |seen| seen.since);
        now.saturating_sub(since) > millis
    }

    fn lease(&self, current: Option<Lease>) -> Lease {
        let now = MicroTime(jiff::Timestamp::now());
        let mut lease = current.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.candidate.lease.clone()), ..ObjectMeta::default() },
            ..Lease::default()
        });
        let spec: &mut LeaseSpec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.candidate.identity) {
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.candidate.identity.clone());
        // Whole seconds are what the API has; never less than what counts here.
        let seconds = self.candidate.duration.as_millis().div_ceil(1_000);
        spec.lease_duration_seconds = i32::try_from(seconds).ok();
        spec.renew_time = Some(now);
        lease
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const DURATION: Duration = Duration::from_millis(400);

    /// The Lease as it is stored, where there is one.
    type Store = Arc<Mutex<Option<Lease>>>;

    /// An election before an API server that holds one Lease.
    fn election() -> (Election, Store) {
        let store = Store::default();
        let behind = store.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let store = behind.clone();
            async move {
                let is_read = request.method() == http::Method::GET;
                let body = request.into_body().collect_bytes().await.unwrap();
                let mut store = store.lock().unwrap();
                if !is_read {
                    *store = Some(serde_json::from_slice(&body).unwrap());
                }
                let (status, text) = match &*store {
                    Some(lease) => (200, serde_json::to_vec(lease).unwrap()),
                    None => (404, br#"{"status": "Failure", "reason": "NotFound", "code": 404}"#.to_vec()),
                };
                let answer = http::Response::builder().status(status);
                Ok::<_, std::convert::Infallible>(answer.body(kube::client::Body::from(text)).unwrap())
            }
        });
        let candidate = Candidate {
            lease: "lease".to_owned(),
            namespace: "n".to_owned(),
            identity: "me".to_owned(),
            duration: DURATION,
        };
        (Election::new(kube::Client::new(service, "n"), candidate), store)
    }

    fn name(store: &Store, holder: Option<&str>) {
        store.lock().unwrap().as_mut().unwrap().spec.as_mut().unwrap().holder_identity =
            holder.map(str::to_owned);
    }

    #[tokio::test]
    async fn a_lease_that_is_renewed_lasts() {
        let (mut election, _store) = election();
        let leadership = election.win().await;
        assert!(tokio::time::timeout(DURATION * 3, election.keep()).await.is_err());
        assert!(leadership.is_valid());
    }

    #[tokio::test]
    async fn a_lease_that_has_run_out_is_lost_even_where_nobody_took_it() {
        let (mut election, store) = election();
        let leadership = election.win().await;
        tokio::time::sleep(DURATION + Duration::from_millis(10)).await;
        // Nobody has asked meanwhile.
        election.keep().await;
        assert!(!leadership.is_valid());
        assert_eq!(store.lock().unwrap().as_ref().and_then(holder), Some("me"));
        let next = election.win().await;
        assert_eq!((next.is_valid(), leadership.is_valid()), (true, false));
    }

    #[tokio::test]
    async fn a_lease_that_named_somebody_else_or_nobody_is_lost() {
        for other in [Some("other"), Some(""), None] {
            let (mut election, store) = election();
            let leadership = election.win().await;
            name(&store, other);
            tokio::time::timeout(DURATION, election.keep()).await.unwrap();
            assert!(!leadership.is_valid());
        }
        let (mut election, store) = election();
        election.win().await;
        *store.lock().unwrap() = None;
        tokio::time::timeout(DURATION, election.keep()).await.unwrap();
    }

    #[test]
    fn whoever_was_told_that_it_has_ended_is_right_for_ever() {
        let leadership = Leadership::since(boot_millis().saturating_sub(10), Duration::from_millis(5));
        assert!(!leadership.is_valid());
        assert!(!leadership.extend(boot_millis(), DURATION));
        assert!(!leadership.is_valid());
        let leadership = Leadership::lasting(DURATION);
        assert!(leadership.extend(boot_millis(), DURATION * 2) && leadership.left() > DURATION);
    }
}
