//! The key that webhooks are signed with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a key that is written in Base64 begins with, by Standard Webhooks.
const PREFIX: &str = "whsec_";
/// The fewest bytes of a key: 128 bits are not guessed.
const FEWEST_BYTES: usize = 16;

const EXPECTED: &str = "a key of at least 16 bytes, as whsec_BASE64 or as text";

/// One key, or several of which receivers know one: for a while when the key changes. `Debug` hides them, and nothing
/// else shows them.
#[derive(Clone)]
pub struct Secret(Vec<Hmac<Sha256>>);

impl Secret {
    /// `whsec_` and Base64 is the bytes that it stands for; any other text is its own bytes. Several keys are of the
    /// first form, with blanks between them.
    ///
    /// # Errors
    /// What was expected, without the text: what is refused may be most of a key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.starts_with(PREFIX) {
            return Ok(Self(vec![key(text.as_bytes())?]));
        }
        let decoded = |text: &str| {
            let encoded = text.strip_prefix(PREFIX).ok_or("keys that all begin with whsec_")?;
            let bytes = STANDARD_PAD_INDIFFERENT.decode(encoded);
            key(&bytes.map_err(|_| "Base64 (RFC 4648, section 4) after whsec_")?)
        };
        text.split_whitespace()
            .map(decoded)
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }

    /// HMAC-SHA256 of the parts one after the other, in Base64, by each key.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Vec<String> {
        let by = |key: &Hmac<Sha256>| {
            let mut mac = key.clone();
            for part in parts {
                mac.update(part);
            }
            STANDARD.encode(mac.finalize().into_bytes())
        };
        self.0.iter().map(by).collect()
    }
}

fn key(bytes: &[u8]) -> Result<Hmac<Sha256>, &'static str> {
    if bytes.len() < FEWEST_BYTES {
        return Err(EXPECTED);
    }
    // Keys of every length will do (RFC 2104, section 2).
    Hmac::<Sha256>::new_from_slice(bytes).map_err(|_| EXPECTED)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_rfc_4231() {
        // Test cases 3 and 6, with keys of 20 and of 131 bytes.
        let sign = |key: &[u8], data: &[u8]| {
            let encoded = STANDARD.encode(key);
            let secret = Secret::parse(&format!("whsec_{encoded}")).unwrap();
            secret.sign(&[data]).concat()
        };
        assert_eq!(
            sign(&[0xaa; 20], &[0xdd; 50]),
            "dz6pHjaADkaFTbjr0JGBpylZCYs++MEi2WNVFM7VZf4="
        );
        assert_eq!(
            sign(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "YOQxWR7gtn8Niiaqy/W3f44LxiE3KMUUBUYEDw7jf1Q="
        );
    }

    #[test]
    fn a_key_in_base64_is_decoded_with_or_without_padding() {
        let plain = Secret::parse("0123456789abcdef").unwrap();
        for text in ["whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "whsec_MDEyMzQ1Njc4OWFiY2RlZg"] {
            assert_eq!(Secret::parse(text).unwrap().sign(&[b"x"]), plain.sign(&[b"x"]));
        }
        assert!(Secret::parse("whsec_not Base64 at all!").is_err());
    }

    #[test]
    fn parts_are_signed_as_one() {
        let secret = Secret::parse("a passphrase, not Base64").unwrap();
        assert_eq!(secret.sign(&[b"a", b".", b"b"]), secret.sign(&[b"a.b"]));
    }

    #[test]
    fn several_keys_sign_one_after_the_other() {
        let (first, second) = ("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "whsec_AAECAwQFBgcICQoLDA0ODw==");
        let by = |text: &str| Secret::parse(text).unwrap().sign(&[b"x"]);
        assert_eq!(by(&format!("{first} {second}")), [by(first), by(second)].concat());
        assert!(Secret::parse(&format!("{first} a passphrase, not Base64")).is_err());
        // A text with blanks is one key.
        assert_eq!(by("a passphrase, not Base64").len(), 1);
    }

    #[test]
    fn short_keys_are_refused() {
        for text in [
            "",
            "whsec_",
            "fifteen letters",
            "whsec_MDEyMzQ1Njc4OWFiY2Rl",
            "whsec_MDEyMzQ1Njc4OWFiY2RlZg== whsec_MDEy",
        ] {
            assert!(Secret::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::parse("a passphrase, not Base64").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }
}
