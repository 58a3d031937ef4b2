//! `hostler check` on folders exported from Hugging Face: the task of each and why it is that one, or which file or key
//! is missing.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::support::command;
use crate::task_support::{fixtures, serve};

const SAID: &str = "model.toml says so";
const IMAGES: &str = "image-classification";
const SENTENCES: &str = "modules.json shows a model of the sentence-transformers library";

/// Every folder of `tests/fixtures/models`, with its task and why.
const FOLDERS: [(&str, &str, &str); 21] = [
    ("feature_extraction", "feature-extraction", SENTENCES),
    ("feature_extraction_cls", "feature-extraction", SENTENCES),
    ("fill_mask", "fill-mask", "config.json names BertForMaskedLM"),
    ("fill_mask_bytes", "fill-mask", "config.json names RobertaForMaskedLM"),
    (
        "image_classification",
        IMAGES,
        "config.json names ViTForImageClassification",
    ),
    (
        "image_classification_convnext",
        IMAGES,
        "config.json names ConvNextForImageClassification",
    ),
    (
        "image_classification_resnet",
        IMAGES,
        "config.json names ResNetForImageClassification",
    ),
    (
        "question_answering",
        "question-answering",
        "config.json names DistilBertForQuestionAnswering",
    ),
    ("summarization", "summarization", SAID),
    (
        "text2text",
        "text2text-generation",
        "config.json names BartForConditionalGeneration",
    ),
    (
        "text_classification",
        "text-classification",
        "config.json names BertForSequenceClassification",
    ),
    (
        "text_classification_multi",
        "text-classification",
        "config.json names RobertaForSequenceClassification",
    ),
    (
        "text_generation",
        "text-generation",
        "config.json names LlamaForCausalLM",
    ),
    (
        "text_generation_merged",
        "text-generation",
        "config.json names GPT2LMHeadModel",
    ),
    (
        "text_generation_pair",
        "text-generation",
        "config.json names GPT2LMHeadModel",
    ),
    (
        "text_regression",
        "text-classification",
        "config.json names BertForSequenceClassification",
    ),
    (
        "token_classification",
        "token-classification",
        "config.json names BertForTokenClassification",
    ),
    (
        "token_classification_bytes",
        "token-classification",
        "config.json names RobertaForTokenClassification",
    ),
    ("translation", "translation", SAID),
    ("zero_shot", "zero-shot-classification", SAID),
    ("zero_shot_bytes", "zero-shot-classification", SAID),
];

fn check(models_dir: &Path, models: &[&str], arguments: &[&str]) -> Output {
    let here = tempfile::tempdir().unwrap();
    let entries: Vec<Value> = models.iter().map(|model| json!({"model": model})).collect();
    let mut command = command(here.path());
    command
        .env("SERVER_MODELS", Value::from(entries).to_string())
        .env("SERVER_MODELS_DIR", models_dir);
    command.arg("check").args(arguments).output().unwrap()
}

/// A folder named `model` that a test changes before it is looked at.
struct Folder {
    models_dir: tempfile::TempDir,
}

impl Folder {
    fn empty() -> Self {
        let models_dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(models_dir.path().join("model")).unwrap();
        Self { models_dir }
    }

    /// The files of a fixture.
    fn like(fixture: &str) -> Self {
        let folder = Self::empty();
        for entry in std::fs::read_dir(fixtures().join("models").join(fixture)).unwrap() {
            let file = entry.unwrap().path();
            if file.is_file() {
                std::fs::copy(&file, folder.file(file.file_name().unwrap().to_str().unwrap())).unwrap();
            }
        }
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.models_dir.path().join("model").join(name)
    }

    fn without(self, name: &str) -> Self {
        std::fs::remove_file(self.file(name)).unwrap();
        self
    }

    fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.file(name), text).unwrap();
        self
    }

    fn renamed(self, name: &str, other: &str) -> Self {
        std::fs::rename(self.file(name), self.file(other)).unwrap();
        self
    }

    /// Sets a key of `config.json`; `null` takes it away.
    fn config(self, key: &str, value: Value) -> Self {
        let mut config: Value = serde_json::from_slice(&std::fs::read(self.file("config.json")).unwrap()).unwrap();
        let keys = config.as_object_mut().unwrap();
        if value.is_null() {
            keys.remove(key);
        } else {
            keys.insert(key.to_owned(), value);
        }
        self.with("config.json", &config.to_string())
    }

    fn architecture(self, name: &str) -> Self {
        self.config("architectures", json!([name]))
    }

    /// What is told of it where it can be served: the sentence after the table.
    fn served(&self) -> String {
        let output = check(self.models_dir.path(), &["model"], &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        let sentence = told.lines().find_map(|line| line.strip_prefix("model: served as "));
        sentence.unwrap_or_else(|| panic!("no sentence in:\n{told}")).to_owned()
    }

    /// What is told of it where it cannot be served.
    fn refused(&self) -> String {
        let output = check(self.models_dir.path(), &["model"], &[]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        let told = String::from_utf8(output.stderr).unwrap();
        let sentence = told.trim_end().strip_prefix("model \"model\": ");
        sentence.unwrap_or_else(|| panic!("no sentence in:\n{told}")).to_owned()
    }
}

#[test]
fn the_task_of_every_folder_is_told_with_the_reason() {
    let models_dir = fixtures().join("models");
    let entries = std::fs::read_dir(&models_dir).unwrap();
    let mut here: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| models_dir.join(name).is_dir())
        .collect();
    here.sort();
    let names = FOLDERS.map(|(name, ..)| name);
    assert_eq!(here, names, "each folder has its line in FOLDERS");

    let output = check(&models_dir, &names, &[]);
    let told = String::from_utf8(output.stdout).unwrap();
    for (name, task, why) in FOLDERS {
        let line = format!("\n{name}: served as {task} because {why}.\n");
        assert!(told.contains(&line), "{line} is not in:\n{told}");
    }
    let output = check(&models_dir, &names, &["--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (model, (name, task, why)) in plan["models"].as_array().unwrap().iter().zip(FOLDERS) {
        assert_eq!(
            (&model["model"], &model["task"], &model["why"]),
            (&json!(name), &json!(task), &json!(why))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_docs_work_in_every_folder() {
    // A few folders to a server, so that not all are in memory at once.
    for some in FOLDERS.chunks(7) {
        let entries: Vec<Value> = some.iter().map(|(name, ..)| json!({"model": name})).collect();
        let server = serve(&Value::Array(entries)).await;
        let document = server.client.get("/openapi.json").await.ok();
        for (name, ..) in some {
            let path = format!("/{name}");
            let content = &document["paths"][&path]["post"]["requestBody"]["content"]["application/json"];
            let examples = content["examples"].as_object();
            let examples = examples.unwrap_or_else(|| panic!("{path} has no examples: {content}"));
            assert!(!examples.is_empty(), "{path} has no examples");
            for example in examples.values() {
                let answer = server.client.post(&path, &example["value"]).await;
                assert_eq!(answer.status, 200, "{path} {example}: {}", answer.text());
            }
        }
    }
}

#[test]
fn a_manifest_names_the_task_of_a_folder_that_shows_another() {
    let folder = Folder::like("zero_shot").without("model.toml");
    let told = folder.served();
    assert!(
        told.starts_with("text-classification because config.json names"),
        "{told}"
    );
    assert!(
        told.contains("task = \"zero-shot-classification\" in model.toml"),
        "{told}"
    );
    let folder = folder.with("model.toml", "task = \"tensor\"\n");
    assert_eq!(folder.served(), "tensor because model.toml says so.");
    let told = folder.with("model.toml", "task = \"fillmask\"\n").refused();
    assert!(
        told.contains("task \"fillmask\" is not known") && told.contains("fill-mask, "),
        "{told}"
    );
}

#[test]
fn a_manifest_may_name_the_languages_of_a_translation() {
    let folder = |task: &str| {
        Folder::like("translation")
            .config(
                "task_specific_params",
                json!({"translation_en_to_de": {}, "translation_en_to_fr": {}}),
            )
            .with("model.toml", &format!("task = \"{task}\"\n"))
    };
    for task in ["translation", "translation_en_to_fr"] {
        assert_eq!(
            folder(task).served(),
            "translation because model.toml says so.",
            "{task}"
        );
    }
    assert_eq!(
        folder("translation_en_to_ro").refused(),
        "as translation: config.json has no defaults for translation_en_to_ro; task_specific_params has \
         translation_en_to_de, translation_en_to_fr"
    );
}

#[test]
fn a_graph_of_no_known_task_is_served_by_its_tensors_and_what_hides_the_task_is_told() {
    let folder = || Folder::like("fill_mask");
    for (folder, why) in [
        (
            folder().without("config.json"),
            "config.json, which names the task, is missing beside tokenizer.json",
        ),
        (
            folder().config("architectures", Value::Null),
            "config.json has no architectures, which would show the task; task in model.toml can name it",
        ),
        (
            folder().architecture("BertForMultipleChoice"),
            "config.json names BertForMultipleChoice, which shows no known task; task in model.toml can name one",
        ),
        (
            folder().architecture("BertModel").without("tokenizer.json"),
            "config.json names BertModel, but tokenizer.json, which feature-extraction needs, is missing",
        ),
    ] {
        assert_eq!(folder.served(), format!("tensor because {why}."));
    }
}

#[test]
fn a_tokenizer_that_is_missing_is_told_by_every_task_on_texts() {
    let names = FOLDERS.map(|(name, task, _)| (name, task));
    for (name, task) in names.into_iter().filter(|(_, task)| *task != IMAGES) {
        assert_eq!(
            Folder::like(name).without("tokenizer.json").refused(),
            format!("as {task}: tokenizer.json is missing; save_pretrained of the model's fast tokenizer writes it")
        );
    }
}

#[test]
fn a_folder_of_marian_is_told_what_makes_its_tokenizer() {
    let folder = Folder::like("translation").without("model.toml");
    let folder = folder.architecture("MarianMTModel").without("tokenizer.json");
    let folder = folder
        .with("source.spm", "")
        .with("target.spm", "")
        .with("vocab.json", "{}");
    assert_eq!(
        folder.refused(),
        "as translation: tokenizer.json is missing; transformers has no fast tokenizer for MarianMT; \
         scripts/marian_tokenizer.py makes the file from source.spm and vocab.json"
    );
}

#[test]
fn graphs_that_are_missing_are_told_beside_those_that_are_there() {
    let cache = "export the model with its cache, as a task that ends in -with-past";
    for (folder, sentence) in [
        (
            Folder::like("text2text").without("encoder_model.onnx"),
            "as text2text-generation: encoder_model.onnx is missing beside decoder_with_past_model.onnx and \
             decoder_model.onnx"
                .to_owned(),
        ),
        (
            Folder::like("summarization").without("encoder_model.onnx"),
            "as summarization: encoder_model.onnx is missing beside decoder_model_merged.onnx".to_owned(),
        ),
        (
            Folder::like("summarization").without("decoder_model_merged.onnx"),
            "as summarization: decoder_model_merged.onnx is missing beside encoder_model.onnx".to_owned(),
        ),
        (
            Folder::like("text2text").without("decoder_with_past_model.onnx"),
            format!(
                "as text2text-generation: decoder_with_past_model.onnx is missing beside encoder_model.onnx and \
                 decoder_model.onnx; {cache}"
            ),
        ),
        (
            Folder::like("text_generation_pair").without("decoder_with_past_model.onnx"),
            format!("as text-generation: decoder_with_past_model.onnx is missing beside decoder_model.onnx; {cache}"),
        ),
        (
            Folder::like("text_generation_pair")
                .without("decoder_with_past_model.onnx")
                .renamed("decoder_model.onnx", "model.onnx"),
            format!("as text-generation: the graph takes no past_key_values; {cache}"),
        ),
    ] {
        assert_eq!(folder.refused(), sentence);
    }
}

#[test]
fn without_a_graph_the_folders_files_and_a_remedy_are_told() {
    let told = Folder::empty().refused();
    assert_eq!(
        told,
        "no model.onnx and no onnx/model.onnx in the folder, which holds nothing"
    );
    let weights = Folder::like("fill_mask")
        .without("model.onnx")
        .with("model.safetensors", "");
    let told = weights.refused();
    assert!(
        told.starts_with("as fill-mask: no model.onnx and no onnx/model.onnx in the folder, which holds config.json, "),
        "{told}"
    );
    assert!(
        told.ends_with("; model.safetensors is no graph, and optimum-cli export onnx makes one of it"),
        "{told}"
    );
    for fixture in ["fill_mask", "text_generation"] {
        let told = Folder::like(fixture)
            .renamed("model.onnx", "model_quantized.onnx")
            .refused();
        assert!(
            told.ends_with("; if model_quantized.onnx is the graph, name it as file in model.toml"),
            "{told}"
        );
    }
    let told = Folder::like("text_generation_pair").without("config.json").refused();
    assert!(
        told.ends_with(
            "; no task is recognised because config.json, which names the task, is missing beside tokenizer.json"
        ),
        "{told}"
    );
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    assert_eq!(
        Folder::like("fill_mask").with("model.onnx", pointer).refused(),
        "model.onnx is not an ONNX model: it is a pointer of Git LFS; git lfs pull fetches the file"
    );
}

#[test]
fn keys_and_outputs_that_are_missing_are_told() {
    let start = Folder::like("text2text")
        .config("decoder_start_token_id", Value::Null)
        .config("bos_token_id", Value::Null)
        .without("generation_config.json");
    for (folder, sentence) in [
        (
            start,
            "as text2text-generation: generation_config.json and config.json name no decoder_start_token_id",
        ),
        (
            Folder::like("text_classification").with("model.toml", "task = \"zero-shot-classification\"\n"),
            "as zero-shot-classification: config.json has no label that begins with entail in label2id; its labels are \
             anger, joy, sadness, surprise, trust",
        ),
        (
            Folder::like("text_generation").with("model.toml", "task = \"fill-mask\"\n"),
            "as fill-mask: tokenizer_config.json names no mask_token",
        ),
        (
            Folder::like("image_classification").without("preprocessor_config.json"),
            "as image-classification: preprocessor_config.json is missing; save_pretrained of the model's image processor \
             writes it",
        ),
        (
            Folder::like("image_classification").with("preprocessor_config.json", "{\"size\": \"large\"}"),
            "as image-classification: size of preprocessor_config.json is \"large\", expected a number, or height and \
             width, shortest_edge or longest_edge",
        ),
        (
            Folder::like("fill_mask").architecture("BertForQuestionAnswering"),
            "as question-answering: the graph has no output start_logits; its outputs are logits",
        ),
    ] {
        assert_eq!(folder.refused(), sentence);
    }
}
