//! Text to text: an encoder reads a source, a decoder writes the target. Summaries and translations are that, with
//! defaults of their own.

mod encoder;
mod endpoint;
mod pipeline;
mod source;

use std::path::Path;
use std::sync::Arc;

use super::generation::config::GenerationConfig;
use super::generation::decoder::{DecoderFiles, Layout};
use super::tokenizer::FolderTokenizer;
use super::{Builder, GraphFile, Graphs, Loaded, ONNX_DEVICES, Source, Task};
use crate::backend::onnx::{OnnxModel, Runtime};
use crate::contract::Contract;
use crate::pipeline::{Build, Pipeline, ReplicaContext};
use encoder::Encoder;
use endpoint::{Text2TextRequest, WrittenTexts};
use pipeline::Text2Text;
use source::Reader;

/// Any model with an encoder and a decoder.
pub const TASK: Task = Task {
    name: "text2text-generation",
    architecture_suffixes: &["ForConditionalGeneration"],
    shown_with: None,
    graphs: GRAPHS,
    load: |source| load(source, "text2text-generation"),
};

/// Recognised for the one architecture that does nothing else; `model.toml` names it for others.
pub const SUMMARIZATION: Task = Task {
    name: "summarization",
    architecture_suffixes: &["PegasusForConditionalGeneration"],
    shown_with: None,
    graphs: GRAPHS,
    load: |source| load(source, "summarization"),
};

pub const TRANSLATION: Task = Task {
    name: "translation",
    architecture_suffixes: &["MarianMTModel"],
    shown_with: None,
    graphs: GRAPHS,
    load: |source| load(source, "translation"),
};

/// As exporters write such models: both decoders in one graph, or one for the first step and one for the others.
const GRAPHS: Graphs = Graphs::Sets(&[
    &["decoder_model_merged.onnx", "encoder_model.onnx"],
    &[
        "decoder_with_past_model.onnx",
        "encoder_model.onnx",
        "decoder_model.onnx",
    ],
]);

/// The key of `config.json` for models whose positions end. `n_positions` of T5 is no end: its positions are
/// relative.
const POSITIONS: [&str; 1] = ["max_position_embeddings"];

fn load(source: &Source<'_>, task: &str) -> Result<Loaded, String> {
    let [encoder, first @ ..] = source.others.as_slice() else {
        return Err("encoder_model.onnx is missing".into());
    };
    let first: Option<&GraphFile> = first.first();
    encoder::check(&encoder.graph.signature)?;
    let layout = Layout::read(&source.graph.signature, first.map(|f| &f.graph.signature))?;
    if !layout.has_source() {
        return Err("the decoder takes no keys and values of the encoder; export the model with its cache".into());
    }
    let config = GenerationConfig::read(source.folder, task, &POSITIONS)?;
    let reader = Arc::new(Reader::new(FolderTokenizer::read(source.folder)?, config)?);
    let model = |path: &Path| OnnxModel::new(path.to_owned(), source.options);
    let encoder = Arc::new(model(&encoder.path));
    let decoder = Arc::new(DecoderFiles {
        first: first.map(|f| model(&f.path)),
        next: model(source.file),
        layout: Arc::new(layout),
    });
    let max_batch_size = source.max_batch_size;
    let builder = Builder::Onnx(Box::new(move |runtime: &Runtime| -> Arc<dyn Build> {
        let (runtime, reader) = (runtime.clone(), Arc::clone(&reader));
        let (encoder, decoder) = (Arc::clone(&encoder), Arc::clone(&decoder));
        Arc::new(move |context: &ReplicaContext| {
            let encoder = Encoder::new(encoder.session(&runtime, context)?, reader.pad())?;
            let decoder = decoder.open(&runtime, context)?;
            let pipeline = Text2Text::new(encoder, decoder, Arc::clone(&reader), max_batch_size);
            Ok(Box::new(pipeline) as Box<dyn Pipeline>)
        })
    }));
    let mut contract = Contract::typed::<Text2TextRequest, WrittenTexts>().with_examples(endpoint::examples(task));
    contract.streams = true;
    Ok(Loaded {
        contract,
        runs_on: ONNX_DEVICES,
        builder,
    })
}
