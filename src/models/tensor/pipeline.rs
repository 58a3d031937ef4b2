//! Runs batches of tensors: rows of several requests are joined, run once, and cut apart again.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::dummy;
use super::partition::partition;
use crate::backend::onnx::{OnnxSession, RunEach, Runs};
use crate::contract::Signature;
use crate::error::Error;
use crate::payload::{Output, Tensors};
use crate::pipeline::{Batch, Pipeline, Request};
use crate::tensor::{Data, Tensor};

/// Alone and batched, a row's outputs may differ by this much, absolutely and relative to their size: kernels
/// sum in another order for another shape.
const TOLERANCE: f32 = 1e-3;

pub struct TensorPipeline {
    session: OnnxSession,
    signature: Signature,
    max_batch_size: usize,
    batching: bool,
    /// One buffer an input, in which rows are joined; kept, since fresh memory costs a page fault for each 4 KiB.
    joined: Vec<BytesMut>,
}

impl TensorPipeline {
    pub fn new(session: OnnxSession, signature: Signature, max_batch_size: usize) -> Self {
        let batching = signature.batched() && max_batch_size > 1;
        let joined = signature.inputs.iter().map(|_| BytesMut::new()).collect();
        Self {
            session,
            signature,
            max_batch_size,
            batching,
            joined,
        }
    }

    /// Whether rows give the same outputs alone and in a batch; an error when the model runs with no length.
    fn batches_alike(&mut self, length: usize) -> Result<bool, Error> {
        let single = |seed| dummy::random(&self.signature, 1, length, seed);
        let rows: Vec<_> = (1..=3).map(single).collect();
        let views: Vec<_> = rows.iter().map(Vec::as_slice).collect();
        let alone = rows
            .iter()
            .map(|row| self.session.run(row))
            .collect::<Result<Vec<_>, _>>()?;
        let joined = self.session.run(&join(&mut self.joined, &views))?;
        Ok(alone.iter().enumerate().all(|(i, alone)| {
            joined.iter().zip(alone).all(|(joined, alone)| {
                joined.rows() == rows.len() && alone.rows() == 1 && close(&joined.slice_rows(i..i + 1), alone)
            })
        }))
    }
}

impl Pipeline for TensorPipeline {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.control().set_interrupt(self.session.interrupt());
        let mut requests = Vec::with_capacity(batch.len());
        for mut request in batch.drain() {
            match request.take_input().into_tensors() {
                Ok(tensors) => requests.push((request, tensors)),
                Err(error) => request.finish(Err(error)),
            }
        }
        let (left, width) = if self.batching {
            let views: Vec<_> = requests.iter().map(|(_, t)| &t.tensors[..]).collect();
            let rows: usize = requests.iter().map(|(_, t)| rows(t)).sum();
            // All that are under way at once are no more than one run takes.
            let together = self.max_batch_size.min(rows);
            let width = self.session.width(together);
            (partition(&views, together.div_ceil(width)), width)
        } else {
            ((0..requests.len()).map(|i| vec![i]).collect(), 1)
        };
        self.session.run_each(
            &mut Joined {
                requests,
                buffers: &mut self.joined,
                left: left.into(),
                begun: Vec::new(),
            },
            width,
        );
        Ok(())
    }

    fn compile(&mut self) -> Result<(), Error> {
        let mut last = None;
        for length in dummy::LENGTHS {
            if !self.batching {
                match self
                    .session
                    .prepare(&dummy::random(&self.signature, 1, length, 1), false)
                {
                    Ok(_) => return Ok(()),
                    Err(error) => last = Some(error),
                }
                continue;
            }
            match self.batches_alike(length) {
                Ok(alike) => {
                    if !alike {
                        tracing::warn!("batching is switched off: rows give other outputs in a batch than alone");
                        self.batching = false;
                    }
                    let row = dummy::random(&self.signature, 1, length, 1);
                    return self.session.prepare(&row, self.batching).map(drop);
                }
                Err(error) => last = Some(error),
            }
        }
        // Made-up inputs fit not every graph (lookups, fixed sums of axes): that is no fault of the model.
        let reason = last.map(|e| e.to_string()).unwrap_or_default();
        tracing::warn!("no dummy run succeeded, batching is switched off; the first request will tell: {reason}");
        self.batching = false;
        Ok(())
    }
}

