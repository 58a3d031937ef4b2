//! How the requests of a contract are read: into a static type, as JSON, as tensors, or not at all.

use std::any::Any;

use super::Signature;
use crate::error::Error;
use crate::payload::Raw;

/// What a pipeline that reads bodies itself wants of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawForm {
    /// Hold the body against the schema; else any JSON will do.
    pub checked: bool,
    /// Any body will do, JSON or not.
    pub any: bool,
    /// Headers, media type and request id go with the body.
    pub told: bool,
}

pub(super) type Decode = fn(&[u8]) -> Result<Box<dyn Any + Send>, serde_json::Error>;
pub(super) type DecodeMedia = fn(Raw) -> Result<Box<dyn Any + Send>, Error>;

#[derive(Debug)]
pub(super) enum Form {
    /// A static type: bytes are decoded straight into it. Where its schema says more than the type can (bounds,
    /// lengths, patterns), the value is validated before.
    Typed {
        decode: Decode,
        constrained: bool,
        media: Option<DecodeMedia>,
    },
    /// Any JSON value that the schema allows.
    Json,
    /// The body goes on as it came, once it is known to be JSON that the schema allows.
    Raw(RawForm),
    /// Named tensors.
    Tensors(Signature),
}
