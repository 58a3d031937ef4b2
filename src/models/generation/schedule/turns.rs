//! Whose text begins next, where more are asked for than may be under way at once. Pure.
//!
//! A text that waits is a few tokens, one under way has a cache for each of its rows. Requests share the room evenly:
//! who has the fewest rows under way is next, so that one text does not wait behind a thousand of another request.
//! Nobody overtakes who is next: a text of many beams has its room sooner or later.

/// What is known of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Rows under way.
    pub rows: usize,
    /// Texts that have not begun.
    pub left: usize,
    /// Rows that each of them will take up.
    pub each: usize,
    /// One of its texts has begun, and may be finished.
    pub begun: bool,
    /// The reader is slow: rows take up no place in a step, and no text begins.
    pub slow: bool,
}

/// What decides how many rows are under way.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// The most rows under way; a text of more runs alone.
    pub most: usize,
    /// Whether rows of unlike length share a run.
    pub mixes: bool,
}

impl Turns {
    /// Rows that may join. Those of slow readers take up no place in a step; what is kept for them has its bounds too.
    fn room(self, all: &[Standing]) -> usize {
        let under_way: usize = all.iter().map(|s| s.rows).sum();
        let slow: usize = all.iter().filter(|s| s.slow).map(|s| s.rows).sum();
        self.most
            .saturating_sub(under_way - slow)
            .min(self.most.saturating_mul(2).saturating_sub(under_way))
    }

    /// How many requests may join: none as long as one that is there has not begun.
    pub fn joining(self, all: &[Standing]) -> usize {
        let waits = |s: &Standing| s.left > 0 && !s.begun && !s.slow;
        if all.iter().any(waits) { 0 } else { self.room(all) }
    }

    /// Whose texts begin now: the place of a request for each text.
    pub fn choose(self, mut all: Vec<Standing>) -> Vec<usize> {
        let mut room = self.room(&all);
        let idle = all.iter().all(|s| s.slow || s.rows == 0);
        // Where rows of unlike length do not share a run, texts of one request that begin one by one would each be a
        // run of their own from then on: they begin when there is room for many, or for all that are left.
        let many = self.mixes || room >= self.most.div_ceil(2);
        let begins = |s: &Standing| !s.slow && (many || s.rows == 0 || s.left.saturating_mul(s.each) <= room);
        let open: Vec<bool> = all.iter().map(begins).collect();
        let mut chosen = Vec::new();
        loop {
            let waiting = all.iter().enumerate().filter(|(place, s)| open[*place] && s.left > 0);
            let Some(place) = waiting.min_by_key(|(_, s)| s.rows).map(|(place, _)| place) else {
                return chosen;
            };
            let next = &mut all[place];
            let alone = idle && chosen.is_empty() && room > 0;
            if next.each > room && !alone {
                return chosen;
            }
            room = room.saturating_sub(next.each);
            next.rows += next.each;
            next.left -= 1;
            chosen.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FOUR: Turns = Turns { most: 4, mixes: true };

    fn standing(rows: usize, left: usize, each: usize) -> Standing {
        Standing {
            rows,
            left,
            each,
            begun: rows > 0,
            slow: false,
        }
    }

    #[test]
    fn no_more_begin_than_there_is_room_for() {
        assert_eq!(FOUR.choose(vec![standing(0, 9, 1)]), [0; 4]);
        assert_eq!(FOUR.choose(vec![standing(3, 9, 1)]), [0]);
        assert_eq!(FOUR.choose(vec![standing(4, 9, 1)]), [0; 0]);
        // Beams of one text count together.
        assert_eq!(FOUR.choose(vec![standing(0, 9, 2)]), [0, 0]);
        assert_eq!(FOUR.choose(vec![standing(0, 9, 3)]), [0]);
    }

    #[test]
    fn requests_share_the_room_and_the_latest_need_not_wait_for_the_first() {
        assert_eq!(FOUR.choose(vec![standing(0, 9, 1), standing(0, 9, 1)]), [0, 1, 0, 1]);
        assert_eq!(FOUR.choose(vec![standing(3, 9, 1), standing(0, 1, 1)]), [1]);
        assert_eq!(FOUR.choose(vec![standing(0, 9, 1), standing(0, 1, 1)]), [0, 1, 0, 0]);
    }

    #[test]
    fn a_text_of_too_many_rows_runs_alone_and_is_not_overtaken() {
        assert_eq!(FOUR.choose(vec![standing(0, 2, 6)]), [0]);
        assert_eq!(FOUR.choose(vec![standing(1, 1, 1), standing(0, 1, 6)]), [0; 0]);
        assert_eq!(FOUR.choose(vec![standing(6, 1, 6), standing(0, 1, 1)]), [0; 0]);
        assert_eq!(FOUR.joining(&[standing(1, 0, 1), standing(0, 1, 6)]), 0);
        assert_eq!(FOUR.joining(&[standing(1, 5, 1), standing(2, 0, 1)]), 1);
    }

    #[test]
    fn slow_readers_hold_nobody_up_and_begin_nothing() {
        let slow = Standing {
            slow: true,
            ..standing(4, 9, 1)
        };
        assert_eq!(FOUR.choose(vec![slow, standing(0, 9, 1)]), [1; 4]);
        assert_eq!(FOUR.choose(vec![slow, slow, standing(0, 9, 1)]), [0; 0]);
        // A wide text is alone in its steps beside what is kept for them.
        assert_eq!(FOUR.choose(vec![slow, standing(0, 1, 9)]), [1]);
    }

    #[test]
    fn rows_that_cannot_be_mixed_begin_many_at_a_time() {
        let apart = Turns { most: 8, mixes: false };
        assert_eq!(apart.choose(vec![standing(6, 9, 1)]), [0; 0]);
        assert_eq!(apart.choose(vec![standing(4, 9, 1)]), [0; 4]);
        assert_eq!(apart.choose(vec![standing(6, 2, 1)]), [0; 2]);
        assert_eq!(apart.choose(vec![standing(6, 9, 1), standing(0, 9, 1)]), [1; 2]);
        assert_eq!(apart.joining(&[standing(6, 9, 1)]), 2);
    }

    proptest! {
        #[test]
        fn all_texts_begin_and_rows_keep_their_bound(
            asked in prop::collection::vec((1usize..20, 1usize..7), 1..6),
            most in 1usize..9, mixes: bool, seed: u64,
        ) {
            let turns = Turns { most, mixes };
            let mut dice = fastrand::Rng::with_seed(seed);
            let mut all: Vec<Standing> = asked.iter().map(|(left, each)| standing(0, *left, *each)).collect();
            let texts: usize = asked.iter().map(|(left, _)| left).sum();
            let mut begun = 0;
            for _ in 0..10 * texts + 10 {
                let chosen = turns.choose(all.clone());
                begun += chosen.len();
                for place in chosen {
                    all[place].left -= 1;
                    all[place].rows += all[place].each;
                }
                let rows: usize = all.iter().map(|s| s.rows).sum();
                let texts_under_way: usize = all.iter().map(|s| s.rows / s.each).sum();
                prop_assert!(rows <= most || texts_under_way == 1);
                // A text of one of those that write ends.
                let writing: Vec<usize> = (0..all.len()).filter(|place| all[*place].rows > 0).collect();
                if let Some(place) = dice.choice(writing) {
                    all[place].rows -= all[place].each;
                }
            }
            prop_assert_eq!(begun, texts);
        }
    }
}
