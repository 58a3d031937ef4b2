//! Zero-shot classification: which of the caller's own labels fit a text, by a model that judges whether one text
//! follows from another.
//!
//! Served only where a manifest names it: the folder of such a model is that of any classifier, and its pairs can
//! be judged as such. An endpoint that changed its form with the wording of a label would serve neither use.

mod endpoint;
mod pipeline;
mod template;

use super::text::{self, TextEncoder};
use super::{Graphs, HfConfig, Loaded, Source, Task};
use crate::contract::Contract;
use endpoint::{Sort, Sorted};
use pipeline::ZeroShot;

pub const TASK: Task = Task {
    name: "zero-shot-classification",
    architecture_suffixes: &[],
    shown_with: None,
    graphs: Graphs::One,
    load,
};

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let config = source.config.cloned().unwrap_or_default();
    let task = ZeroShot {
        encoder: TextEncoder::read(source)?,
        output: text::one_output(&source.graph.signature, &["logits"])?,
        entailment: entailment(&config)?,
    };
    let contract = Contract::typed::<Sort, Sorted>().with_examples(endpoint::examples());
    text::loaded(source, task, contract)
}

/// Whether a classifier judges what follows from a text.
pub fn fits(config: &HfConfig) -> bool {
    entailment(config).is_ok()
}

/// The label that says that the second text follows from the first, found as the transformers pipeline finds it.
fn entailment(config: &HfConfig) -> Result<usize, String> {
    let labels = config.label_ids();
    let found = labels
        .iter()
        .find(|(label, _)| label.to_lowercase().starts_with("entail"));
    found.map(|(_, id)| *id).ok_or_else(|| {
        let known: Vec<_> = labels.iter().map(|(label, _)| label.as_str()).collect();
        format!(
            "config.json has no label that begins with entail in label2id; its labels are {}",
            known.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_found_in_any_case_and_its_lack_told() {
        let config = |text: &str| serde_json::from_str::<HfConfig>(text).unwrap();
        let known = config(r#"{"label2id": {"CONTRADICTION": 0, "ENTAILMENT": 2}}"#);
        assert_eq!(entailment(&known), Ok(2));
        let told = entailment(&config(r#"{"label2id": {"yes": 0, "no": 1}}"#)).unwrap_err();
        assert!(told.ends_with("its labels are yes, no"), "{told}");
    }
}
