//! The encoder: sources of like length are padded to the longest of a run.

use crate::backend::onnx::OnnxSession;
use crate::contract::Signature;
use crate::error::Error;
use crate::models::generation::cache::{Align, Block};
use crate::tensor::Tensor;

/// What the graph takes of a source.
#[derive(Clone, Copy)]
enum Input {
    Ids,
    Mask,
}

impl Input {
    fn of(name: &str) -> Result<Self, String> {
        match name {
            "input_ids" => Ok(Self::Ids),
            "attention_mask" => Ok(Self::Mask),
            other => Err(format!(
                "the encoder takes {other}, expected input_ids and attention_mask of a text"
            )),
        }
    }
}

const STATES: &str = "last_hidden_state";

/// Whether the graph is one this task can run.
///
/// # Errors
/// A sentence that says which input is not known, or which output is missing.
pub fn check(graph: &Signature) -> Result<(), String> {
    for input in &graph.inputs {
        Input::of(&input.name)?;
    }
    if graph.outputs.iter().any(|o| o.name == STATES) {
        Ok(())
    } else {
        Err(format!("the encoder gives no {STATES}"))
    }
}

pub struct Encoder {
    session: OnnxSession,
    inputs: Vec<Input>,
    states: usize,
    pad: u32,
}

impl Encoder {
    /// # Errors
    /// As [`check`].
    pub fn new(session: OnnxSession, pad: u32) -> Result<Self, Error> {
        let inputs = session
            .input_names()
            .map(Input::of)
            .collect::<Result<_, _>>()
            .map_err(Error::pipeline)?;
        let states = session.output_names().position(|name| name == STATES);
        Ok(Self {
            inputs,
            states: states.ok_or_else(|| Error::pipeline(format!("the encoder gives no {STATES}")))?,
            session,
            pad,
        })
    }

    pub const fn session(&self) -> &OnnxSession {
        &self.session
    }

    /// Reads sources together.
    ///
    /// # Errors
    /// When the run fails.
    pub fn run(&mut self, sources: &[&[u32]]) -> Result<Block, Error> {
        let longest = sources.iter().map(|s| s.len()).max().unwrap_or(0);
        let inputs: Vec<Tensor> = self
            .inputs
            .iter()
            .map(|i| padded(*i, sources, longest, self.pad))
            .collect();
        let mut outputs = self.session.run_typical(&inputs)?;
        let states = outputs.swap_remove(self.states);
        match states.shape() {
            [rows, positions, _] if *rows == sources.len() && *positions == longest => {}
            _ => return Err(Error::pipeline("the encoder's states do not have one entry per token")),
        }
        let lengths = sources.iter().map(|s| s.len()).collect();
        Ok(Block::new(vec![states], lengths, Align::Start))
    }
}

fn padded(input: Input, sources: &[&[u32]], length: usize, pad: u32) -> Tensor {
    let mut data: Vec<i64> = Vec::with_capacity(sources.len() * length);
    for source in sources {
        let filler = match input {
            Input::Ids => {
                data.extend(source.iter().map(|id| i64::from(*id)));
                i64::from(pad)
            }
            Input::Mask => {
                data.extend(std::iter::repeat_n(1, source.len()));
                0
            }
        };
        data.extend(std::iter::repeat_n(filler, length - source.len()));
    }
    Tensor::from_vec(vec![sources.len(), length], data).unwrap_or_else(|_| unreachable!("filled row by row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sources_are_filled_up() {
        let (a, b): (&[u32], &[u32]) = (&[5, 6, 7], &[8]);
        let data = |input| {
            let tensor = padded(input, &[a, b], 3, 9);
            bytemuck::pod_collect_to_vec::<u8, i64>(tensor.bytes().unwrap())
        };
        assert_eq!(data(Input::Ids), [5, 6, 7, 8, 9, 9]);
        assert_eq!(data(Input::Mask), [1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn an_encoder_of_something_else_is_told() {
        assert!(Input::of("input_features").err().unwrap().contains("input_features"));
    }
}
