//! How background work behaves beside interactive requests.
//!
//! A run cannot be interrupted, so what counts is when background work begins one. While interactive requests come:
//! - a model of several replicas keeps one of them free of it;
//! - a replica waits a moment after an interactive request, since the next one often follows; all the same one run in
//!   so many goes to it, few enough not to be seen in the 99th percentile of the others;
//! - a lone replica takes it one request at a time.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Without an interactive request for so long, there are no manners to mind.
const RECENT: Duration = Duration::from_secs(1);
/// Longer than a client on the same machine takes from an answer to its next request.
const PAUSE: Duration = Duration::from_micros(500);
/// So many interactive requests have a background one follow them at once.
const SHARE: u32 = 128;

pub struct Manners {
    start: Instant,
    /// Microseconds from the start to the last interactive request taken; 0 before the first.
    last: AtomicU64,
    /// Interactive requests taken since background work last began.
    since: AtomicU32,
    /// Which replicas run background work.
    busy: Box<[AtomicBool]>,
}

/// Whether background work may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// With so many requests in one run at most.
    Now { most: usize },
    /// Not before that long, unless another replica ends its own.
    In(Duration),
}

impl Manners {
    pub fn new(replicas: usize) -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            since: AtomicU32::new(0),
            busy: (0..replicas.max(1)).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// An interactive request was taken.
    pub fn interactive(&self) {
        self.last.store(self.micros().max(1), Ordering::Relaxed);
        self.since.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether interactive requests have come lately.
    pub fn minded(&self) -> bool {
        self.quiet().is_some_and(|quiet| quiet < RECENT)
    }

    /// Asks for a turn of background work on a replica, which [`Manners::end`] gives back.
    pub fn begin(&self, replica: usize) -> Turn {
        let most = match self.quiet().filter(|quiet| *quiet < RECENT) {
            None => usize::MAX,
            Some(quiet) if self.is_lone() || self.others() + 1 < self.busy.len() => {
                if quiet < PAUSE && self.since.load(Ordering::Relaxed) < SHARE {
                    return Turn::In(PAUSE.saturating_sub(quiet));
                }
                if self.is_lone() { 1 } else { usize::MAX }
            }
            Some(quiet) => return Turn::In(RECENT.saturating_sub(quiet)),
        };
        self.since.store(0, Ordering::Relaxed);
        if let Some(busy) = self.busy.get(replica) {
            busy.store(true, Ordering::Release);
        }
        Turn::Now { most }
    }

    /// Whether more background work may join a run of this replica that has room for so many rows of `size`. Where a
    /// joiner does not hold up those before it, as in the steps of a text, that depends on the room it leaves; a run of
    /// background work may go on as long as another replica is free of it.
    pub fn joins(&self, replica: usize, room: usize, size: usize) -> bool {
        let holds = || self.busy.get(replica).is_some_and(|busy| busy.load(Ordering::Acquire));
        !self.minded() || (!self.is_lone() && holds()) || (size > 1 && room > size / 4)
    }

    fn is_lone(&self) -> bool {
        self.busy.len() == 1
    }

    fn others(&self) -> usize {
        self.busy.iter().filter(|busy| busy.load(Ordering::Acquire)).count()
    }

    /// The run is over; whether it was background work.
    pub fn end(&self, replica: usize) -> bool {
        self.busy
            .get(replica)
            .is_some_and(|busy| busy.swap(false, Ordering::AcqRel))
    }

    fn quiet(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed);
        (last > 0).then(|| Duration::from_micros(self.micros().saturating_sub(last)))
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the last interactive request had been taken so long ago.
    fn quiet_for(manners: &Manners, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        // The start is not long ago: it is moved instead of the request.
        let last = manners.micros();
        manners.last.store(last.max(micros + 1) - micros, Ordering::Relaxed);
    }

    fn manners(replicas: usize) -> Manners {
        Manners {
            start: Instant::now().checked_sub(Duration::from_secs(100)).unwrap(),
            ..Manners::new(replicas)
        }
    }

    #[test]
    fn without_interactive_requests_all_may_run() {
        let manners = manners(2);
        assert_eq!(manners.begin(0), Turn::Now { most: usize::MAX });
        assert_eq!(manners.begin(1), Turn::Now { most: usize::MAX });
        manners.interactive();
        quiet_for(&manners, RECENT);
        assert!(!manners.minded());
        assert!(manners.end(0) && !manners.end(0));
        assert_eq!(manners.begin(0), Turn::Now { most: usize::MAX });
    }

    #[test]
    fn one_of_several_replicas_stays_free() {
        let manners = manners(3);
        manners.interactive();
        assert!(matches!(manners.begin(0), Turn::In(wait) if wait <= PAUSE));
        quiet_for(&manners, PAUSE);
        assert_eq!(manners.begin(0), Turn::Now { most: usize::MAX });
        assert_eq!(manners.begin(1), Turn::Now { most: usize::MAX });
        assert!(matches!(manners.begin(2), Turn::In(_)));
        assert!(manners.joins(1, 1, 1) && !manners.joins(2, 1, 1));
        assert!(manners.end(1));
        assert!(matches!(manners.begin(2), Turn::Now { .. }));
    }

    #[test]
    fn background_work_that_joins_the_steps_of_others_leaves_them_room() {
        let manners = manners(1);
        assert!(manners.joins(0, 1, 8));
        manners.interactive();
        assert!(manners.joins(0, 3, 8) && !manners.joins(0, 2, 8));
    }

    #[test]
    fn a_lone_replica_waits_a_moment_and_takes_one() {
        let manners = manners(1);
        manners.interactive();
        assert!(matches!(manners.begin(0), Turn::In(wait) if wait <= PAUSE));
        quiet_for(&manners, PAUSE);
        assert_eq!(manners.begin(0), Turn::Now { most: 1 });
        assert!(!manners.joins(0, 1, 1), "one at a time");
    }

    #[test]
    fn background_work_has_its_share_of_a_stream_of_requests() {
        let manners = manners(1);
        (0..SHARE).for_each(|_| manners.interactive());
        assert_eq!(manners.begin(0), Turn::Now { most: 1 });
        manners.interactive();
        assert!(matches!(manners.begin(0), Turn::In(_)));
    }
}
