//! Bodies become inputs, and answers become bodies, as the contract's form has it.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::form::Form;
use super::{Contract, essence, tensor_json, tensor_raw};
use crate::error::{Error, Fault, Kind};
use crate::payload::{About, Output, Payload, Raw};

impl Contract {
    /// The input of a request: its body decoded, by its media type where that is one of [`Contract::bodies`], and with
    /// it what the request says beside it, where the pipeline reads that.
    ///
    /// # Errors
    /// As [`Contract::decode_body`] and [`Contract::decode_media`].
    pub fn decode_request(&self, body: Bytes, about: About) -> Result<Payload, Error> {
        let media = about.content_type.as_deref().filter(|_| !self.reads_media());
        if media.is_some_and(|media| self.bodies.take(media)) {
            let about = Some(Box::new(about));
            return self.decode_media(Raw { body, about });
        }
        let mut input = self.decode_body(body)?;
        if let Payload::Raw(raw) = &mut input
            && let Some(said) = &mut raw.about
        {
            **said = about;
        }
        Ok(input)
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
            // It must be JSON, and nobody needs its value.
            read_json::<IgnoredAny>(&body)?;
        }
        let about = form.told.then(Box::default);
        Ok(Payload::Raw(Raw { body, about }))
    }

    /// Decodes a body of one of the media types of [`Contract::bodies`]; which one is told beside it.
    ///
    /// # Errors
    /// What is wrong with the body; unsupported media type where the contract has no such bodies.
    pub fn decode_media(&self, raw: Raw) -> Result<Payload, Error> {
        match &self.form {
            Form::Tensors(signature) => tensor_raw::decode(signature, raw.body).map(Payload::Tensors),
            Form::Typed { media: Some(read), .. } => read(raw).map(Payload::Typed),
            // It goes on as it came, with what is needed to read it.
            Form::Raw(_) => Ok(Payload::Raw(raw)),
            Form::Typed { media: None, .. } | Form::Json => Err(Error::new(
                Kind::UnsupportedMediaType,
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
                // Lines or a sequence of JSON values are no JSON document.
                if media.is_empty() || essence(&media) == "application/json" {
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

/// Reads a JSON value.
///
/// # Errors
/// Malformed, with line and column.
pub fn parse_json(body: &[u8]) -> Result<Value, Error> {
    read_json(body)
}

/// Reads JSON as any type, or tells where it is none.
fn read_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    if body.is_empty() {
        return Err(Error::malformed("the body is empty; send a JSON object"));
    }
    serde_json::from_slice(body).map_err(|e| Error::malformed(format!("the body is not JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use utoipa::ToSchema;

    use super::super::{FromMedia, RawForm, Schema};
    use super::*;
    use crate::payload::ResponseHead;

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
        let about = || About {
            content_type: Some("text/markdown".into()),
            ..About::default()
        };
        let raw = || Raw {
            body: Bytes::from_static(b"why?"),
            about: Some(Box::new(about())),
        };
        let contract = Contract::typed::<Question, Answer>().with_media::<Question>();
        assert!(contract.bodies.take("Text/Markdown; charset=utf-8") && !contract.bodies.take("text/html"));
        let read = contract.decode_media(raw()).unwrap().into_typed::<Question>().unwrap();
        assert_eq!(read.question, "why?");
        // For another process it goes on as it came.
        let Payload::Raw(sent) = contract.forwarded().decode_media(raw()).unwrap() else {
            panic!("not raw");
        };
        assert_eq!((sent.about.as_deref(), &sent.body[..]), (Some(&about()), &b"why?"[..]));
        let refused = Contract::typed::<Question, Answer>().decode_media(raw());
        assert_eq!(refused.err().unwrap().kind(), Kind::UnsupportedMediaType);
    }

    #[test]
    fn what_stands_beside_a_body_decides_how_it_is_read_and_goes_to_who_reads_it() {
        let about = |media: &str| About {
            content_type: Some(media.to_owned()),
            query: Some("top_k=2".to_owned()),
            ..About::default()
        };
        let typed = Contract::typed::<Question, Answer>().with_media::<Question>();
        for (body, media) in [
            ("why?", "text/markdown"),
            (r#"{"question":"why?"}"#, "application/json"),
        ] {
            let read = typed.decode_request(body.into(), about(media)).unwrap();
            assert_eq!(read.into_typed::<Question>().unwrap().question, "why?", "{media}");
        }
        let raw = |form| Contract::raw(Schema::any(), Schema::any(), form);
        let told = RawForm {
            told: true,
            ..RawForm::default()
        };
        for (form, expected) in [(told, Some(about("text/json"))), (RawForm::default(), None)] {
            let Ok(Payload::Raw(read)) = raw(form).decode_request("{}".into(), about("text/json")) else {
                panic!("not raw");
            };
            assert_eq!(read.about.as_deref(), expected.as_ref());
        }
    }

    #[test]
    fn of_an_authors_response_only_json_is_written_as_json() {
        let contract = Contract::json(Schema::any(), Schema::any());
        let written = |media: Option<&str>| {
            let head = ResponseHead {
                status: 200,
                media: media.map(str::to_owned),
                ..ResponseHead::default()
            };
            let body = Bytes::from_static(b"1\n2\n");
            contract.encode(Output::Response { head, body })
        };
        for json in [
            None,
            Some(""),
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
        ] {
            assert!(written(json).is_ok(), "{json:?}");
        }
        for other in ["application/jsonl", "application/json-seq", "text/plain"] {
            let refused = written(Some(other)).unwrap_err();
            assert!(refused.message().contains(other), "{refused}");
        }
    }
}
