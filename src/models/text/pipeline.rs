//! A task on texts as one on rows: sequences of tokens that are padded to the longest of their run.

use std::ops::Range;

use super::super::rows::{self, RowTask, Slice};
use super::super::{Loaded, Source};
use super::batch::{Plan, Row};
use super::runs::{self, ON_CPU, ON_OTHERS};
use crate::contract::Contract;
use crate::device::DeviceKind;
use crate::error::Error;
use crate::payload::Output;
use crate::tensor::Tensor;

/// What a task does before and after the runs. Shared by all replicas of a model.
pub trait TextTask: Send + Sync + 'static {
    /// The wire type of a request.
    type Request: Send + 'static;
    /// One sequence the model reads.
    type Row: Row;
    /// What is kept of a row's outputs until all rows of its request have run.
    type Read;

    /// The outputs that are read, by name.
    fn outputs(&self) -> Vec<&str>;

    /// The token that fills sequences up to the length of their batch.
    fn pad(&self) -> u32;

    /// The sequences of a request, in the order of its texts.
    ///
    /// # Errors
    /// What is wrong with the request, with the path of the field.
    fn rows(&self, request: &Self::Request) -> Result<Vec<Self::Row>, Error>;

    /// Reads the outputs of one row, in the order of [`TextTask::outputs`].
    ///
    /// # Errors
    /// When they have not the form this task expects, or show a fault of the request.
    fn read(&self, request: &Self::Request, row: &Self::Row, outputs: &[Slice<'_>]) -> Result<Self::Read, Error>;

    /// The answer, out of what was read of each row, in the order of the rows.
    ///
    /// # Errors
    /// When it cannot be written.
    fn answer(&self, request: &Self::Request, rows: &[Self::Row], read: Vec<Self::Read>) -> Result<Output, Error>;

    /// A request for the dummy run.
    fn dummy(&self) -> Self::Request;
}

/// A text task on one graph, ready to be started.
///
/// # Errors
/// A sentence that names the input or output of the graph that does not fit.
pub fn loaded<T: TextTask>(source: &Source<'_>, task: T, contract: Contract) -> Result<Loaded, String> {
    let plan = Plan::new(&source.graph.signature, &task.outputs())?;
    Ok(rows::loaded(source, Planned { task, plan }, contract))
}

/// A task, and how its sequences become tensors.
struct Planned<T> {
    task: T,
    plan: Plan,
}

impl<T: TextTask> RowTask for Planned<T> {
    type Request = T::Request;
    type Row = T::Row;
    type Read = T::Read;
    /// The length in tokens.
    type Key = usize;

    fn outputs(&self) -> Vec<&str> {
        self.task.outputs()
    }

    fn tensor(&self, input: &str, rows: &[&T::Row]) -> Option<Tensor> {
        self.plan.tensor(input, rows, self.task.pad())
    }

    fn key(&self, row: &T::Row) -> usize {
        row.ids().len()
    }

    fn meet(&self, _: &usize, _: &usize) -> bool {
        true
    }

    fn runs(&self, keys: &[&usize], most: usize, on: DeviceKind) -> Vec<Range<usize>> {
        let lengths: Vec<usize> = keys.iter().map(|own| self.plan.length(**own)).collect();
        runs::cut(&lengths, most, if on == DeviceKind::Cpu { ON_CPU } else { ON_OTHERS })
    }

    fn rows(&self, request: &T::Request) -> Result<Vec<T::Row>, Error> {
        self.task.rows(request)
    }

    fn read(&self, request: &T::Request, row: &T::Row, outputs: &[Slice<'_>]) -> Result<T::Read, Error> {
        self.task.read(request, row, outputs)
    }

    fn answer(&self, request: &T::Request, rows: &[T::Row], read: Vec<T::Read>) -> Result<Output, Error> {
        self.task.answer(request, rows, read)
    }

    fn dummy(&self) -> Result<(T::Request, Vec<T::Row>), Error> {
        let asked = self.task.dummy();
        let rows = self.task.rows(&asked)?;
        Ok((asked, rows))
    }
}
