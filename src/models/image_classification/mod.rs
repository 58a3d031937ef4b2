//! Image classification: how well each of the model's labels fits a picture.

mod config;
mod decode;
mod endpoint;
mod families;
mod jpeg;
mod pipeline;
mod pixels;
mod preprocess;
mod resample;
mod size;
mod source;

use super::{Graphs, Loaded, Source, Task, rows};
use crate::contract::Contract;
use endpoint::{Classified, Classify};
use pipeline::{ImageClassification, Input, function};

pub const TASK: Task = Task {
    name: "image-classification",
    architecture_suffixes: &["ForImageClassification", "ForImageClassificationWithTeacher"],
    shown_with: None,
    graphs: Graphs::One,
    load,
};

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let config = source.config.cloned().unwrap_or_default();
    let plan = config::read(source.folder, config.model_type.as_deref())?;
    let signature = &source.graph.signature;
    let task = ImageClassification {
        input: Input::read(signature, &plan)?,
        output: rows::one_output(signature, &["logits"])?,
        function: function(&config),
        tables: plan.tables(),
        plan,
        config,
    };
    let contract = Contract::typed::<Classify, Classified>()
        .with_media::<Classify>()
        .with_examples(endpoint::examples());
    Ok(rows::loaded(source, task, contract))
}
