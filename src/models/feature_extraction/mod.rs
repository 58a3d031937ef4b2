//! Feature extraction: texts as vectors, pooled as the sentence-transformers library reads it from the folder.

mod endpoint;
mod folder;
mod pipeline;
mod pooling;

use super::text::{self, TextEncoder};
use super::{Graphs, Loaded, Source, Task};
use crate::contract::Contract;
use endpoint::{Embed, Embedded};
use folder::Sentence;
use pipeline::FeatureExtraction;

pub const TASK: Task = Task {
    name: "feature-extraction",
    architecture_suffixes: &["Model"],
    shown_with: Some("tokenizer.json"),
    graphs: Graphs::One,
    load,
};

/// Outputs with a vector for each token, as exporters name them.
const HIDDEN: [&str; 2] = ["last_hidden_state", "token_embeddings"];
/// The output of graphs that pool by themselves.
const POOLED: &str = "sentence_embedding";

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let sentence = Sentence::read(source.folder)?;
    let mut encoder = TextEncoder::read(source)?;
    encoder.limit_to(sentence.max_length);
    let outputs = &source.graph.signature.outputs;
    let pooled = outputs
        .iter()
        .any(|spec| spec.name == POOLED)
        .then(|| POOLED.to_owned());
    let hidden = match HIDDEN
        .iter()
        .find(|name| outputs.iter().any(|spec| spec.name == **name))
    {
        Some(name) => Some((*name).to_owned()),
        None if pooled.is_some() => None,
        None => Some(text::one_output(&source.graph.signature, &HIDDEN)?),
    };
    if let (Some(module), None) = (sentence.others.first(), &pooled) {
        return Err(format!(
            "modules.json names a {module} module, which is not in the graph; export the model with the \
             sentence-transformers library, so that the graph has an output {POOLED}"
        ));
    }
    let task = FeatureExtraction {
        encoder,
        hidden,
        pooled,
        sentence,
    };
    let contract = Contract::typed::<Embed, Embedded>().with_examples(endpoint::examples());
    text::loaded(source, task, contract)
}
