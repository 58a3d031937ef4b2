//! Text classification: how well each of the model's labels fits a text, or a pair of texts.

mod endpoint;
mod pipeline;

use super::text::{self, TextEncoder};
use super::{Graphs, Loaded, Source, Task};
use crate::contract::Contract;
use endpoint::{Classified, Classify};
use pipeline::{TextClassification, function};

pub const TASK: Task = Task {
    name: "text-classification",
    architecture_suffixes: &["ForSequenceClassification"],
    shown_with: None,
    graphs: Graphs::One,
    load,
};

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let config = source.config.cloned().unwrap_or_default();
    let task = TextClassification {
        encoder: TextEncoder::read(source)?,
        output: text::one_output(&source.graph.signature, &["logits"])?,
        function: function(&config),
        config,
    };
    let contract = Contract::typed::<Classify, Classified>().with_examples(endpoint::examples());
    text::loaded(source, task, contract)
}
