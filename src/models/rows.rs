//! The loop around the runs of a task that reads a graph's inputs row by row: requests become rows, rows that may
//! meet share a run, what is read of them becomes answers. Knows neither texts nor images.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{Builder, Loaded, ONNX_DEVICES, Source};
use crate::backend::onnx::{OnnxModel, OnnxSession, Runtime};
use crate::contract::{Contract, Signature};
use crate::device::DeviceKind;
use crate::error::{Error, Kind};
use crate::payload::Output;
use crate::pipeline::{Batch, Build, Pipeline, ReplicaContext, Request};
use crate::tensor::{DType, Tensor};

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
                runner: Runner::new(session, &task.outputs())?,
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

/// A session, and where the outputs that are read stand among its own.
struct Runner {
    session: OnnxSession,
    outputs: Vec<usize>,
}

impl Runner {
    fn new(session: OnnxSession, outputs: &[&str]) -> Result<Self, Error> {
        let place = |name: &&str| {
            let place = session.output_names().position(|known| known == *name);
            place.ok_or_else(|| differs(name))
        };
        let outputs = outputs.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { session, outputs })
    }

    /// Runs rows together. `read` is given the number of each and its part of the outputs, while they are at hand.
    fn run<T: RowTask, A>(
        &mut self,
        task: &T,
        rows: &[&T::Row],
        mut read: impl FnMut(usize, &[Slice<'_>]) -> A,
    ) -> Result<Vec<A>, Error> {
        let inputs = self
            .session
            .input_names()
            .map(|name| task.tensor(name, rows).ok_or_else(|| differs(name)))
            .collect::<Result<Vec<Tensor>, Error>>()?;
        let tensors = self.session.run(&inputs)?;
        let outputs = self
            .outputs
            .iter()
            .map(|place| floats(&tensors[*place]).map(|values| (&tensors[*place], values)))
            .collect::<Result<Vec<_>, _>>()?;
        if outputs
            .iter()
            .any(|(tensor, _)| tensor.shape().first() != Some(&rows.len()))
        {
            return Err(Error::pipeline(
                "the model gave another number of rows than it took; set max_batch_size = 1 for it",
            ));
        }
        let answers = (0..rows.len()).map(|row| {
            let slices: Vec<Slice<'_>> = outputs
                .iter()
                .map(|(tensor, values)| slice(tensor, values, row))
                .collect();
            read(row, &slices)
        });
        Ok(answers.collect())
    }
}

fn differs(name: &str) -> Error {
    Error::pipeline(format!("the loaded graph and its file differ in {name}"))
}

fn slice<'a>(tensor: &'a Tensor, values: &'a [f32], row: usize) -> Slice<'a> {
    let shape = &tensor.shape()[1..];
    let size: usize = shape.iter().product();
    Slice {
        shape,
        values: &values[row * size..(row + 1) * size],
    }
}

/// The numbers of an output, as they stand where they are of 32 bits.
fn floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, Error> {
    let other = || Error::pipeline(format!("the model gave {} where it should give scores", tensor.dtype()));
    let bytes = tensor.bytes().ok_or_else(other)?;
    Ok(match tensor.dtype() {
        DType::F32 => match bytemuck::try_cast_slice(&bytes[..]) {
            Ok(values) => Cow::Borrowed(values),
            Err(_) => Cow::Owned(bytemuck::pod_collect_to_vec(&bytes[..])),
        },
        DType::F16 => {
            let values: Vec<half::f16> = bytemuck::pod_collect_to_vec(&bytes[..]);
            Cow::Owned(values.into_iter().map(half::f16::to_f32).collect())
        }
        DType::BF16 => {
            let values: Vec<half::bf16> = bytemuck::pod_collect_to_vec(&bytes[..]);
            Cow::Owned(values.into_iter().map(half::bf16::to_f32).collect())
        }
        _ => return Err(other()),
    })
}

struct RowPipeline<T: RowTask> {
    runner: Runner,
    task: Arc<T>,
    max_batch_size: usize,
    device: DeviceKind,
}

/// A request with its rows and, as runs end, what was read of them.
struct Work<T: RowTask> {
    request: Request,
    asked: T::Request,
    rows: Vec<T::Row>,
    read: Vec<Option<T::Read>>,
}

impl<T: RowTask> RowPipeline<T> {
    fn prepare(&self, mut request: Request) -> Option<Work<T>> {
        let asked = request.take_input().into_typed::<T::Request>();
        match asked.and_then(|asked| Ok((self.task.rows(&asked)?, asked))) {
            Ok((rows, asked)) => {
                let read = rows.iter().map(|_| None).collect();
                Some(Work {
                    request,
                    asked,
                    rows,
                    read,
                })
            }
            Err(error) => {
                request.finish(Err(error));
                None
            }
        }
    }

    /// Runs the rows at these places (request, row) together.
    fn run_rows(&mut self, work: &mut [Work<T>], places: &[(usize, usize)]) {
        let Self { runner, task, .. } = self;
        let rows: Vec<&T::Row> = places.iter().map(|(i, j)| &work[*i].rows[*j]).collect();
        let result = runner.run(&**task, &rows, |n, outputs| {
            let (i, j) = places[n];
            task.read(&work[i].asked, &work[i].rows[j], outputs)
        });
        match result {
            Ok(answers) => {
                for ((i, j), answer) in places.iter().zip(answers) {
                    match answer {
                        Ok(read) => work[*i].read[*j] = Some(read),
                        Err(error) => work[*i].request.finish(Err(error)),
                    }
                }
            }
            Err(error) => places
                .iter()
                .for_each(|(i, _)| work[*i].request.finish(Err(error.clone()))),
        }
    }
}

impl<T: RowTask> Pipeline for RowPipeline<T> {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.control().set_interrupt(self.runner.session.interrupt());
        let mut work: Vec<Work<T>> = batch.drain().filter_map(|request| self.prepare(request)).collect();
        let mut places: Vec<(T::Key, (usize, usize))> = work
            .iter()
            .enumerate()
            .flat_map(|(i, w)| w.rows.iter().enumerate().map(move |(j, row)| (row, (i, j))))
            .map(|(row, place)| (self.task.key(row), place))
            .collect();
        // Rows of like keys share a run, so that little of it is padding.
        places.sort_by(|(a, _), (b, _)| a.cmp(b));
        let task = Arc::clone(&self.task);
        for alike in places.chunk_by(|(a, _), (b, _)| task.meet(a, b)) {
            let keys: Vec<&T::Key> = alike.iter().map(|(key, _)| key).collect();
            for run in task.runs(&keys, self.max_batch_size, self.device) {
                // Many rows take many runs; who left meanwhile, or has his answer, is passed over.
                let live: Vec<(usize, usize)> = alike[run]
                    .iter()
                    .map(|(_, place)| *place)
                    .filter(|(i, _)| !work[*i].request.is_finished() && !work[*i].request.is_cancelled())
                    .collect();
                if !live.is_empty() {
                    self.run_rows(&mut work, &live);
                }
            }
        }
        for done in work {
            let Work {
                mut request,
                asked,
                rows,
                read,
            } = done;
            request.finish(match read.into_iter().collect::<Option<Vec<_>>>() {
                Some(read) => self.task.answer(&asked, &rows, read),
                None => Err(Error::new(Kind::Cancelled, "nobody waits for this answer")),
            });
        }
        Ok(())
    }

    fn compile(&mut self) -> Result<(), Error> {
        let Self { runner, task, .. } = self;
        let (asked, rows) = task.dummy()?;
        let views: Vec<&T::Row> = rows.iter().collect();
        let read = runner.run(&**task, &views, |n, outputs| task.read(&asked, &rows[n], outputs))?;
        read.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
    }
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

    #[test]
    fn outputs_of_half_precision_are_read() {
        let halves = vec![half::f16::from_f32(0.5), half::f16::from_f32(-2.0)];
        let tensor = Tensor::from_vec(vec![2, 1], halves).unwrap();
        assert_eq!(floats(&tensor).unwrap().into_owned(), [0.5, -2.0]);
        assert!(floats(&Tensor::from_vec(vec![1], vec![1i64]).unwrap()).is_err());
    }
}
