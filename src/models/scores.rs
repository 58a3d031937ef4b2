//! Logits to scores, and the best of them. Pure functions.

use crate::error::Error;

/// # Errors
/// When a value is no number: the answer would be made of it.
pub fn check(values: &[f32]) -> Result<(), Error> {
    if values.iter().any(|value| value.is_nan()) {
        return Err(Error::pipeline(
            "the model's outputs are no numbers (NaN); its weights may be damaged",
        ));
    }
    Ok(())
}

/// Shares of 1.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f64 = exp.iter().map(|e| f64::from(*e)).sum();
    #[allow(clippy::cast_possible_truncation, reason = "scores are of 32 bits")]
    let share = |e: f32| (f64::from(e) / sum) as f32;
    exp.into_iter().map(share).collect()
}

/// From 0 to 1, each for itself.
pub fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// What makes scores of logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Labels share 1.
    Softmax,
    /// Each label for itself.
    Sigmoid,
    /// Logits are the values.
    Plain,
}

impl Function {
    pub fn scores(self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Softmax => softmax(logits),
            Self::Sigmoid => logits.iter().map(|logit| sigmoid(*logit)).collect(),
            Self::Plain => logits.to_vec(),
        }
    }
}

/// The places of the `k` highest scores, best first; of equal ones the first goes before.
pub fn best(scores: &[f32], k: usize) -> Vec<usize> {
    let order = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    let mut places: Vec<usize> = (0..scores.len()).collect();
    // A vocabulary is long, and few of it are asked for.
    if (1..places.len()).contains(&k) {
        places.select_nth_unstable_by(k - 1, order);
    }
    places.truncate(k);
    places.sort_unstable_by(order);
    places
}

/// The answers of a row of logits, best first: what `answer` makes of a place and its score, `k` of them or all.
///
/// # Errors
/// As [`check`].
pub fn ranked<A>(
    logits: &[f32],
    function: Function,
    k: Option<usize>,
    answer: impl Fn(usize, f32) -> A,
) -> Result<Vec<A>, Error> {
    check(logits)?;
    let scores = function.scores(logits);
    let places = best(&scores, k.unwrap_or(usize::MAX));
    Ok(places.into_iter().map(|place| answer(place, scores[place])).collect())
}

/// The place of the highest score, the first of equal ones.
pub fn highest(scores: &[f32]) -> usize {
    best(scores, 1).first().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn large_logits_do_not_overflow() {
        let shares = softmax(&[1000.0, 1000.0, -1000.0]);
        assert!((shares[0] - 0.5).abs() < 1e-6 && shares[2] == 0.0, "{shares:?}");
        assert!(sigmoid(-200.0) >= 0.0 && (sigmoid(200.0) - 1.0).abs() < 1e-6);
        assert!(check(&shares).is_ok() && check(&[f32::NAN]).is_err());
    }

    #[test]
    fn the_best_come_with_their_scores() {
        let ranked = |k| ranked(&[0.5, 2.0, -1.0], Function::Plain, k, |place, score| (place, score));
        assert_eq!(ranked(Some(2)).unwrap(), [(1, 2.0), (0, 0.5)]);
        assert_eq!(ranked(None).unwrap(), [(1, 2.0), (0, 0.5), (2, -1.0)]);
        assert!(super::ranked(&[f32::NAN], Function::Softmax, None, |place, _| place).is_err());
    }

    proptest! {
        #[test]
        fn the_best_are_those_a_whole_sort_gives(scores in proptest::collection::vec(-3i8..3, 0..40), k in 0usize..45) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut whole: Vec<usize> = (0..scores.len()).collect();
            whole.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
            whole.truncate(k);
            prop_assert_eq!(best(&scores, k), whole);
        }
    }
}
