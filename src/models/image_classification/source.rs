//! An image as a request brings it: text in JSON, or the body itself.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::decode::Refused;

/// Of texts that leave the padding away, too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Source {
    /// The file in base64, or a `data:` URL.
    Text(String),
    /// The file.
    File(Bytes),
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl PartialSchema for Source {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A PNG, JPEG or WebP file in base64, or as a `data:` URL."))
            .into()
    }
}

impl ToSchema for Source {}

impl Source {
    /// The bytes of the file.
    ///
    /// # Errors
    /// When the text is neither base64 nor a `data:` URL of it.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, Refused> {
        let text = match self {
            Self::File(bytes) => return Ok(Cow::Borrowed(bytes)),
            Self::Text(text) => text.trim(),
        };
        if text.starts_with("http://") || text.starts_with("https://") {
            return Err("is an address, and this server fetches nothing; send the file itself in base64".into());
        }
        let text = match text.split_once(',') {
            Some((head, data)) if is_data_url(head) => {
                if !head.to_ascii_lowercase().ends_with(";base64") {
                    return Err("is a data: URL, but not of base64".into());
                }
                data
            }
            _ => text,
        };
        // Tools that write base64 break its lines.
        let text: Cow<'_, str> = if text.contains(|c: char| c.is_ascii_whitespace()) {
            text.split_ascii_whitespace().collect::<String>().into()
        } else {
            text.into()
        };
        let file = BASE64
            .decode(text.as_bytes())
            .map_err(|e| format!("is not base64: {e}"))?;
        Ok(Cow::Owned(file))
    }
}

fn is_data_url(head: &str) -> bool {
    head.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<Vec<u8>, Refused> {
        Source::Text(text.into()).bytes().map(Cow::into_owned)
    }

    #[test]
    fn base64_is_read_with_or_without_padding_line_breaks_and_a_data_url() {
        for text in [
            "aGVsbG8=",
            "aGVsbG8",
            " aGVs\r\nbG8=\n",
            "data:image/png;base64,aGVsbG8=",
            "DATA:;Base64,aGVsbG8",
        ] {
            assert_eq!(bytes(text).unwrap(), b"hello", "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_is_told() {
        for (text, told) in [
            ("aGV$bG8=", "is not base64"),
            ("https://example.org/cat.png", "fetches nothing"),
            ("data:image/png,abc", "not of base64"),
            ("data:image/png;base64,***", "is not base64"),
        ] {
            let message = bytes(text).unwrap_err();
            assert!(message.contains(told), "{text}: {message}");
        }
    }
}
