//! The scores of the next token, out of what a graph gives.

use crate::error::Error;
use crate::tensor::{DType, Tensor};

/// Scores of each row's last position.
pub fn last(tensor: &Tensor, rows: usize) -> Result<Vec<Vec<f32>>, Error> {
    let wrong = || Error::pipeline("the graph's logits are no floats of [batch, positions, vocabulary]");
    let &[given, positions, vocabulary] = tensor.shape() else {
        return Err(wrong());
    };
    let bytes = tensor
        .bytes()
        .filter(|_| given == rows && positions > 0)
        .ok_or_else(wrong)?;
    let size = tensor.dtype().size().unwrap_or(0);
    let row = |row: usize| {
        let from = (row * positions + positions - 1) * vocabulary * size;
        floats(&bytes[from..from + vocabulary * size], tensor.dtype()).ok_or_else(wrong)
    };
    let logits: Vec<Vec<f32>> = (0..rows).map(row).collect::<Result<_, _>>()?;
    if logits.iter().flatten().any(|score| score.is_nan()) {
        return Err(Error::pipeline(
            "the model's logits are no numbers (NaN); its weights may be damaged",
        ));
    }
    Ok(logits)
}

/// Floats of any size as 32 bits.
fn floats(bytes: &[u8], dtype: DType) -> Option<Vec<f32>> {
    match dtype {
        DType::F32 => Some(bytemuck::pod_collect_to_vec(bytes)),
        DType::F16 => {
            let halves: Vec<half::f16> = bytemuck::pod_collect_to_vec(bytes);
            Some(halves.into_iter().map(f32::from).collect())
        }
        DType::BF16 => {
            let halves: Vec<half::bf16> = bytemuck::pod_collect_to_vec(bytes);
            Some(halves.into_iter().map(f32::from).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_positions_scores_are_taken() {
        let logits = Tensor::from_vec(vec![2, 2, 2], vec![0f32, 1., 2., 3., 4., 5., 6., 7.]).unwrap();
        assert_eq!(last(&logits, 2).unwrap(), [[2., 3.], [6., 7.]]);
        assert!(last(&logits, 3).is_err());
        let nan = Tensor::from_vec(vec![1, 1, 1], vec![f32::NAN]).unwrap();
        assert!(last(&nan, 1).unwrap_err().message().contains("NaN"));
        let half = Tensor::from_vec(vec![1, 1, 1], vec![half::f16::from_f32(0.5)]).unwrap();
        assert_eq!(last(&half, 1).unwrap(), [[0.5]]);
    }
}
