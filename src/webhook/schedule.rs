//! When a webhook is posted again, and when it is given up. Pure functions.

use std::time::Duration;

/// The waits between posts, before jitter. The first is short, since most faults are a receiver that restarts; all of
/// them together outlast a night (17.7 hours), and stay below the day that ended jobs are kept for by default.
const WAITS: [Duration; 11] = [
    Duration::from_millis(1500),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(3 * 3600),
    Duration::from_secs(4 * 3600 + 1800),
    Duration::from_secs(6 * 3600 + 1800),
];

/// How often a webhook is posted before it is given up.
pub const MOST_POSTS: u32 = 12;

/// The longest wait that a receiver may ask for with `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_secs(6 * 3600);

/// What follows from a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    /// To be posted again after this time.
    Again(Duration),
    /// Not worth posting again.
    Dead,
}

/// What follows from the `posts`th post (from 1): `status` is what was answered, none where nothing was;
/// `asked` is the answer's `Retry-After`, `jitter` in 0..1 spreads posts that failed together.
pub fn judge(posts: u32, status: Option<u16>, asked: Option<Duration>, jitter: f64) -> Verdict {
    match status {
        Some(200..=299) => Verdict::Delivered,
        None | Some(408 | 429 | 500..=599) => wait(posts, asked, jitter).map_or(Verdict::Dead, Verdict::Again),
        Some(_) => Verdict::Dead,
    }
}

fn wait(posts: u32, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
    let nth = usize::try_from(posts.saturating_sub(1)).ok()?;
    // Never longer than the table says, so that "within two seconds" holds.
    let wait = WAITS.get(nth)?.mul_f64(1.0 - 0.3 * jitter.clamp(0.0, 1.0));
    Some(wait.max(asked.unwrap_or_default().min(LONGEST_ASKED)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wait_of(verdict: Verdict) -> Duration {
        match verdict {
            Verdict::Again(wait) => wait,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_success_is_a_delivery() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judge(1, Some(status), None, 0.0), Verdict::Delivered);
        }
    }

    #[test]
    fn faults_that_pass_are_posted_again_and_others_are_not() {
        for status in [
            None,
            Some(408),
            Some(429),
            Some(500),
            Some(502),
            Some(503),
            Some(504),
            Some(599),
        ] {
            assert!(matches!(judge(1, status, None, 0.0), Verdict::Again(_)), "{status:?}");
        }
        for status in [
            100, 301, 302, 304, 307, 400, 401, 403, 404, 405, 409, 410, 413, 422, 600,
        ] {
            assert_eq!(judge(1, Some(status), None, 0.0), Verdict::Dead, "{status}");
        }
    }

    #[test]
    fn the_first_wait_is_below_two_seconds_and_all_below_a_day() {
        assert!(wait_of(judge(1, None, None, 0.0)) < Duration::from_secs(2));
        assert!(wait_of(judge(1, None, None, 1.0)) > Duration::from_secs(1));
        let all: Duration = (1..MOST_POSTS).map(|n| wait_of(judge(n, None, None, 0.0))).sum();
        assert!(
            all < Duration::from_secs(24 * 3600) && all > Duration::from_secs(8 * 3600),
            "{all:?}"
        );
    }

    #[test]
    fn the_last_post_is_the_last() {
        assert!(matches!(judge(MOST_POSTS - 1, None, None, 0.5), Verdict::Again(_)));
        for posts in [MOST_POSTS, MOST_POSTS + 1, u32::MAX] {
            assert_eq!(judge(posts, Some(500), None, 0.5), Verdict::Dead);
        }
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_but_not_for_any() {
        let asked = |seconds| wait_of(judge(2, Some(503), Some(Duration::from_secs(seconds)), 0.0)).as_secs();
        assert_eq!(asked(0), 5);
        assert_eq!(asked(60), 60);
        assert_eq!(asked(u64::MAX), LONGEST_ASKED.as_secs());
    }

    proptest! {
        #[test]
        fn waits_grow_with_posts_whatever_the_jitter(n in 1u32..MOST_POSTS - 1, one in 0.0f64..1.0, two in 0.0f64..1.0) {
            let first = wait_of(judge(n, None, None, one));
            let second = wait_of(judge(n + 1, None, None, two));
            prop_assert!(first < second);
        }
    }
}
