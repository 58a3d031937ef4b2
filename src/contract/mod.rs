//! The contract of a model: what it takes, what it gives, and how bytes become its input.
//!
//! Every protocol, the docs, the validator and the dashboard read it. A leaf: knows no model, no pipeline and
//! no protocol; a decoder that a static type brings is called through a plain function.

mod media;
mod schema;
mod signature;
mod tensor_json;
mod tensor_raw;

use std::any::Any;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;

pub use media::{Bodies, FromMedia, essence};
pub use schema::Schema;
pub use signature::{Dim, Signature, TensorSpec};
pub use tensor_json::fields as tensors_as_json;

use crate::error::{Error, Fault};
use crate::payload::{Output, Payload, Raw};

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

type Decode = fn(&[u8]) -> Result<Box<dyn Any + Send>, serde_json::Error>;
type DecodeMedia = fn(Raw) -> Result<Box<dyn Any + Send>, Error>;

#[derive(Debug)]
enum Form {
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

    /// A contract of static types; `I` is what the pipeline finds in [`Payload::Typed`].
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

    /// A contract whose pipeline reads the body itself and finds it in [`Payload::Raw`].
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
    pub const fn raw_form(&self) -> Option<RawForm> {
        match self.form {
            Form::Raw(form) => Some(form),
            Form::Typed { .. } | Form::Json | Form::Tensors(_) => None,
        }
    }

