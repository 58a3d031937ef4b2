//! The models that are measured, and requests for them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use crate::onnx;
use crate::setup::Setup;

/// A model with one f32 input.
#[derive(Clone, Copy)]
pub struct Model {
    pub name: &'static str,
    pub input: &'static str,
    /// Of one row, the batch axis included.
    pub shape: &'static [usize],
    graph: fn() -> Vec<u8>,
}

/// So small that all time is the server's.
pub const TINY: Model = Model {
    name: "tiny",
    input: "x",
    shape: &[1, 64],
    graph: || onnx::mlp(&[64, 128, 10], 1),
};

/// Milliseconds of work a row, which batching makes much cheaper.
pub const COMPUTE: Model = Model {
    name: "compute",
    input: "x",
    shape: &[1, 768],
    graph: || onnx::mlp(&[768, 1024, 1024, 1024, 768], 2),
};

/// A large body.
pub const IMAGE: Model = Model {
    name: "image",
    input: "image",
    shape: &[1, 3, 224, 224],
    graph: onnx::image_pool,
};

/// 100.7 MB of weights.
pub const LARGE: Model = Model {
    name: "large",
    input: "x",
    shape: &[1, 1024],
    graph: || onnx::mlp(&[1024, 4096, 4096, 1024], 3),
};

impl Model {
    /// Writes the model's folder under `models`; returns the path of its graph.
    pub fn write(&self, models: &Path) -> Result<PathBuf> {
        let folder = models.join(self.name);
        fs::create_dir_all(&folder)?;
        let file = folder.join("model.onnx");
        fs::write(&file, (self.graph)())?;
        Ok(file)
    }

    /// One row of random values in 0..1.
    pub fn row(&self) -> Vec<f32> {
        random_values(self.shape)
    }
}

/// As many random values in 0..1 as the shape has.
pub fn random_values(shape: &[usize]) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(11);
    (0..shape.iter().product()).map(|_| random.f32()).collect()
}

/// How a row is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Raw,
}

impl Form {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Raw => "raw bytes",
        }
    }
}

/// A request's body, in a file for the load generator.
pub struct Body {
    pub file: PathBuf,
    /// Whether each line of the file is a body of its own, of which one is drawn for each request.
    pub lines: bool,
    pub content_type: &'static str,
    /// What the answer may be.
    pub accept: &'static str,
    /// The mean, where there are several.
    pub bytes: usize,
}

impl Body {
    /// The body `bytes`, in a file called `name`; the answer is to be of the same kind.
    pub fn of(setup: &Setup, name: &str, content_type: &'static str, bytes: &[u8]) -> Result<Self> {
        let file = setup.subfolder("bodies")?.join(name);
        fs::write(&file, bytes)?;
        Ok(Self {
            file,
            lines: false,
            content_type,
            accept: content_type,
            bytes: bytes.len(),
        })
    }

    /// Requests of several kinds, of which the generator draws: `name.jsonl`, one a line.
    pub fn lines(setup: &Setup, name: &str, requests: &[Value]) -> Result<Self> {
        let mut text = String::new();
        for request in requests {
            // JSON has no line feed outside of strings, where it is escaped.
            text.extend([&request.to_string(), "\n"]);
        }
        let file = setup.subfolder("bodies")?.join(format!("{name}.jsonl"));
        fs::write(&file, &text)?;
        Ok(Self {
            file,
            lines: true,
            content_type: "application/json",
            accept: "application/json",
            bytes: text.len() / requests.len().max(1),
        })
    }

    pub fn write(setup: &Setup, model: &Model, form: Form) -> Result<Self> {
        let row = model.row();
        let (content_type, body) = match form {
            Form::Json => ("application/json", json(model, &row).into_bytes()),
            Form::Raw => (
                "application/octet-stream",
                row.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
        };
        let file = setup.subfolder("bodies")?.join(format!("{}-{form:?}", model.name));
        fs::write(&file, &body)?;
        Ok(Self {
            file,
            lines: false,
            content_type,
            accept: "*/*",
            bytes: body.len(),
        })
    }
}

fn json(model: &Model, row: &[f32]) -> String {
    let mut text = format!("{{\"{}\":", model.input);
    nested(model.shape, row, &mut text);
    text.push('}');
    text
}

/// Nested lists of the shape. Each number has the shortest text that reads back the same.
fn nested(shape: &[usize], values: &[f32], text: &mut String) {
    text.push('[');
    let step = values.len() / shape[0];
    for (i, part) in values.chunks(step).enumerate() {
        if i > 0 {
            text.push(',');
        }
        match (&shape[1..], part) {
            ([], [value]) => {
                // Writing to a string does not fail.
                let _ = write!(text, "{value}");
            }
            (inner, part) => nested(inner, part, text),
        }
    }
    text.push(']');
}
