//! The tokens that texts are made of, held against those of the reference: answers tell texts alone, and bytes that are
//! no character have one text whatever they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::schedule::{self, Asked, Generator};
use super::writer::{Writer, Written};
use crate::backend::onnx::{Graph, OnnxOptions, Runtime, search_path};
use crate::device::Device;
use crate::error::Error;
use crate::models::{GraphFile, Graphs, Source, Task};
use crate::payload::{Output, Payload};
use crate::pipeline::{Batch, Interrupt, Pipeline, ReplicaContext, ReplyReceiver, Request, RequestState, Wake, unary};

/// Writes as the task does, and answers with the tokens of each text.
struct Told<G>(G);

impl<G: Generator> Generator for Told<G> {
    type Info = G::Info;
    type Text = G::Text;
    type Decoder = G::Decoder;

    fn read(&mut self, request: &mut Request) -> Result<Asked<G::Info, G::Text>, Error> {
        self.0.read(request)
    }

    fn length(text: &G::Text) -> usize {
        G::length(text)
    }

    fn begin(&mut self, texts: Vec<G::Text>) -> Vec<Result<Writer, Error>> {
        self.0.begin(texts)
    }

    fn decoder(&mut self) -> &mut G::Decoder {
        self.0.decoder()
    }

    fn tokenizer(&self) -> &Tokenizer {
        self.0.tokenizer()
    }

    fn interrupt(&self) -> Arc<dyn Interrupt> {
        self.0.interrupt()
    }

    fn answer(_: &G::Info, written: Vec<Written>) -> Result<Output, Error> {
        let ids: Vec<Vec<u32>> = written.into_iter().map(|w| w.ids).collect();
        Output::json(&ids)
    }
}

/// Holds the cases of a record that are for one model: alone, and in the company of all others of it. `open` makes the
/// task's pipeline, and `A` is the wire type of its requests.
pub fn hold<A, G>(
    record: &str,
    model: &str,
    task: &Task,
    open: impl Fn(&Source<'_>, &Runtime, &ReplicaContext) -> Result<G, Error>,
) where
    A: DeserializeOwned + Send + 'static,
    G: Generator + Pipeline,
{
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let cases = cases(&fixtures.join(record), model);
    assert!(cases.len() >= 20, "{model} has too few cases");
    let folder = fixtures.join("models").join(model);
    let files = files(&folder, task);
    let cache = tempfile::tempdir().unwrap();
    let context = ReplicaContext {
        model: model.into(),
        replica: 0,
        device: Device::Cpu,
        threads: 1,
        cache_dir: cache.path().to_owned(),
        wake: Wake::default(),
        store: None,
    };
    for most in [1, 7] {
        let mut generator = open(&source(&folder, &files, most), &runtime(), &context).unwrap();
        generator.compile().unwrap();
        let asked = cases.iter().map(|case| request::<A>(&case["request"]));
        let (requests, receivers): (Vec<Request>, Vec<ReplyReceiver>) = asked.unzip();
        schedule::run(&mut Told(generator), &mut Batch::new(requests), most);
        for (mut receiver, case) in receivers.into_iter().zip(&cases) {
            assert_eq!(answer(&mut receiver), case["ids"], "{most} at once: {case}");
        }
    }
}

fn cases(record: &Path, model: &str) -> Vec<Value> {
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    let all = record["cases"].as_array().unwrap().iter();
    all.filter(|case| case["model"] == model).cloned().collect()
}

/// The graphs of the folder, in the order in which the task names them.
fn files(folder: &Path, task: &Task) -> Vec<PathBuf> {
    let Graphs::Sets(sets) = task.graphs else {
        panic!("{} has one graph", task.name);
    };
    let whole = |set: &[&str]| set.iter().all(|file| folder.join(file).is_file());
    let set = sets.iter().find(|set| whole(set)).unwrap();
    set.iter().map(|file| folder.join(file)).collect()
}

fn source<'a>(folder: &'a Path, files: &'a [PathBuf], max_batch_size: usize) -> Source<'a> {
    let other = |path: &PathBuf| GraphFile {
        path: path.clone(),
        graph: Graph::read(path).unwrap(),
    };
    Source {
        folder,
        file: &files[0],
        graph: Graph::read(&files[0]).unwrap(),
        others: files[1..].iter().map(other).collect(),
        config: None,
        named: None,
        options: OnnxOptions::default(),
        max_batch_size,
    }
}

fn runtime() -> Runtime {
    let overridden = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Runtime::load(&search_path(overridden.as_deref(), None, here)).unwrap_or_else(|e| panic!("{e}"))
}

fn request<A: DeserializeOwned + Send + 'static>(asked: &Value) -> (Request, ReplyReceiver) {
    let asked: A = serde_json::from_value(asked.clone()).unwrap();
    let (reply, receiver) = unary(Instant::now());
    let state = RequestState::new(Payload::Typed(Box::new(asked)));
    (Request::new("test".into(), 1, state, reply), receiver)
}

fn answer(receiver: &mut ReplyReceiver) -> Value {
    match receiver.try_last().unwrap().result.unwrap() {
        Output::Json(ids) => serde_json::from_slice(&ids).unwrap(),
        _ => panic!("not JSON"),
    }
}
