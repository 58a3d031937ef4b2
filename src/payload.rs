//! What travels to a pipeline and back: an input, an output, a chunk of a stream.
//!
//! A leaf: knows no protocol and no model.

mod files;
mod raw;

use std::any::Any;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

pub use files::{FileOutput, Files};
pub use raw::{About, Raw};

use crate::error::Error;
use crate::tensor::Tensor;

/// The input of one request, decoded against its contract.
pub enum Payload {
    /// A value of the contract's own Rust type.
    Typed(Box<dyn Any + Send>),
    /// Any JSON value the contract's schema allows.
    Json(Value),
    /// One tensor per input of the signature, in its order.
    Tensors(Tensors),
    /// The body as it was sent, for a pipeline that reads it itself.
    Raw(Raw),
}

/// The tensors of one request.
#[derive(Clone, Debug)]
pub struct Tensors {
    pub tensors: Vec<Tensor>,
    /// The client left the batch axis out: it was added on the way in and is taken away on the way out.
    pub implicit_batch: bool,
}

impl Payload {
    /// How many rows of a batch the request takes up. At least one.
    pub fn rows(&self) -> usize {
        match self {
            Self::Tensors(t) => t.tensors.first().map_or(1, Tensor::rows).max(1),
            Self::Typed(_) | Self::Json(_) | Self::Raw(_) => 1,
        }
    }

    /// The value of a typed contract.
    ///
    /// # Errors
    /// When the payload is of another type: the pipeline and its contract disagree.
    pub fn into_typed<T: 'static>(self) -> Result<T, Error> {
        match self {
            Self::Typed(value) => value.downcast::<T>().map(|b| *b).map_err(|_| mismatch()),
            Self::Json(_) | Self::Tensors(_) | Self::Raw(_) => Err(mismatch()),
        }
    }

    /// The tensors of a tensor contract.
    ///
    /// # Errors
    /// When the payload is of another form.
    pub fn into_tensors(self) -> Result<Tensors, Error> {
        match self {
            Self::Tensors(tensors) => Ok(tensors),
            Self::Typed(_) | Self::Json(_) | Self::Raw(_) => Err(mismatch()),
        }
    }

    /// The JSON value of an untyped contract.
    ///
    /// # Errors
    /// When the payload is of another form.
    pub fn into_json(self) -> Result<Value, Error> {
        match self {
            Self::Json(value) => Ok(value),
            Self::Typed(_) | Self::Tensors(_) | Self::Raw(_) => Err(mismatch()),
        }
    }
}

fn mismatch() -> Error {
    Error::pipeline("the pipeline expects another input type than its contract declares")
}

/// The final answer of one request.
#[derive(Clone, Debug)]
pub enum Output {
    /// A JSON document, already written out.
    Json(Bytes),
    /// One tensor per output of the signature, in its order.
    Tensors(Vec<Tensor>),
    /// A file or other artefact with its media type.
    Media { content_type: String, bytes: Bytes },
    /// Files with names, alone or in a JSON document.
    Files(Files),
    /// A whole response as the pipeline's author shaped it.
    Response { head: ResponseHead, body: Bytes },
    /// Nothing but the chunks that were emitted before.
    Chunks,
}

/// Status, headers and media type an author gave to a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// An HTTP status.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub media: Option<String>,
}

impl Output {
    /// Writes a value out as JSON.
    ///
    /// # Errors
    /// When the value cannot be JSON (a map with keys that are no strings, for one).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        serde_json::to_vec(value)
            .map(|text| Self::Json(text.into()))
            .map_err(|e| Error::pipeline(format!("the answer cannot be written as JSON: {e}")))
    }
}

/// A piece of a streamed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// A JSON value, already written out; one event of an event stream.
    Json(Bytes),
    /// Raw bytes of a chunked body.
    Bytes(Bytes),
    /// Before the first piece of a response with a head of its own.
    Head(Box<ResponseHead>),
    /// How far the work is, as a JSON value; no part of the answer, and dropped where nobody looks at it.
    Progress(Bytes),
}

impl Chunk {
    /// Writes a value out as a JSON chunk.
    ///
    /// # Errors
    /// As [`Output::json`].
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        match Output::json(value)? {
            Output::Json(text) => Ok(Self::Json(text)),
            _ => unreachable!("json() writes JSON"),
        }
    }
}

/// A stream read by a client that wants one answer: the final output, else the chunks as one list or body.
pub fn whole(output: Output, chunks: &[Chunk]) -> Output {
    if !matches!(output, Output::Chunks) {
        return output;
    }
    let (mut head, mut pieces, mut all_json) = (None, Vec::with_capacity(chunks.len()), true);
    for chunk in chunks {
        match chunk {
            Chunk::Head(told) => head = Some(ResponseHead::clone(told)),
            Chunk::Json(bytes) => pieces.push(bytes.as_ref()),
            Chunk::Bytes(bytes) => {
                all_json = false;
                pieces.push(bytes.as_ref());
            }
            Chunk::Progress(_) => {}
        }
    }
    if let Some(head) = head {
        let body = pieces.concat().into();
        return Output::Response { head, body };
    }
    if all_json {
        return Output::Json([&b"["[..], &pieces.join(&b","[..]), b"]"].concat().into());
    }
    Output::Media {
        content_type: crate::contract::OCTET_STREAM.to_owned(),
        bytes: pieces.concat().into(),
    }
}