    /// The contract of a tensor model.
    pub fn tensors(signature: Signature) -> Self {
        let input = Schema::new(
            tensor_schema(&signature.inputs, signature.optional_batch_axis()),
            Vec::new(),
        );
        let results = tensor_schema(&signature.outputs, signature.optional_batch_axis());
        let output = json!({"type": "object", "required": ["results"], "properties": {"results": results}});
        let one_input = signature.inputs.len() == 1;
        let mut contract = Self::new(input, Schema::new(output, Vec::new()), Form::Tensors(signature));
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

    /// Decodes a JSON body.
    ///
    /// # Errors
    /// Malformed when it is no JSON (with the place); otherwise invalid input with the path of each fault.
    pub fn decode(&self, body: &[u8]) -> Result<Payload, Error> {
        match &self.form {
            Form::Tensors(signature) => tensor_json::decode(signature, body).map(Payload::Tensors),
            Form::Typed {
                decode, constrained, ..
            } => {
                if *constrained {
                    self.validated(body)?;
                }
                decode(body).map(Payload::Typed).map_err(|e| self.explain(body, &e))
            }
            Form::Json => self.validated(body).map(Payload::Json),
            Form::Raw(_) => self.decode_body(Bytes::copy_from_slice(body)),
        }
    }

    /// As [`Contract::decode`]; a body that goes on as it came is not copied.
    ///
    /// # Errors
    /// As [`Contract::decode`].
    pub fn decode_body(&self, body: Bytes) -> Result<Payload, Error> {
        let Form::Raw(form) = self.form else {
            return self.decode(&body);
        };
        if form.checked {
            self.validated(&body)?;
        } else if !form.any {
            check_json(&body)?;
        }
        Ok(Payload::Raw(Raw {
            body,
            told: form.told,
            ..Raw::default()
        }))
    }

    /// Decodes a body of one of the media types of [`Contract::bodies`].
    ///
    /// # Errors
    /// What is wrong with the body; unsupported media type where the contract has no such bodies.
    pub fn decode_media(&self, raw: Raw) -> Result<Payload, Error> {
        match &self.form {
            Form::Tensors(signature) => tensor_raw::decode(signature, raw.body).map(Payload::Tensors),
            Form::Typed { media: Some(read), .. } => read(raw).map(Payload::Typed),
            // It goes on as it came, with what is needed to read it.
            Form::Raw(_) => Ok(Payload::Raw(Raw { told: true, ..raw })),
            Form::Typed { media: None, .. } | Form::Json => Err(Error::new(
                crate::error::Kind::UnsupportedMediaType,
                "this model takes JSON; send Content-Type: application/json",
            )),
        }
    }

    /// Writes an answer as a JSON body.
    ///
    /// # Errors
    /// When the answer is an artefact and not JSON.
    pub fn encode(&self, output: Output) -> Result<Bytes, Error> {
        match (output, self.signature()) {
            (Output::Json(text), _) => Ok(text),
            (Output::Tensors(tensors), Some(signature)) => Ok(tensor_json::encode(&signature.outputs, &tensors)),
            (Output::Tensors(_), None) => Err(Error::pipeline("the pipeline gave tensors, its contract has none")),
            (Output::Media { content_type, .. }, _) => Err(Error::pipeline(format!(
                "the answer is {content_type} and cannot be written as JSON"
            ))),
            (Output::Files(files), _) => Ok(files.to_json()),
            (Output::Response { head, body }, _) => {
                let media = head.media.unwrap_or_default();
                if media.is_empty() || media.starts_with("application/json") {
                    return Ok(body);
                }
                Err(Error::pipeline(format!(
                    "the answer is {media} and cannot be written as JSON"
                )))
            }
            (Output::Chunks, _) => Ok(Bytes::from_static(b"null")),
        }
    }

    fn validated(&self, body: &[u8]) -> Result<Value, Error> {
        let value = parse_json(body)?;
        let faults = self.input.faults(&value);
        if faults.is_empty() {
            Ok(value)
        } else {
            Err(Error::faults(faults))
        }
    }

    /// Why a body did not decode into the static type: every fault the schema finds, or what serde said.
    fn explain(&self, body: &[u8], error: &serde_json::Error) -> Error {
        if let Err(told) = self.validated(body) {
            return told;
        }
        // Serde is stricter than the schema here and there (number ranges); its word is better than none.
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Error::faults(vec![Fault::at::<&str>(&[], message, "type")])
    }
}

/// Whether the body is JSON, without keeping its value.
fn check_json(body: &[u8]) -> Result<(), Error> {
    if body.is_empty() {
        return Err(Error::malformed("the body is empty; send a JSON object"));
    }
    let read: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(body);
    read.map(|_| ())
        .map_err(|e| Error::malformed(format!("the body is not JSON: {e}")))
}

/// Reads a JSON value.
///
/// # Errors
/// Malformed, with line and column.
pub fn parse_json(body: &[u8]) -> Result<Value, Error> {
    if body.is_empty() {
        return Err(Error::malformed("the body is empty; send a JSON object"));
    }
    serde_json::from_slice(body).map_err(|e| Error::malformed(format!("the body is not JSON: {e}")))
}

/// The JSON Schema of an object with one field per tensor.
fn tensor_schema(specs: &[TensorSpec], optional_batch_axis: bool) -> Value {
    let properties: serde_json::Map<_, _> = specs
        .iter()
        .map(|spec| {
            let full = nested_schema(spec, &spec.shape);
            let mut schema = if optional_batch_axis && !spec.shape.is_empty() {
                json!({"anyOf": [full, nested_schema(spec, &spec.shape[1..])]})
            } else {
                full
            };
            let mut description = format!("{} tensor of shape {}, as nested lists.", spec.dtype, spec.shape_text());
            if optional_batch_axis {
                description.push_str(" The first axis may be left out.");
            }
            schema["description"] = description.into();
            (spec.name.clone(), schema)
        })
        .collect();
    let required: Vec<_> = specs.iter().map(|s| s.name.clone()).collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

fn nested_schema(spec: &TensorSpec, shape: &[Dim]) -> Value {
    use crate::tensor::DType;
    let Some((first, inner)) = shape.split_first() else {
        return match spec.dtype {
            DType::Bool => json!({"type": "boolean"}),
            DType::Bytes => json!({"type": "string"}),
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => json!({"type": "number"}),
            _ => json!({"type": "integer"}),
        };
    };
    let mut schema = json!({"type": "array", "items": nested_schema(spec, inner)});
    if let Dim::Fixed(n) = first {
        schema["minItems"] = (*n).into();
        schema["maxItems"] = (*n).into();
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::error::Kind;

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    struct Question {
        /// What is asked.
        question: String,
        #[serde(default = "one")]
        #[schema(minimum = 1)]
        top_k: u8,
    }

    fn one() -> u8 {
        1
    }

    #[derive(Serialize, ToSchema)]
    struct Answer {
        results: String,
    }

    #[test]
    fn a_typed_contract_decodes_into_its_type_and_explains_what_it_refuses() {
        let contract = Contract::typed::<Question, Answer>();
        let read = contract.decode(br#"{"question":"why?"}"#).unwrap();
        assert_eq!(
            read.into_typed::<Question>().unwrap(),
            Question {
                question: "why?".into(),
                top_k: 1
            }
        );

        let error = contract.decode(br#"{"top_k":"many"}"#).err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidInput);
        assert_eq!(error.detail().len(), 2, "{:?}", error.detail());

        let error = contract.decode(br#"{"question":"#).err().unwrap();
        assert_eq!(error.kind(), Kind::Malformed);
        let error = contract.decode(b"").err().unwrap();
        assert_eq!(error.kind(), Kind::Malformed);
        let error = contract.decode(br#"{"question":"a","top_k":0}"#).err().unwrap();
        assert_eq!(error.detail()[0].loc, ["body", "top_k"]);
        let error = contract.decode(br#"{"question":"a","top_k":300}"#).err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidInput);
    }

    impl FromMedia for Question {
        const MEDIA: &'static [&'static str] = &["text/markdown"];
        const ABOUT: &'static str = "The question.";

        fn from_media(raw: Raw) -> Result<Self, Error> {
            let question = String::from_utf8_lossy(&raw.body).into_owned();
            Ok(Self { question, top_k: 1 })
        }
    }

    #[test]
    fn a_typed_contract_reads_bodies_of_its_own_media_types() {
        let raw = || Raw {
            body: Bytes::from_static(b"why?"),
            content_type: Some("text/markdown".into()),
            ..Raw::default()
        };
        let contract = Contract::typed::<Question, Answer>().with_media::<Question>();
        assert!(contract.bodies.take("Text/Markdown; charset=utf-8") && !contract.bodies.take("text/html"));
        let read = contract.decode_media(raw()).unwrap().into_typed::<Question>().unwrap();
        assert_eq!(read.question, "why?");
        // For another process it goes on as it came.
        let Payload::Raw(sent) = contract.forwarded().decode_media(raw()).unwrap() else {
            panic!("not raw");
        };
        assert!(sent.told && sent.body == "why?");
        let refused = Contract::typed::<Question, Answer>().decode_media(raw());
        assert_eq!(refused.err().unwrap().kind(), Kind::UnsupportedMediaType);
    }

    #[test]
    fn the_schema_of_a_tensor_model_allows_both_forms_and_nothing_else() {
        let x = TensorSpec {
            name: "x".into(),
            dtype: crate::tensor::DType::F32,
            shape: vec![Dim::Symbol("n".into()), Dim::Fixed(2)],
        };
        let contract = Contract::tensors(Signature::new(vec![x.clone()], vec![x]));
        for good in [json!({"x": [[1, 2], [3, 4]]}), json!({"x": [1, 2]})] {
            assert!(contract.input.faults(&good).is_empty(), "{good}");
            assert!(contract.decode(good.to_string().as_bytes()).is_ok());
        }
        for bad in [
            json!({"x": [[1]]}),
            json!({}),
            json!({"x": [[1, 2]], "z": 1}),
            json!({"x": 3}),
        ] {
            assert!(!contract.input.faults(&bad).is_empty(), "{bad}");
            assert!(contract.decode(bad.to_string().as_bytes()).is_err());
        }
    }
}
