//! The JSON objects of the wire.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::tensor::DType;

/// The first message to a child: what it is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub version: u32,
    pub model: String,
    pub replica: usize,
    pub folder: PathBuf,
    pub dialect: String,
    pub device: String,
    pub threads: usize,
    pub cache_dir: PathBuf,
    pub max_batch_size: usize,
    /// Calls that may be under way at once.
    pub window: usize,
    /// What only children of one kind read.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub options: serde_json::Value,
}

/// What comes with a call, beside its body.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallMeta<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    pub handler: usize,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_false")]
    pub stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub query: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensors: Option<Vec<Placed>>,
}

impl CallMeta<'_> {
    /// Whether there is anything to tell.
    pub fn is_plain(&self) -> bool {
        self.handler == 0
            && self.id.is_none()
            && !self.stream
            && self.headers.is_empty()
            && self.content_type.is_none()
            && self.query.is_none()
            && self.accept.is_empty()
            && self.tensors.is_none()
    }
}

/// A tensor, and where its bytes lie: in the body, or in the slot's memory where the frame says so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Placed {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub offset: u64,
    pub size: usize,
}

/// What a child says of itself when it is loaded.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Loaded {
    pub version: u32,
}

/// Why a child could not be loaded or compiled.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Failed {
    pub message: String,
}

/// What comes with an answer; none of it when the body is plain JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerMeta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensors: Option<Vec<Placed>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<PlacedFile>>,
    /// The end of a stream.
    #[serde(skip_serializing_if = "is_false")]
    pub chunks: bool,
}

/// A file of an answer. Its bytes stand behind the JSON document and the files before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlacedFile {
    pub name: String,
    pub media: String,
    pub size: usize,
    /// Offsets in the document that it belongs at.
    pub at: Vec<usize>,
}

/// A fault told over the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireError {
    pub kind: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<WireFault>,
}

/// One fault of an input; a path may hold places in lists as numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireFault {
    #[serde(default)]
    pub loc: Vec<serde_json::Value>,
    pub msg: String,
    #[serde(rename = "type", default)]
    pub kind: String,
}

impl From<WireFault> for Fault {
    fn from(fault: WireFault) -> Self {
        let place = |step: serde_json::Value| match step {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let kind = if fault.kind.is_empty() {
            Cow::Borrowed("value")
        } else {
            Cow::Owned(fault.kind)
        };
        Self {
            loc: fault.loc.into_iter().map(place).collect(),
            msg: fault.msg,
            kind,
        }
    }
}

/// What a child asks of the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum StoreMeta {
    Get {
        key: String,
    },
    /// The body is the value.
    Set {
        key: String,
        form: Form,
        /// In seconds.
        ttl: Option<f64>,
    },
    Delete {
        key: String,
    },
    Increment {
        key: String,
        by: i64,
    },
    /// The body is what the key must hold, then what it is to hold; absent forms stand for no such key.
    CompareAndSet {
        key: String,
        expected: Option<Form>,
        #[serde(default)]
        expected_size: usize,
        form: Option<Form>,
        /// In seconds.
        ttl: Option<f64>,
    },
}

/// How a value of the store is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Json,
    Bytes,
}

/// What comes with the store's answer; none of it when there is nothing to tell, or a result in the body.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredMeta {
    /// The body is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
}

/// What comes with a chunk; none of it when the body is a JSON value.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChunkMeta {
    #[serde(skip_serializing_if = "is_false")]
    pub bytes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadMeta>,
    /// A report of progress, and no part of the answer.
    #[serde(skip_serializing_if = "is_false")]
    pub progress: bool,
}

/// The head of a response that is streamed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeadMeta {
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
    pub media: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde wants")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde wants")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}
