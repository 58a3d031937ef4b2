use super::*;

fn folder(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::write(dir.path().join(file), b"x").unwrap();
    }
    dir
}

fn config(architecture: &str) -> HfConfig {
    HfConfig {
        architectures: vec![architecture.into()],
        ..HfConfig::default()
    }
}

#[test]
fn a_task_is_named_by_manifest_else_architecture_else_none() {
    let dir = folder(&["model.onnx"]);
    let name = |manifest: &Manifest, config: Option<&HfConfig>| {
        recognise(dir.path(), manifest, config)
            .map(|r| (r.name(), r.why))
            .unwrap()
    };
    let silent = Manifest::default();
    assert_eq!(name(&silent, None), ("tensor", task::BARE.to_owned()));
    let (task, why) = name(&silent, Some(&config("RobertaForQuestionAnswering")));
    assert_eq!(task, "question-answering");
    assert_eq!(why, "config.json names RobertaForQuestionAnswering");
    let (task, why) = name(&silent, Some(&config("BertModel")));
    assert_eq!(task, "tensor");
    assert_eq!(
        why,
        "config.json names BertModel, but tokenizer.json, which feature-extraction needs, is missing"
    );
    assert_eq!(
        name(&silent, Some(&config("BertForSequenceClassification"))).0,
        "text-classification"
    );
    assert_eq!(
        name(&silent, Some(&config("DeiTForImageClassificationWithTeacher"))).0,
        "image-classification"
    );
    let judge = HfConfig {
        label2id: [("entailment".to_owned(), 0.into())].into(),
        ..config("BertForSequenceClassification")
    };
    assert!(name(&silent, Some(&judge)).1.contains("zero-shot-classification"));
    std::fs::write(dir.path().join("tokenizer.json"), b"{}").unwrap();
    let (task, why) = name(&silent, None);
    assert_eq!(task, "tensor");
    assert!(why.contains("config.json") && why.contains("missing"), "{why}");
    assert_eq!(name(&silent, Some(&config("BertModel"))).0, "feature-extraction");
    std::fs::write(dir.path().join("modules.json"), b"[]").unwrap();
    assert_eq!(name(&silent, None).0, "feature-extraction");
    let forced = Manifest {
        task: Some("tensor".into()),
        ..Manifest::default()
    };
    assert_eq!(name(&forced, Some(&config("RobertaForQuestionAnswering"))).0, "tensor");
}

#[test]
fn what_is_missing_is_told_with_what_is_there() {
    let dir = folder(&["weights.bin"]);
    let told = recognise(dir.path(), &Manifest::default(), None).err().unwrap();
    assert!(told.contains("no model.onnx") && told.contains("weights.bin"), "{told}");
    let dir = folder(&["model.onnx"]);
    let manifest = Manifest {
        task: Some("poetry".into()),
        ..Manifest::default()
    };
    let told = recognise(dir.path(), &manifest, None).err().unwrap();
    assert!(
        told.contains("question-answering") && told.ends_with("tensor"),
        "{told}"
    );
}

#[test]
fn the_first_set_of_graphs_that_is_whole_is_taken() {
    let found = |files: &[&str], architecture: &str| {
        let dir = folder(files);
        let names = |r: Recognised| {
            let all = std::iter::once(r.file).chain(r.others);
            all.map(|f| f.file_name().unwrap().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        recognise(dir.path(), &Manifest::default(), Some(&config(architecture))).map(names)
    };
    let pair = ["decoder_model.onnx", "decoder_with_past_model.onnx"];
    let all = [&pair[..], &["encoder_model.onnx", "decoder_model_merged.onnx"]].concat();
    assert_eq!(found(&["model.onnx"], "GPT2LMHeadModel").unwrap(), ["model.onnx"]);
    assert_eq!(
        found(&pair, "LlamaForCausalLM").unwrap(),
        ["decoder_with_past_model.onnx", "decoder_model.onnx"]
    );
    assert_eq!(
        found(&all, "T5ForConditionalGeneration").unwrap(),
        ["decoder_model_merged.onnx", "encoder_model.onnx"]
    );
    let told = found(&pair, "T5ForConditionalGeneration").unwrap_err();
    assert_eq!(
        told,
        "as text2text-generation: encoder_model.onnx is missing beside decoder_with_past_model.onnx and \
         decoder_model.onnx"
    );
    let told = found(&["encoder_model.onnx", "decoder_model.onnx"], "MarianMTModel").unwrap_err();
    assert!(
        told.contains("decoder_with_past_model.onnx is missing") && told.ends_with("-with-past"),
        "{told}"
    );
    let told = found(&[], "T5ForConditionalGeneration").unwrap_err();
    assert!(
        told.contains("it needs decoder_model_merged.onnx with encoder_model.onnx, or "),
        "{told}"
    );
    assert!(told.ends_with("holds nothing"), "{told}");
}

#[test]
fn weights_and_graphs_of_other_names_are_told_with_what_to_do() {
    let told = |files: &[&str]| {
        let dir = folder(files);
        recognise(dir.path(), &Manifest::default(), Some(&config("GPT2LMHeadModel")))
            .err()
            .unwrap()
    };
    let weights = told(&["model.safetensors"]);
    assert!(
        weights.contains("model.safetensors is no graph, and optimum-cli"),
        "{weights}"
    );
    let quantized = told(&["model_quantized.onnx"]);
    assert!(quantized.ends_with("name it as file in model.toml"), "{quantized}");
}

#[test]
fn several_graphs_may_stand_in_the_sub_folder() {
    let dir = folder(&[]);
    std::fs::create_dir(dir.path().join("onnx")).unwrap();
    std::fs::write(dir.path().join("onnx/decoder_model_merged.onnx"), b"x").unwrap();
    let found = recognise(dir.path(), &Manifest::default(), Some(&config("OPTForCausalLM"))).unwrap();
    assert!(found.file.ends_with("onnx/decoder_model_merged.onnx") && found.others.is_empty());
    let manifest = Manifest {
        task: Some("summarization".into()),
        file: Some("model.onnx".into()),
        ..Manifest::default()
    };
    let told = recognise(dir.path(), &manifest, None).err().unwrap();
    assert!(told.contains("takes several"), "{told}");
}