/// Requests whose rows share runs.
struct Joined<'a> {
    requests: Vec<(Request, Tensors)>,
    buffers: &'a mut [BytesMut],
    /// Runs that have not begun: which requests share them.
    left: VecDeque<Vec<usize>>,
    begun: Vec<Vec<usize>>,
}

impl Runs for Joined<'_> {
    fn next(&mut self) -> Option<Vec<Tensor>> {
        loop {
            let mut run = self.left.pop_front()?;
            // Between runs clients may have left.
            run.retain(|i| !self.requests[*i].0.is_cancelled());
            let parts: Vec<&[Tensor]> = run.iter().map(|i| &self.requests[*i].1.tensors[..]).collect();
            let inputs = match &parts[..] {
                [] => continue,
                [alone] => alone.to_vec(),
                several => join(self.buffers, several),
            };
            self.begun.push(run);
            return Some(inputs);
        }
    }

    fn done(&mut self, run: usize, outputs: Result<Vec<Tensor>, Error>) {
        let run = std::mem::take(&mut self.begun[run]);
        let mut first_row = 0;
        for i in &run {
            let (request, input) = &mut self.requests[*i];
            let rows = rows(input);
            let whole = run.len() == 1;
            request.finish(match &outputs {
                Ok(outputs) => cut(outputs, first_row..first_row + rows, whole, input.implicit_batch),
                Err(error) => Err(error.clone()),
            });
            first_row += rows;
        }
    }
}

fn rows(input: &Tensors) -> usize {
    input.tensors.first().map_or(1, Tensor::rows)
}

/// Joins the rows of several requests, input by input.
fn join(buffers: &mut [BytesMut], parts: &[&[Tensor]]) -> Vec<Tensor> {
    let one = |(i, buffer): (usize, &mut BytesMut)| concat(buffer, parts.iter().map(|p| &p[i]));
    buffers.iter_mut().enumerate().map(one).collect()
}

fn concat<'a>(buffer: &mut BytesMut, parts: impl Iterator<Item = &'a Tensor> + Clone) -> Tensor {
    let Some(first) = parts.clone().next() else {
        unreachable!("a run has at least one request")
    };
    let mut shape = first.shape().to_vec();
    shape[0] = parts.clone().map(Tensor::rows).sum();
    let joined = match first.data() {
        Data::Packed(_) => {
            let slices = || parts.clone().filter_map(Tensor::bytes);
            // The tensor of the run before is dropped by now: the same memory is taken again.
            buffer.reserve(slices().map(bytes::Bytes::len).sum());
            slices().for_each(|s| buffer.extend_from_slice(s));
            Tensor::packed(first.dtype(), shape, buffer.split().freeze())
        }
        Data::Strings(_) => Tensor::strings(
            shape,
            parts.filter_map(Tensor::strings_data).flatten().cloned().collect(),
        ),
    };
    joined.unwrap_or_else(|_| unreachable!("parts of one row shape"))
}

/// The rows of one request, out of the outputs of a run.
fn cut(outputs: &[Tensor], rows: std::ops::Range<usize>, whole: bool, squeeze: bool) -> Result<Output, Error> {
    let one = |tensor: &Tensor| {
        let tensor = if whole {
            tensor.clone()
        } else if rows.end <= tensor.rows() && !tensor.shape().is_empty() {
            tensor.slice_rows(rows.clone())
        } else {
            return Err(Error::pipeline(
                "the model gave fewer rows than it took; set max_batch_size = 1 for it",
            ));
        };
        Ok(if squeeze && tensor.shape().first() == Some(&1) {
            tensor.squeeze_first()
        } else {
            tensor
        })
    };
    outputs
        .iter()
        .map(one)
        .collect::<Result<Vec<_>, _>>()
        .map(Output::Tensors)
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    if a.shape() != b.shape() || a.dtype() != b.dtype() {
        return false;
    }
    match (a.data(), b.data()) {
        (Data::Packed(x), Data::Packed(y)) if a.dtype() == crate::tensor::DType::F32 => {
            let (x, y) = (
                bytemuck::pod_collect_to_vec::<u8, f32>(x),
                bytemuck::pod_collect_to_vec::<u8, f32>(y),
            );
            x.iter()
                .zip(&y)
                .all(|(x, y)| x.to_bits() == y.to_bits() || (x - y).abs() <= TOLERANCE * (1.0 + y.abs()))
        }
        (x, y) => x == y,
    }
}
