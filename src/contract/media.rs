//! Bodies of other media types than JSON: which a contract takes, and how one becomes its input.

use std::borrow::Cow;

use crate::error::Error;
use crate::payload::Raw;

/// Bodies that are no JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    pub media: &'static [&'static str],
    /// What they are, for the docs.
    pub about: &'static str,
}

impl Bodies {
    /// Whether bodies of this `Content-Type` are among them.
    pub fn take(&self, content_type: &str) -> bool {
        !self.media.is_empty() && self.media.contains(&&*essence(content_type))
    }
}

/// A media type without its parameters, in small letters.
pub fn essence(content_type: &str) -> Cow<'_, str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(essence.to_ascii_lowercase());
    }
    Cow::Borrowed(essence)
}

/// An input that is not only read of JSON.
pub trait FromMedia: Sized {
    /// The media types of the bodies it is read of.
    const MEDIA: &'static [&'static str];
    /// What such a body is, for the docs.
    const ABOUT: &'static str;

    /// Reads a body of one of these types. Its content type and query are there.
    ///
    /// # Errors
    /// What is wrong with it, with the path.
    fn from_media(raw: Raw) -> Result<Self, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_known_by_its_essence() {
        let bodies = Bodies {
            media: &["image/png"],
            about: "",
        };
        for known in ["image/png", "Image/PNG", " image/png ;q=1"] {
            assert!(bodies.take(known), "{known}");
        }
        for other in ["", "image/*", "image/pn", "text/png"] {
            assert!(!bodies.take(other) && !Bodies::default().take(other), "{other}");
        }
    }
}
