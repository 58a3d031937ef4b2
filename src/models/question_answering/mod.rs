//! Extractive question answering: the span of a context that answers a question.

mod decode;
mod endpoint;
mod pipeline;
mod windows;

use std::sync::Arc;

use super::tokenizer::FolderTokenizer;
use super::{Builder, Loaded, ONNX_DEVICES, Source, Task};
use crate::backend::onnx::{OnnxModel, Runtime};
use crate::contract::Contract;
use crate::pipeline::{Build, Pipeline, ReplicaContext};
use endpoint::{Answer, Question};
use pipeline::QuestionAnswering;
use windows::Windower;

pub const TASK: Task = Task {
    name: "question-answering",
    architecture_suffix: "ForQuestionAnswering",
    load,
};

/// Outputs the graph must have, named as every exporter names them.
const OUTPUTS: [&str; 2] = ["start_logits", "end_logits"];

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let outputs: Vec<_> = source.graph.signature.outputs.iter().map(|o| o.name.as_str()).collect();
    if let Some(missing) = OUTPUTS.iter().find(|name| !outputs.contains(name)) {
        return Err(format!(
            "the graph has no output {missing}; its outputs are {}",
            outputs.join(", ")
        ));
    }
    let tokenizer = FolderTokenizer::read(source.folder)?;
    let pad = source.config.and_then(|c| c.pad_token_id).unwrap_or(0);
    let positions = source.config.and_then(|c| c.max_position_embeddings);
    let windower = Arc::new(Windower::new(tokenizer, positions));
    let model = Arc::new(OnnxModel::new(source.file.to_owned(), source.options));
    let max_batch_size = source.max_batch_size;
    let builder = Builder::Onnx(Box::new(move |runtime: &Runtime| -> Arc<dyn Build> {
        let (runtime, model, windower) = (runtime.clone(), Arc::clone(&model), Arc::clone(&windower));
        Arc::new(move |context: &ReplicaContext| {
            let session = model.session(&runtime, context)?;
            let pipeline = QuestionAnswering::new(session, Arc::clone(&windower), pad, max_batch_size)?;
            Ok(Box::new(pipeline) as Box<dyn Pipeline>)
        })
    }));
    let contract = Contract::typed::<Question, Answer>().with_examples(endpoint::examples());
    Ok(Loaded {
        contract,
        runs_on: ONNX_DEVICES,
        builder,
    })
}
