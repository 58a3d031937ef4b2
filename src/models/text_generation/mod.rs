//! Text generation: a decoder goes on from a prompt or a chat, token by token.

mod endpoint;
mod pipeline;
mod prompt;

use std::sync::Arc;

use super::generation::chat::ChatTemplate;
use super::generation::config::GenerationConfig;
use super::generation::decoder::{DecoderFiles, Layout};
use super::tokenizer::FolderTokenizer;
use super::{Builder, Graphs, Loaded, ONNX_DEVICES, Source, Task};
use crate::backend::onnx::{OnnxModel, Runtime};
use crate::contract::Contract;
use crate::error::Error;
use crate::pipeline::{Build, Pipeline, ReplicaContext};
use endpoint::{GeneratedText, GenerationRequest};
use pipeline::TextGeneration;
use prompt::Prompter;

/// Newer architectures are named for the task, older ones for their head.
pub const TASK: Task = Task {
    name: "text-generation",
    architecture_suffixes: &["ForCausalLM", "LMHeadModel"],
    shown_with: None,
    graphs: GRAPHS,
    load,
};

/// As exporters write decoders: one graph, both of an older pair in one, or the pair.
const GRAPHS: Graphs = Graphs::Sets(&[
    &["model.onnx"],
    &["decoder_model_merged.onnx"],
    &["decoder_with_past_model.onnx", "decoder_model.onnx"],
]);

/// Keys of `config.json` that tell how many positions a decoder has.
const POSITIONS: [&str; 4] = [
    "max_position_embeddings",
    "n_positions",
    "max_sequence_length",
    "seq_length",
];

fn load(source: &Source<'_>) -> Result<Loaded, String> {
    let model = Arc::new(Model::read(source)?);
    let builder = Builder::Onnx(Box::new(move |runtime: &Runtime| -> Arc<dyn Build> {
        let (runtime, model) = (runtime.clone(), Arc::clone(&model));
        Arc::new(move |context: &ReplicaContext| {
            let pipeline = model.open(&runtime, context)?;
            Ok(Box::new(pipeline) as Box<dyn Pipeline>)
        })
    }));
    let mut contract = Contract::typed::<GenerationRequest, GeneratedText>().with_examples(endpoint::examples());
    contract.streams = true;
    Ok(Loaded {
        contract,
        runs_on: ONNX_DEVICES,
        builder,
    })
}

/// What the folder holds, shared by the replicas.
struct Model {
    decoder: DecoderFiles,
    prompter: Arc<Prompter>,
    max_batch_size: usize,
}

impl Model {
    fn read(source: &Source<'_>) -> Result<Self, String> {
        let first = source.others.first();
        let layout = Layout::read(&source.graph.signature, first.map(|f| &f.graph.signature))?;
        if layout.has_encoder() {
            return Err("the graph takes what an encoder gives; it is part of a text2text-generation model".into());
        }
        let folder = FolderTokenizer::read(source.folder)?;
        let mut config = GenerationConfig::read(source.folder, TASK.name, &POSITIONS)?;
        config.positions = config.positions.into_iter().chain(folder.max_length).min();
        let prompter = Prompter {
            chat: ChatTemplate::read(source.folder)?,
            tokenizer: folder.tokenizer,
            config,
        };
        Ok(Self {
            decoder: DecoderFiles {
                first: first.map(|f| OnnxModel::new(f.path.clone(), source.options)),
                next: OnnxModel::new(source.file.to_owned(), source.options),
                layout: Arc::new(layout),
            },
            prompter: Arc::new(prompter),
            max_batch_size: source.max_batch_size,
        })
    }

    fn open(&self, runtime: &Runtime, context: &ReplicaContext) -> Result<TextGeneration, Error> {
        let decoder = self.decoder.open(runtime, context)?;
        Ok(TextGeneration::new(
            decoder,
            Arc::clone(&self.prompter),
            self.max_batch_size,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::generation::recorded::hold;
    use super::*;

    #[test]
    fn tokens_are_those_of_the_reference_alone_and_in_company_in_every_layout() {
        for model in ["text_generation", "text_generation_pair", "text_generation_merged"] {
            hold::<GenerationRequest, _>("text_generation.json", model, &TASK, |source, runtime, context| {
                Model::read(source).unwrap().open(runtime, context)
            });
        }
    }
}
