//! The loop around the runs of a text task: requests become rows, rows of like length share a run, what is read of
//! them becomes answers.

use std::sync::Arc;

use super::super::{Builder, Loaded, ONNX_DEVICES, Source};
use super::batch::{Plan, Row, Runner, Slice};
use crate::backend::onnx::{OnnxModel, Runtime};
use crate::contract::{Contract, Signature};
use crate::error::{Error, Kind};
use crate::payload::Output;
use crate::pipeline::{Batch, Build, Pipeline, ReplicaContext, Request};

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
    let (plan, task) = (Arc::new(plan), Arc::new(task));
    let model = Arc::new(OnnxModel::new(source.file.to_owned(), source.options));
    let max_batch_size = source.max_batch_size.max(1);
    let builder = Builder::Onnx(Box::new(move |runtime: &Runtime| -> Arc<dyn Build> {
        let (runtime, model) = (runtime.clone(), Arc::clone(&model));
        let (plan, task) = (Arc::clone(&plan), Arc::clone(&task));
        Arc::new(move |context: &ReplicaContext| {
            let session = model.session(&runtime, context)?;
            let pipeline = TextPipeline {
                runner: Runner::new(session, &plan, task.pad())?,
                task: Arc::clone(&task),
                max_batch_size,
            };
            Ok(Box::new(pipeline) as Box<dyn Pipeline>)
        })
    }));
    Ok(Loaded {
        contract,
        runs_on: ONNX_DEVICES,
        builder,
    })
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

struct TextPipeline<T: TextTask> {
    runner: Runner,
    task: Arc<T>,
    max_batch_size: usize,
}

/// A request with its rows and, as runs end, what was read of them.
struct Work<T: TextTask> {
    request: Request,
    asked: T::Request,
    rows: Vec<T::Row>,
    read: Vec<Option<T::Read>>,
}

impl<T: TextTask> TextPipeline<T> {
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
        let result = runner.run(&rows, |n, outputs| {
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

impl<T: TextTask> Pipeline for TextPipeline<T> {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.control().set_interrupt(self.runner.interrupt());
        let mut work: Vec<Work<T>> = batch.drain().filter_map(|request| self.prepare(request)).collect();
        let mut places: Vec<(usize, usize)> = work
            .iter()
            .enumerate()
            .flat_map(|(i, w)| (0..w.rows.len()).map(move |j| (i, j)))
            .collect();
        // Rows of like length share a run, so that little of it is padding.
        places.sort_by_key(|(i, j)| work[*i].rows[*j].ids().len());
        for run in places.chunks(self.max_batch_size) {
            // Many texts take many runs; who left meanwhile, or has his answer, is passed over.
            let live: Vec<_> = run
                .iter()
                .copied()
                .filter(|(i, _)| !work[*i].request.is_finished() && !work[*i].request.is_cancelled())
                .collect();
            if !live.is_empty() {
                self.run_rows(&mut work, &live);
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
        let asked = self.task.dummy();
        let rows = self.task.rows(&asked)?;
        let Self { runner, task, .. } = self;
        let views: Vec<&T::Row> = rows.iter().collect();
        let read = runner.run(&views, |n, outputs| task.read(&asked, &rows[n], outputs))?;
        read.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
    }
}
