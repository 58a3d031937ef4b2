//! The choice of a token: the most likely one, or one drawn from what temperature, `top_k` and `top_p` leave.
//!
//! Every text draws from a generator of its own, so that a seed gives the same text whatever runs beside it.

use fastrand::Rng;

/// How the likelihood of tokens is bent before one is drawn, in the order transformers does it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Scores are divided by it; above 0.
    pub temperature: f32,
    /// So many tokens are left; 0 leaves all.
    pub top_k: usize,
    /// The most likely tokens are left whose probabilities add up to this; 1 leaves all.
    pub top_p: f32,
}

/// How the tokens of one text are chosen.
#[derive(Clone, Debug)]
pub enum Choice {
    /// The most likely one; the first of those that are equal.
    Greedy,
    /// One by its probability.
    Drawn { sampling: Sampling, rng: Rng },
}

impl Choice {
    /// Draws by a seed. `index` is the text's number among those of its request, which all draw differently.
    pub fn drawn(sampling: Sampling, seed: u64, index: usize) -> Self {
        Self::Drawn {
            sampling,
            rng: Rng::with_seed(spread(seed, index as u64)),
        }
    }

    /// Chooses from scores that the rules have been applied to.
    pub fn pick(&mut self, scores: &[f32]) -> u32 {
        match self {
            Self::Greedy => most_likely(scores),
            Self::Drawn { sampling, rng } => draw(&sampling.left(scores), rng.f64()),
        }
    }
}

/// Seeds side by side must not give sequences that are alike, so they are spread over all bits (the finaliser of
/// SplitMix64).
const fn spread(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Sampling {
    /// The tokens that are left, in the order of their ids, with their probabilities.
    pub fn left(&self, scores: &[f32]) -> Vec<(u32, f64)> {
        let least = kth(scores, self.top_k);
        let likely = |(id, score): (usize, &f32)| {
            let id = u32::try_from(id).ok()?;
            (*score >= least && *score > f32::NEG_INFINITY).then_some((id, *score))
        };
        let left: Vec<(u32, f32)> = scores.iter().enumerate().filter_map(likely).collect();
        let max = left.iter().map(|(_, s)| *s).fold(f32::NEG_INFINITY, f32::max);
        // Less the highest first: scores over a temperature near 0 have no number.
        let weight = |score: f32| ((f64::from(score) - f64::from(max)) / f64::from(self.temperature)).exp();
        let mut weights: Vec<(u32, f64)> = left.iter().map(|(id, score)| (*id, weight(*score))).collect();
        normalize(&mut weights);
        if self.top_p < 1.0 {
            self.keep_top_p(&mut weights);
            normalize(&mut weights);
        }
        weights
    }

    /// Goes by the probabilities from the least likely token up, as the reference does: what adds up to no more than
    /// `1 - top_p` is left out, the most likely one stays in any case.
    fn keep_top_p(&self, weights: &mut Vec<(u32, f64)>) {
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|a, b| weights[*a].1.total_cmp(&weights[*b].1));
        let (mut sum, rest) = (0.0, 1.0 - f64::from(self.top_p));
        let mut dropped = vec![false; weights.len()];
        for place in &order[..order.len().saturating_sub(1)] {
            sum += weights[*place].1;
            if sum > rest {
                break;
            }
            dropped[*place] = true;
        }
        let mut dropped = dropped.into_iter();
        weights.retain(|_| !dropped.next().unwrap_or(false));
    }
}

fn normalize(weights: &mut [(u32, f64)]) {
    let sum: f64 = weights.iter().map(|(_, w)| w).sum();
    weights.iter_mut().for_each(|(_, w)| *w /= sum);
}

/// The score of the `k`-th most likely token; all are as likely where there are no more than `k`, or `k` is 0.
fn kth(scores: &[f32], k: usize) -> f32 {
    if k == 0 || k >= scores.len() {
        return f32::NEG_INFINITY;
    }
    let mut sorted = scores.to_vec();
    *sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}

/// The token at a point of the unit interval that all probabilities fill.
fn draw(weights: &[(u32, f64)], point: f64) -> u32 {
    let mut sum = 0.0;
    let found = weights.iter().find(|(_, weight)| {
        sum += weight;
        point < sum
    });
    // Rounding may leave a gap at the end of the interval.
    found.or(weights.last()).map_or(0, |(id, _)| *id)
}

