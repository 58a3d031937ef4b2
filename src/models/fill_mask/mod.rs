//! Masked words: which tokens of the vocabulary fit best in the place of a mask.

mod endpoint;
mod pipeline;

use super::text::{self, TextEncoder};
use super::{Graphs, Loaded, Source, Task};
use crate::contract::Contract;
use endpoint::{Fill, Filled};
use pipeline::FillMask;

pub const TASK: Task = Task {
    name: "fill-mask",
    architecture_suffixes: &["ForMaskedLM"],
    shown_with: None,
    graphs: Graphs::One,
    load,
};

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let encoder = TextEncoder::read(source)?;
    // As tokenizers of the two large families name it, where the folder does not.
    let named = encoder.facts().mask_token.as_deref();
    let known = |token: &&str| encoder.token_id(token).is_some();
    let Some(mask) = named.into_iter().chain(["[MASK]", "<mask>"]).find(known) else {
        return Err(match named {
            Some(token) => format!("the mask token {token} is not in tokenizer.json"),
            None => "tokenizer_config.json names no mask_token".into(),
        });
    };
    let mask = mask.to_owned();
    let contract = Contract::typed::<Fill, Filled>().with_examples(endpoint::examples(&mask));
    let task = FillMask {
        output: text::one_output(&source.graph.signature, &["logits"])?,
        mask_id: encoder.token_id(&mask).unwrap_or_default(),
        mask,
        encoder,
    };
    text::loaded(source, task, contract)
}
