//! How long a replica waits before it is built again. A pure function.

use std::time::Duration;

/// The wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait: a crash loop costs two builds a minute, and is reported all the while.
const LONGEST: Duration = Duration::from_secs(30);
/// From this many failures in a row on, a replica counts as failed.
pub const CRASH_LOOP: u32 = 5;

/// The wait after `failures` failures in a row, `jitter` in 0..1 spreads replicas that fail together.
pub fn backoff(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    wait.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_wait_is_short_and_the_longest_is_bounded() {
        assert_eq!(backoff(1, 0.0), FIRST);
        assert_eq!(backoff(2, 0.0), FIRST * 2);
        assert_eq!(backoff(u32::MAX, 0.0), LONGEST);
    }

    proptest! {
        #[test]
        fn waits_never_shrink_with_failures_nor_leave_their_bounds(n in 0u32..1000, jitter in 0.0f64..1.0) {
            prop_assert!(backoff(n, jitter) <= backoff(n + 1, jitter));
            prop_assert!(backoff(n, jitter) >= FIRST.mul_f64(0.74) && backoff(n, jitter) <= LONGEST);
        }
    }
}