fn most_likely(scores: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, score) in scores.iter().enumerate() {
        if *score > best.1 {
            best = (id, *score);
        }
    }
    u32::try_from(best.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampling = Sampling {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
    };
    const NO: f32 = f32::NEG_INFINITY;

    fn ids(sampling: Sampling, scores: &[f32]) -> Vec<u32> {
        sampling.left(scores).into_iter().map(|(id, _)| id).collect()
    }

    /// Scores whose softmax is these probabilities.
    fn logs(probabilities: &[f32]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn greedy_takes_the_first_of_the_most_likely() {
        assert_eq!(Choice::Greedy.pick(&[1., 3., 3., NO]), 1);
        assert_eq!(Choice::Greedy.pick(&[NO, NO]), 0);
    }

    #[test]
    fn a_temperature_near_zero_takes_the_most_likely() {
        let cold = Sampling {
            temperature: f32::MIN_POSITIVE,
            ..ALL
        };
        assert_eq!(Choice::drawn(cold, 1, 0).pick(&[1., 40., 2., NO]), 1);
        assert_eq!(Choice::drawn(cold, 1, 0).pick(&[-10., -40., -20., NO]), 0);
    }

    #[test]
    fn top_k_keeps_ties_and_leaves_out_what_is_barred() {
        let scores = [1., 4., 2., 2., NO];
        assert_eq!(ids(Sampling { top_k: 1, ..ALL }, &scores), [1]);
        assert_eq!(ids(Sampling { top_k: 2, ..ALL }, &scores), [1, 2, 3]);
        assert_eq!(ids(Sampling { top_k: 9, ..ALL }, &scores), [0, 1, 2, 3]);
        assert_eq!(ids(ALL, &scores), [0, 1, 2, 3]);
    }

    #[test]
    fn top_p_leaves_out_the_unlikely_end() {
        let scores = logs(&[0.1, 0.5, 0.25, 0.15]);
        assert_eq!(ids(Sampling { top_p: 0.8, ..ALL }, &scores), [1, 2, 3]);
        assert_eq!(ids(Sampling { top_p: 0.7, ..ALL }, &scores), [1, 2]);
        assert_eq!(ids(Sampling { top_p: 0.4, ..ALL }, &scores), [1]);
        assert_eq!(ids(Sampling { top_p: 0.0, ..ALL }, &scores), [1]);
        let left = Sampling { top_p: 0.7, ..ALL }.left(&scores);
        assert!((left[0].1 - 2.0 / 3.0).abs() < 1e-6, "{left:?}");
    }

    #[test]
    fn a_low_temperature_sharpens() {
        let scores = logs(&[0.4, 0.6]);
        let left = Sampling {
            temperature: 0.5,
            ..ALL
        }
        .left(&scores);
        assert!((left[1].1 - 0.36 / 0.52).abs() < 1e-6, "{left:?}");
    }

    #[test]
    fn a_point_is_in_one_tokens_share() {
        let weights = [(3, 0.25), (5, 0.75)];
        let drawn = [0.0, 0.2499, 0.25, 0.999, 1.0].map(|p| draw(&weights, p));
        assert_eq!(drawn, [3, 3, 5, 5, 5]);
    }

    #[test]
    fn a_seed_gives_the_same_tokens_and_another_gives_others() {
        let scores = vec![0.0; 64];
        let tokens = |seed, index| {
            let mut choice = Choice::drawn(ALL, seed, index);
            (0..32).map(|_| choice.pick(&scores)).collect::<Vec<_>>()
        };
        assert_eq!(tokens(1, 0), tokens(1, 0));
        assert_ne!(tokens(1, 0), tokens(2, 0));
        assert_ne!(tokens(1, 0), tokens(1, 1));
        assert_ne!(tokens(0, 0), tokens(0, 1));
    }

    /// Pearson's statistic of counts against probabilities.
    fn chi_square(counts: &[f64], probabilities: &[f64]) -> f64 {
        let total: f64 = counts.iter().sum();
        let term = |(count, p): (&f64, &f64)| (count - total * p).powi(2) / (total * p);
        counts.iter().zip(probabilities).map(term).sum()
    }

    #[test]
    fn tokens_come_as_often_as_they_are_likely() {
        let probabilities = [0.05f32, 0.3, 0.02, 0.13, 0.25, 0.25];
        let scores = logs(&probabilities);
        let mut counts = [0.0; 6];
        // Many short texts, so that first draws of seeds are looked at as well.
        for seed in 0..2_000 {
            let mut choice = Choice::drawn(ALL, seed, 0);
            for _ in 0..10 {
                counts[choice.pick(&scores) as usize] += 1.0;
            }
        }
        let statistic = chi_square(&counts, &probabilities.map(f64::from));
        // 5 degrees of freedom: 20.5 is passed once in a thousand.
        assert!(statistic < 20.5, "{statistic} {counts:?}");
    }

    #[test]
    fn first_tokens_of_seeds_side_by_side_are_spread_evenly() {
        let scores = [0.0; 8];
        let mut counts = [0.0; 8];
        for seed in 0..4_000 {
            counts[Choice::drawn(ALL, seed, 0).pick(&scores) as usize] += 1.0;
        }
        let statistic = chi_square(&counts, &[0.125; 8]);
        // 7 degrees of freedom.
        assert!(statistic < 24.3, "{statistic} {counts:?}");
    }
}
