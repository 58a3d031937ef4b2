//! The loop around the runs of a task that reads a graph's inputs row by row: requests become rows, rows that may
//! meet share a run, what is read of them becomes answers. Knows neither texts nor images.

mod pipeline;
mod ports;

use std::ops::Range;
use std::sync::Arc;

use super::{Builder, Loaded, ONNX_DEVICES, Source};
use crate::backend::onnx::{OnnxModel, Runtime};
use crate::contract::{Contract, Signature};
use crate::device::DeviceKind;
use crate::error::Error;
use crate::payload::Output;
use crate::pipeline::{Build, Pipeline, ReplicaContext};
use crate::tensor::Tensor;
use pipeline::RowPipeline;
use ports::Ports;

/// One row of one output of a run.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// Without the batch axis; where it has one entry a token, padding counts.
    pub shape: &'a [usize],
    pub values: &'a [f32],
}

/// What a task does before and after the runs. Shared by all replicas of a model.
pub trait RowTask: Send + Sync + 'static {
    /// The wire type of a request.
    type Request: Send + 'static;
    /// What stands at one place of the batch axis.
    type Row;
    /// What is kept of a row's outputs until all rows of its request have run.
    type Read;
    /// What rows are sorted by.
    type Key: Ord;

    /// The outputs that are read, by name.
    fn outputs(&self) -> Vec<&str>;

    /// One input of the graph for these rows, by its name; `None` where the task has nothing for it.
    fn tensor(&self, input: &str, rows: &[&Self::Row]) -> Option<Tensor>;

    /// Rows of like keys stand together.
    fn key(&self, row: &Self::Row) -> Self::Key;

    /// Whether rows of these keys may share a run.
    fn meet(&self, a: &Self::Key, b: &Self::Key) -> bool;

    /// Cuts rows of these keys, which all meet, into runs of at most `most`; into equal ones where nothing is better.
    fn runs(&self, keys: &[&Self::Key], most: usize, _on: DeviceKind) -> Vec<Range<usize>> {
        even(keys.len(), most)
    }

    /// The rows of a request, in the order of what it brings.
    ///
    /// # Errors
    /// What is wrong with the request, with the path of the field.
    fn rows(&self, request: &Self::Request) -> Result<Vec<Self::Row>, Error>;

    /// Reads the outputs of one row, in the order of [`RowTask::outputs`].
    ///
    /// # Errors
    /// When they have not the form this task expects, or show a fault of the request.
    fn read(&self, request: &Self::Request, row: &Self::Row, outputs: &[Slice<'_>]) -> Result<Self::Read, Error>;

    /// The answer, out of what was read of each row, in the order of the rows.
    ///
    /// # Errors
    /// When it cannot be written.
    fn answer(&self, request: &Self::Request, rows: &[Self::Row], read: Vec<Self::Read>) -> Result<Output, Error>;

    /// A request for the dummy run, with its rows.
    ///
    /// # Errors
    /// When the task cannot make them: then it can make none.
    fn dummy(&self) -> Result<(Self::Request, Vec<Self::Row>), Error>;
}

/// Runs of `most` rows, of which the last one may have fewer.
pub fn even(rows: usize, most: usize) -> Vec<Range<usize>> {
    let most = most.max(1);
    let begins = (0..rows).step_by(most);
    begins
        .map(|begin| begin..rows.min(begin.saturating_add(most)))
        .collect()
}

/// A task on one graph, ready to be started.
pub fn loaded<T: RowTask>(source: &Source<'_>, task: T, contract: Contract) -> Loaded {
    let task = Arc::new(task);
    let model = Arc::new(OnnxModel::new(source.file.to_owned(), source.options));
    let max_batch_size = source.max_batch_size.max(1);
    let builder = Builder::Onnx(Box::new(move |runtime: &Runtime| -> Arc<dyn Build> {
        let (runtime, model, task) = (runtime.clone(), Arc::clone(&model), Arc::clone(&task));
        Arc::new(move |context: &ReplicaContext| {
            let session = model.session(&runtime, context)?;
            let pipeline = RowPipeline {
                ports: Ports::new(&session, &task.outputs())?,
                session,
                task: Arc::clone(&task),
                max_batch_size,
                device: context.device.kind(),
            };
            Ok(Box::new(pipeline) as Box<dyn Pipeline>)
        })
    }));
    Loaded {
        contract,
        runs_on: ONNX_DEVICES,
        builder,
    }
}

/// The first of these outputs that the graph has, else its only one.
///
/// # Errors
/// A sentence that names them, where the graph has several others.
pub fn one_output(signature: &Signature, names: &[&str]) -> Result<String, String> {
    let known: Vec<&str> = signature.outputs.iter().map(|spec| spec.name.as_str()).collect();
    let output = names.iter().copied().find(|name| known.contains(name));
    let only = known.first().copied().filter(|_| known.len() == 1);
    output.or(only).map(str::to_owned).ok_or_else(|| {
        format!(
            "the graph has no output {}; its outputs are {}",
            names.join(" or "),
            known.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_even_runs() {
        assert_eq!(even(5, 2), [0..2, 2..4, 4..5]);
        assert_eq!(even(3, 0), [0..1, 1..2, 2..3]);
        assert_eq!(even(3, usize::MAX), [Range { start: 0, end: 3 }]);
        assert!(even(0, 4).is_empty());
    }
}
