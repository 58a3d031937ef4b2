//! The contract of a model: what it takes, what it gives, and how bytes become its input.
//!
//! Every protocol, the docs, the validator and the dashboard read it. A leaf: knows no model, no pipeline and
//! no protocol; a decoder that a static type brings is called through a plain function.

mod codec;
mod form;
mod media;
mod schema;
mod signature;
mod tensor_json;
mod tensor_raw;
mod tensor_schema;

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;

pub use codec::parse_json;
pub use form::RawForm;
pub use media::{Bodies, FromMedia, essence};
pub use schema::Schema;
pub use signature::{Dim, Signature, TensorSpec};
pub use tensor_json::fields as tensors_as_json;

use form::{Decode, DecodeMedia, Form};

/// One example of a request, shown in the docs and sent by "Try it out".
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub summary: String,
    pub request: Value,
}

/// What a model takes and gives.
#[derive(Debug)]
pub struct Contract {
    pub input: Schema,
    pub output: Schema,
    /// Whether answers can come in pieces (`Accept: text/event-stream`, WebSocket).
    pub streams: bool,
    /// Media types, beside JSON, that an answer may be asked for with `Accept`.
    pub media: Vec<String>,
    /// Bodies, beside JSON, that a request may come in.
    pub bodies: Bodies,
    pub examples: Vec<Example>,
    form: Form,
}

/// How requests of an endpoint are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// At once, before the work is done, which then waits behind interactive requests.
    pub background: bool,
    /// With a head of the pipeline's own, that may come before the body is whole.
    pub shaped: bool,
    /// Verbs taken, in capitals; requests with another than POST may come without a body.
    pub verbs: Vec<String>,
}

impl Default for Manner {
    /// `POST`, answered with the result.
    fn default() -> Self {
        Self {
            background: false,
            shaped: false,
            verbs: vec!["POST".to_owned()],
        }
    }
}

/// The media type of raw bytes.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// Raw bytes as a model's only input.
const RAW_TENSOR: Bodies = Bodies {
    media: &[OCTET_STREAM],
    about: "The little-endian elements of the only input in C order. The batch axis is one; one further dynamic axis \
            follows from the length.",
};

impl Contract {
    fn new(input: Schema, output: Schema, form: Form) -> Self {
        Self {
            input,
            output,
            streams: false,
            media: Vec::new(),
            bodies: Bodies::default(),
            examples: Vec::new(),
            form,
        }
    }

    /// A contract of static types; `I` is what the pipeline finds in [`Payload::Typed`](crate::Payload::Typed).
    pub fn typed<I, O>() -> Self
    where
        I: DeserializeOwned + ToSchema + Send + 'static,
        O: Serialize + ToSchema,
    {
        let decode: Decode = |body| serde_json::from_slice::<I>(body).map(|v| Box::new(v) as Box<dyn Any + Send>);
        let input = Schema::of::<I>();
        let constrained = input.is_constrained();
        let form = Form::Typed {
            decode,
            constrained,
            media: None,
        };
        Self::new(input, Schema::of::<O>(), form)
    }

    /// The same contract of a static type, whose input may come in bodies of other media types, too.
    #[must_use]
    pub fn with_media<I: FromMedia + Send + 'static>(mut self) -> Self {
        if let Form::Typed { media, .. } = &mut self.form {
            let read: DecodeMedia = |raw| I::from_media(raw).map(|v| Box::new(v) as Box<dyn Any + Send>);
            *media = Some(read);
            self.bodies = Bodies {
                media: I::MEDIA,
                about: I::ABOUT,
            };
        }
        self
    }

    /// As [`Contract::typed`], for answers that come in pieces of `O`; together they are a list.
    pub fn typed_stream<I, O>() -> Self
    where
        I: DeserializeOwned + ToSchema + Send + 'static,
        O: Serialize + ToSchema,
    {
        let mut contract = Self::typed::<I, O>();
        let pieces = std::mem::replace(&mut contract.output, Schema::any());
        contract.output = Schema::new(json!({"type": "array", "items": pieces.root}), pieces.components);
        contract.streams = true;
        contract
    }

    /// A contract of JSON Schemas known only at run time.
    pub fn json(input: Schema, output: Schema) -> Self {
        Self::new(input, output, Form::Json)
    }

    /// A contract whose pipeline reads the body itself and finds it in [`Payload::Raw`](crate::Payload::Raw).
    pub fn raw(input: Schema, output: Schema, form: RawForm) -> Self {
        Self::new(input, output, Form::Raw(form))
    }

    /// The same contract for a pipeline in another process, which decodes the body once more: values of a static
    /// type go no further than this one.
    #[must_use]
    pub fn forwarded(mut self) -> Self {
        if let Form::Typed { .. } = self.form {
            self.form = Form::Raw(RawForm {
                checked: true,
                ..RawForm::default()
            });
        }
        self
    }

    /// What the pipeline wants of bodies it reads itself.
    const fn raw_form(&self) -> Option<RawForm> {
        match self.form {
            Form::Raw(form) => Some(form),
            Form::Typed { .. } | Form::Json | Form::Tensors(_) => None,
        }
    }

    /// Whether the pipeline looks at media types itself: bodies of every one go on as they came.
    pub fn reads_media(&self) -> bool {
        self.raw_form().is_some_and(|form| form.any || form.told)
    }

    /// Whether the pipeline reads what a request says beside its body.
    pub fn reads_about(&self) -> bool {
        self.raw_form().is_some_and(|form| form.told)
    }

    /// The contract of a tensor model.
    pub fn tensors(signature: Signature) -> Self {
        let optional_batch_axis = signature.optional_batch_axis();
        let input = tensor_schema::object_of(&signature.inputs, optional_batch_axis);
        let results = tensor_schema::object_of(&signature.outputs, optional_batch_axis);
        let output = json!({"type": "object", "required": ["results"], "properties": {"results": results}});
        let one_input = signature.inputs.len() == 1;
        let [input, output] = [input, output].map(|schema| Schema::new(schema, Vec::new()));
        let mut contract = Self::new(input, output, Form::Tensors(signature));
        contract.media = vec![OCTET_STREAM.to_owned()];
        if one_input {
            contract.bodies = RAW_TENSOR;
        }
        contract
    }

    #[must_use]
    pub fn with_examples(mut self, examples: Vec<Example>) -> Self {
        self.examples = examples;
        self
    }

    /// The tensor signature, for models that have one.
    pub const fn signature(&self) -> Option<&Signature> {
        match &self.form {
            Form::Tensors(signature) => Some(signature),
            Form::Typed { .. } | Form::Json | Form::Raw(_) => None,
        }
    }
}
