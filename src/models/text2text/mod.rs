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
use crate::error::Error;
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
    load: |source| load(source, source.named.unwrap_or("translation")),
};

/// Whether a name is that of a translation between two languages, `translation_en_to_de` for one: models of several
/// languages have defaults for each pair.
pub fn is_pair(task: &str) -> bool {
    let parts: Vec<&str> = task.split('_').collect();
    matches!(parts.as_slice(), ["translation", from, "to", into] if !from.is_empty() && !into.is_empty())
}

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
    let model = Arc::new(Model::read(source, task)?);
    let builder = Builder::Onnx(Box::new(move |runtime: &Runtime| -> Arc<dyn Build> {
        let (runtime, model) = (runtime.clone(), Arc::clone(&model));
        Arc::new(move |context: &ReplicaContext| {
            let pipeline = model.open(&runtime, context)?;
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

/// What the folder holds, shared by the replicas.
struct Model {
    encoder: OnnxModel,
    decoder: DecoderFiles,
    reader: Arc<Reader>,
    max_batch_size: usize,
}

impl Model {
    fn read(source: &Source<'_>, task: &str) -> Result<Self, String> {
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
        let reader = Reader::new(FolderTokenizer::read(source.folder)?, config)?;
        let model = |path: &Path| OnnxModel::new(path.to_owned(), source.options);
        Ok(Self {
            encoder: model(&encoder.path),
            decoder: DecoderFiles {
                first: first.map(|f| model(&f.path)),
                next: model(source.file),
                layout: Arc::new(layout),
            },
            reader: Arc::new(reader),
            max_batch_size: source.max_batch_size,
        })
    }

    fn open(&self, runtime: &Runtime, context: &ReplicaContext) -> Result<Text2Text, Error> {
        let encoder = Encoder::new(self.encoder.session(runtime, context)?, self.reader.pad())?;
        let decoder = self.decoder.open(runtime, context)?;
        Ok(Text2Text::new(
            encoder,
            decoder,
            Arc::clone(&self.reader),
            self.max_batch_size,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::by_name;
    use super::super::generation::recorded::hold;
    use super::*;

    #[test]
    fn a_translation_may_name_its_languages() {
        let task = |name: &str| by_name(name).map(|task| task.name);
        for name in ["translation", "translation_en_to_de"] {
            assert_eq!(task(name), Some("translation"));
        }
        for name in [
            "translation_en_to",
            "translation_en_to_",
            "translation_en_de",
            "summarization_en_to_de",
        ] {
            assert_eq!(task(name), None, "{name}");
        }
    }

    #[test]
    fn tokens_are_those_of_the_reference_alone_and_in_company_in_every_layout() {
        for (model, task) in [
            ("text2text", TASK),
            ("summarization", SUMMARIZATION),
            ("translation", TRANSLATION),
        ] {
            hold::<Text2TextRequest, _>("text2text.json", model, &task, |source, runtime, context| {
                Model::read(source, task.name).unwrap().open(runtime, context)
            });
        }
    }
}
