//! Vectors of tokens to one vector, by the formulas of the sentence-transformers library. Pure functions.

use serde::Deserialize;

/// One way to pool. A model may have several, whose vectors are put side by side in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The first token's.
    Cls,
    /// The highest value of each dimension.
    Max,
    Mean,
    /// The sum over the square root of the number of tokens.
    #[serde(rename = "mean_sqrt_len_tokens")]
    MeanSqrtLength,
    /// The mean with later tokens weighing more, by their place from 1.
    WeightedMean,
    #[serde(rename = "lasttoken")]
    Last,
}

/// The vectors of `modes` side by side. `values` holds one vector of `dimensions` for each token.
pub fn pooled(modes: &[Mode], values: &[f32], dimensions: usize) -> Vec<f32> {
    let tokens: Vec<&[f32]> = values.chunks_exact(dimensions.max(1)).collect();
    modes.iter().flat_map(|mode| one(*mode, &tokens, dimensions)).collect()
}

fn one(mode: Mode, tokens: &[&[f32]], dimensions: usize) -> Vec<f32> {
    #[allow(clippy::cast_precision_loss, reason = "tokens of one text")]
    let count = tokens.len() as f64;
    let Some((first, last)) = tokens.first().zip(tokens.last()) else {
        return vec![0.0; dimensions];
    };
    match mode {
        Mode::Cls => first.to_vec(),
        Mode::Last => last.to_vec(),
        Mode::Max => (0..dimensions)
            .map(|at| tokens.iter().map(|token| token[at]).fold(f32::NEG_INFINITY, f32::max))
            .collect(),
        Mode::Mean => weighted(tokens, dimensions, |_| 1.0, count),
        Mode::MeanSqrtLength => weighted(tokens, dimensions, |_| 1.0, count.sqrt()),
        Mode::WeightedMean => weighted(tokens, dimensions, |place| place, count * (count + 1.0) / 2.0),
    }
}

/// The sum of the tokens, each times the weight of its place from 1, over `divisor`.
fn weighted(tokens: &[&[f32]], dimensions: usize, weight: impl Fn(f64) -> f64, divisor: f64) -> Vec<f32> {
    let mut sums = vec![0.0f64; dimensions];
    let mut place = 0.0;
    for token in tokens {
        place += 1.0;
        let weight = weight(place);
        for (sum, value) in sums.iter_mut().zip(*token) {
            *sum += weight * f64::from(*value);
        }
    }
    sums.into_iter().map(|sum| narrow(sum / divisor)).collect()
}

/// The vector with length 1.
pub fn normalized(vector: &[f32]) -> Vec<f32> {
    let square: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    // A vector of zeros stays one.
    let length = square.sqrt().max(1e-12);
    vector.iter().map(|value| narrow(f64::from(*value) / length)).collect()
}

#[allow(clippy::cast_possible_truncation, reason = "vectors are of 32 bits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_its_formula_and_several_stand_side_by_side() {
        let values = [1.0, 8.0, 3.0, 2.0, 5.0, 2.0, 7.0, 0.0];
        let pool = |mode| pooled(&[mode], &values, 2);
        assert_eq!(pool(Mode::Cls), [1.0, 8.0]);
        assert_eq!(pool(Mode::Last), [7.0, 0.0]);
        assert_eq!(pool(Mode::Max), [7.0, 8.0]);
        assert_eq!(pool(Mode::Mean), [4.0, 3.0]);
        assert_eq!(pool(Mode::MeanSqrtLength), [8.0, 6.0]);
        assert_eq!(pool(Mode::WeightedMean), [5.0, 1.8]);
        assert_eq!(pooled(&[Mode::Cls, Mode::Mean], &values, 2), [1.0, 8.0, 4.0, 3.0]);
        assert_eq!(pooled(&[Mode::Mean], &[], 2), [0.0, 0.0]);
    }

    #[test]
    fn a_normalised_vector_has_length_one_and_zeros_stay() {
        assert_eq!(normalized(&[3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(normalized(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
