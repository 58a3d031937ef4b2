//! Runs batches of questions: windows of all requests are padded together and run in as few runs as fit.

use std::sync::Arc;

use super::decode::{Logits, answers};
use super::endpoint::{Answer, Question};
use super::windows::{Window, Windower};
use crate::backend::onnx::OnnxSession;
use crate::error::Error;
use crate::payload::Output;
use crate::pipeline::{Batch, Pipeline, Request};
use crate::tensor::Tensor;

/// What the graph takes of a window.
#[derive(Clone, Copy)]
enum Input {
    Ids,
    Mask,
    TypeIds,
}

pub struct QuestionAnswering {
    session: OnnxSession,
    windower: Arc<Windower>,
    inputs: Vec<Input>,
    /// Where start and end logits stand among the outputs.
    start: usize,
    end: usize,
    pad: u32,
    max_batch_size: usize,
}

/// A request with its windows and, as runs end, their logits.
struct Work {
    request: Request,
    question: Question,
    windows: Vec<Window>,
    logits: Vec<Logits>,
}

impl QuestionAnswering {
    /// # Errors
    /// When the graph takes an input this task does not know, or lacks an output.
    pub fn new(session: OnnxSession, windower: Arc<Windower>, pad: u32, max_batch_size: usize) -> Result<Self, Error> {
        let input = |name: &str| match name {
            "input_ids" => Ok(Input::Ids),
            "attention_mask" => Ok(Input::Mask),
            "token_type_ids" => Ok(Input::TypeIds),
            other => Err(Error::pipeline(format!(
                "the graph takes {other}, which question answering does not know"
            ))),
        };
        let inputs = session.input_names().map(input).collect::<Result<_, _>>()?;
        let place = |name: &str| {
            session
                .output_names()
                .position(|n| n == name)
                .ok_or_else(|| Error::pipeline(format!("no output {name}")))
        };
        let (start, end) = (place("start_logits")?, place("end_logits")?);
        Ok(Self {
            session,
            windower,
            inputs,
            start,
            end,
            pad,
            max_batch_size: max_batch_size.max(1),
        })
    }

    fn prepare(&self, mut request: Request) -> Option<Work> {
        let read = request.take_input().into_typed::<Question>();
        match read.and_then(|q| Ok((self.windower.windows(&q)?, q))) {
            Ok((windows, question)) => {
                let logits = windows.iter().map(|_| (Vec::new(), Vec::new())).collect();
                Some(Work {
                    request,
                    question,
                    windows,
                    logits,
                })
            }
            Err(error) => {
                request.finish(Err(error));
                None
            }
        }
    }

    /// Runs windows together; gives start and end logits of each, padding cut off.
    fn run_windows(&mut self, windows: &[&Window]) -> Result<Vec<Logits>, Error> {
        let longest = windows.iter().map(|w| w.ids.len()).max().unwrap_or(0);
        let inputs: Vec<_> = self
            .inputs
            .iter()
            .map(|input| padded(*input, windows, longest, self.pad))
            .collect();
        let outputs = self.session.run(&inputs)?;
        let rows = |i: usize| -> Vec<f32> {
            outputs[i]
                .bytes()
                .map(|b| bytemuck::pod_collect_to_vec(b))
                .unwrap_or_default()
        };
        let (start, end) = (rows(self.start), rows(self.end));
        if start.len() != windows.len() * longest || end.len() != start.len() {
            return Err(Error::pipeline("the model's logits do not have one entry per token"));
        }
        if start.iter().chain(&end).any(|logit| logit.is_nan()) {
            return Err(Error::pipeline(
                "the model's logits are no numbers (NaN); its weights may be damaged",
            ));
        }
        let row = |logits: &[f32], i: usize| logits[i * longest..i * longest + windows[i].ids.len()].to_vec();
        Ok((0..windows.len()).map(|i| (row(&start, i), row(&end, i))).collect())
    }
}

impl Pipeline for QuestionAnswering {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.control().set_interrupt(self.session.interrupt());
        let mut work: Vec<Work> = batch.drain().filter_map(|request| self.prepare(request)).collect();
        let mut places: Vec<(usize, usize)> = work
            .iter()
            .enumerate()
            .flat_map(|(i, w)| (0..w.windows.len()).map(move |j| (i, j)))
            .collect();
        // Windows of like length share a run, so that little of it is padding.
        places.sort_by_key(|(i, j)| work[*i].windows[*j].ids.len());
        for run in places.chunks(self.max_batch_size) {
            // A long context takes many runs; who left meanwhile is passed over.
            let live: Vec<_> = run
                .iter()
                .copied()
                .filter(|(i, _)| !work[*i].request.is_finished() && !work[*i].request.is_cancelled())
                .collect();
            if live.is_empty() {
                continue;
            }
            let windows: Vec<&Window> = live.iter().map(|(i, j)| &work[*i].windows[*j]).collect();
            match self.run_windows(&windows) {
                Ok(logits) => live.iter().zip(logits).for_each(|((i, j), l)| work[*i].logits[*j] = l),
                Err(error) => live
                    .iter()
                    .for_each(|(i, _)| work[*i].request.finish(Err(error.clone()))),
            }
        }
        for mut done in work {
            let Question {
                context,
                top_k,
                max_answer_len,
                ..
            } = &done.question;
            let spans = answers(&done.windows, &done.logits, context, *top_k, *max_answer_len);
            done.request.finish(Output::json(&Answer::new(spans, *top_k)));
        }
        Ok(())
    }

    fn compile(&mut self) -> Result<(), Error> {
        let question = Question {
            question: "Who?".into(),
            context: "A dummy run.".into(),
            top_k: 1,
            max_answer_len: 1,
            doc_stride: 0,
        };
        let windows = self.windower.windows(&question)?;
        self.run_windows(&windows.iter().collect::<Vec<_>>()).map(drop)
    }
}

fn padded(input: Input, windows: &[&Window], length: usize, pad: u32) -> Tensor {
    let mut data: Vec<i64> = Vec::with_capacity(windows.len() * length);
    for window in windows {
        let tokens = window.ids.len();
        match input {
            Input::Ids => data.extend_from_slice(&window.ids),
            Input::TypeIds => data.extend_from_slice(&window.type_ids),
            Input::Mask => data.extend(std::iter::repeat_n(1, tokens)),
        }
        let filler = if matches!(input, Input::Ids) { i64::from(pad) } else { 0 };
        data.extend(std::iter::repeat_n(filler, length - tokens));
    }
    Tensor::from_vec(vec![windows.len(), length], data).unwrap_or_else(|_| unreachable!("filled row by row"))
}
