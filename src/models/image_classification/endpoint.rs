//! Wire types of image classification, with the texts and examples of its docs.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::super::one_or_many::check_count;
use super::super::scores::Function;
use super::source::Source;
use crate::contract::{Example, FromMedia};
use crate::error::{Error, Fault};
use crate::payload::Raw;

/// Images to classify.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Classify {
    /// The image, or a list of images.
    pub image: Images,
    /// How many labels to give, best first; `null` gives all of them.
    #[serde(default = "defaults::top_k")]
    #[schema(minimum = 1, default = 5)]
    pub top_k: Option<usize>,
    /// What makes scores of the model's outputs, where it should not be what the model's config calls for.
    pub function_to_apply: Option<Applied>,
}

/// Defaults of the transformers pipeline.
mod defaults {
    #[allow(clippy::unnecessary_wraps, reason = "the type of the field")]
    pub const fn top_k() -> Option<usize> {
        Some(5)
    }
}

/// One image or a list of them; an answer has the same form.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Images {
    /// One image.
    One(Source),
    /// Several images, at most 64.
    Many(Vec<Source>),
}

/// The most images of one request: more would keep others waiting for too long.
const MAX_IMAGES: usize = 64;

impl Images {
    pub fn all(&self) -> &[Source] {
        match self {
            Self::One(image) => std::slice::from_ref(image),
            Self::Many(images) => images,
        }
    }

    pub const fn is_list(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// The path of one image below the body, for faults. A file that came as the body has none.
    pub fn path(&self, image: usize) -> Vec<String> {
        match self {
            Self::One(Source::File(_)) => Vec::new(),
            Self::One(Source::Text(_)) => vec!["image".to_owned()],
            Self::Many(_) => vec!["image".to_owned(), image.to_string()],
        }
    }

    /// # Errors
    /// When there is no image, or there are too many.
    pub fn check(&self) -> Result<(), Error> {
        check_count("image", "image", self.all().len(), MAX_IMAGES)
    }
}

/// What makes scores of outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    /// Labels share 1.
    Softmax,
    /// Each label for itself, from 0 to 1.
    Sigmoid,
    /// The outputs are the scores.
    None,
}

impl Applied {
    pub const fn function(self) -> Function {
        match self {
            Self::Softmax => Function::Softmax,
            Self::Sigmoid => Function::Sigmoid,
            Self::None => Function::Plain,
        }
    }
}

impl FromMedia for Classify {
    const MEDIA: &'static [&'static str] = &["image/png", "image/jpeg", "image/webp"];
    const ABOUT: &'static str = "The image's file. `top_k` and `function_to_apply` may stand in the query string.";

    fn from_media(raw: Raw) -> Result<Self, Error> {
        let query = raw.about.and_then(|about| about.query).unwrap_or_default();
        let field = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            // Numbers and null are what they look like, everything else is text.
            let value = serde_json::from_str(&value).unwrap_or_else(|_| Value::from(&*value));
            (name.into_owned(), value)
        };
        let mut fields: Map<String, Value> = form_urlencoded::parse(query.as_bytes()).map(field).collect();
        fields.insert("image".to_owned(), "".into());
        let wrong = |message: String| {
            Error::faults(vec![Fault {
                loc: vec!["query".to_owned()],
                msg: message,
                kind: "schema".into(),
            }])
        };
        let asked: Self = serde_json::from_value(Value::Object(fields)).map_err(|e| wrong(e.to_string()))?;
        if asked.top_k == Some(0) {
            return Err(wrong("top_k is 0, expected a whole number from 1".to_owned()));
        }
        Ok(Self {
            image: Images::One(Source::File(raw.body)),
            ..asked
        })
    }
}

/// Labels of each image.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Classified {
    /// Labels with their scores, best first: one list, or one for each image where a list of them was sent.
    pub results: Labels,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Labels {
    /// Labels of the one image.
    One(Vec<Label>),
    /// Labels of each image.
    Many(Vec<Vec<Label>>),
}

/// A label and how well it fits.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Label {
    /// The label, as the model's config names it.
    pub label: String,
    /// Its share of 1; for models of several labels at once, from 0 to 1 each.
    pub score: f32,
}

/// A picture of 16×16 pixels.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAPUlEQVR42mOs2PKMgRTAgl+6SSMLwqi7MQ3CYCJGNT\
    KbiYFEQFUNcHcjsxlJDaWB9QNWwKiRZzPU/UB7DQClLg4WfnkU/QAAAABJRU5ErkJggg==";

/// Requests that work when "Try it out" is pressed.
pub fn examples() -> Vec<Example> {
    vec![
        Example {
            summary: "One image".into(),
            request: json!({"image": PICTURE}),
        },
        Example {
            summary: "Two images, with the best label of each".into(),
            request: json!({"image": [PICTURE, format!("data:image/png;base64,{PICTURE}")], "top_k": 1}),
        },
    ]
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::payload::About;

    fn read(query: &str) -> Result<Classify, Error> {
        let about = About {
            query: Some(query.to_owned()),
            ..About::default()
        };
        Classify::from_media(Raw {
            body: Bytes::from_static(b"file"),
            about: Some(Box::new(about)),
        })
    }

    #[test]
    fn a_body_brings_its_options_in_the_query() {
        let asked = read("").unwrap();
        assert_eq!((asked.top_k, asked.function_to_apply), (Some(5), None));
        assert_eq!(asked.image.all(), [Source::File(Bytes::from_static(b"file"))]);
        let asked = read("top_k=null&function_to_apply=sigmoid").unwrap();
        assert_eq!((asked.top_k, asked.function_to_apply), (None, Some(Applied::Sigmoid)));
        for wrong in ["topk=3", "top_k=0", "top_k=many", "function_to_apply=tanh"] {
            assert_eq!(read(wrong).unwrap_err().detail()[0].loc, ["query"], "{wrong}");
        }
    }
}
