//! Extractive question answering: the span of a context that answers a question.

mod decode;
mod endpoint;
mod pipeline;
mod windows;

use super::text::{self, TextEncoder};
use super::{Graphs, Loaded, Source, Task};
use crate::contract::Contract;
use endpoint::{Answer, Question};
use pipeline::QuestionAnswering;
use windows::Windower;

pub const TASK: Task = Task {
    name: "question-answering",
    architecture_suffixes: &["ForQuestionAnswering"],
    shown_with: None,
    graphs: Graphs::One,
    load,
};

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let task = QuestionAnswering {
        windower: Windower::new(TextEncoder::read(source)?),
    };
    let contract = Contract::typed::<Question, Answer>().with_examples(endpoint::examples());
    text::loaded(source, task, contract)
}
