//! Token classification: a label for each token of a text, or for the words and entities they make up.

mod aggregate;
mod endpoint;
mod pipeline;

use super::text::{self, TextEncoder};
use super::{Graphs, Loaded, Source, Task};
use crate::contract::Contract;
use endpoint::{Tag, Tagged};
use pipeline::TokenClassification;

pub const TASK: Task = Task {
    name: "token-classification",
    architecture_suffixes: &["ForTokenClassification"],
    shown_with: None,
    graphs: Graphs::One,
    load,
};

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let encoder = TextEncoder::read(source)?;
    let task = TokenClassification {
        output: text::one_output(&source.graph.signature, &["logits"])?,
        config: source.config.cloned().unwrap_or_default(),
        unknown: encoder.facts().unk_token.as_deref().and_then(|t| encoder.token_id(t)),
        encoder,
    };
    let contract = Contract::typed::<Tag, Tagged>().with_examples(endpoint::examples());
    text::loaded(source, task, contract)
}
