//! Which requests of a batch may share a run: rows of unequal other axes never meet, and no run takes more
//! rows than its limit unless one request alone does.

use crate::tensor::Tensor;

/// The indices of `requests` (the input tensors of each) in runs, in order of arrival within each run.
pub fn partition(requests: &[&[Tensor]], max_rows: usize) -> Vec<Vec<usize>> {
    let mut runs: Vec<(Vec<usize>, usize)> = Vec::new();
    for (i, tensors) in requests.iter().enumerate() {
        let rows = tensors.first().map_or(1, Tensor::rows);
        let open = runs
            .iter_mut()
            .find(|(run, taken)| taken + rows <= max_rows && same_row(requests[run[0]], tensors));
        match open {
            Some((run, taken)) => {
                run.push(i);
                *taken += rows;
            }
            None => runs.push((vec![i], rows)),
        }
    }
    runs.into_iter().map(|(run, _)| run).collect()
}

fn same_row(a: &[Tensor], b: &[Tensor]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.shape().get(1..) == b.shape().get(1..))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(rows: usize, columns: usize) -> Vec<Tensor> {
        vec![Tensor::from_vec(vec![rows, columns], vec![0f32; rows * columns]).unwrap()]
    }

    #[test]
    fn unequal_rows_run_apart_and_a_large_request_runs_alone() {
        let requests = [
            request(1, 2),
            request(1, 3),
            request(2, 2),
            request(9, 2),
            request(1, 3),
        ];
        let views: Vec<_> = requests.iter().map(Vec::as_slice).collect();
        assert_eq!(partition(&views, 4), [vec![0, 2], vec![1, 4], vec![3]]);
    }

    proptest! {
        #[test]
        fn every_request_runs_once_with_its_like_and_within_the_limit(
            shapes in proptest::collection::vec((1usize..5, 1usize..4), 0..40), max in 1usize..8,
        ) {
            let requests: Vec<_> = shapes.iter().map(|(r, c)| request(*r, *c)).collect();
            let views: Vec<_> = requests.iter().map(Vec::as_slice).collect();
            let runs = partition(&views, max);
            let mut seen: Vec<_> = runs.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..requests.len()).collect::<Vec<_>>());
            for run in runs {
                prop_assert!(run.iter().all(|i| shapes[*i].1 == shapes[run[0]].1));
                prop_assert!(run.len() == 1 || run.iter().map(|i| shapes[*i].0).sum::<usize>() <= max);
            }
        }
    }
}
