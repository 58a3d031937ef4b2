//! Wire types that endpoints of text tasks share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::one_or_many::check_count;
use super::encoding::Encoded;
use crate::error::Error;

/// The most texts of one request: more would keep others waiting for too long.
const MAX_TEXTS: usize = 1024;

/// One text or a list of them; an answer has the same form.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Texts {
    /// One text.
    One(String),
    /// Several texts, at most 1024.
    Many(Vec<String>),
}

impl Texts {
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }

    pub const fn is_list(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// The path of one text below the body, for faults. `field` is the one that holds the texts.
    pub fn path(&self, field: &str, text: usize) -> Vec<String> {
        let index = self.is_list().then(|| text.to_string());
        std::iter::once(field.to_owned()).chain(index).collect()
    }

    /// # Errors
    /// When there is no text, or there are too many.
    pub fn check(&self, field: &str) -> Result<(), Error> {
        check_count(field, "text", self.all().len(), MAX_TEXTS)
    }
}

/// A text that was longer than the model reads, and of which the rest was left away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Truncated {
    /// Which text of the request, from 0.
    pub text: usize,
    /// Its length in tokens, special ones included.
    pub tokens: usize,
    /// How many of them were read.
    pub kept: usize,
}

/// Which texts were cut; `None` when all were read whole. Of several sequences made from one text, the longest tells.
pub fn truncated<'a>(rows: impl IntoIterator<Item = &'a Encoded>) -> Option<Vec<Truncated>> {
    let mut cut: Vec<Truncated> = Vec::new();
    for row in rows {
        let told = Truncated {
            text: row.text,
            tokens: row.whole,
            kept: row.encoding.len(),
        };
        if told.tokens <= told.kept {
            continue;
        }
        match cut.iter_mut().find(|known| known.text == told.text) {
            Some(known) if known.tokens < told.tokens => *known = told,
            Some(_) => {}
            None => cut.push(told),
        }
    }
    (!cut.is_empty()).then_some(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: usize, tokens: usize, kept: usize) -> Encoded {
        let mut encoding = tokenizers::Encoding::with_capacity(kept);
        encoding.pad(kept, 0, 0, "[PAD]", tokenizers::PaddingDirection::Right);
        Encoded {
            text,
            encoding,
            whole: tokens,
        }
    }

    #[test]
    fn texts_are_told_once_with_their_longest_sequence() {
        let rows = [row(0, 5, 5), row(1, 9, 8), row(1, 11, 8), row(2, 8, 8)];
        let told = Truncated {
            text: 1,
            tokens: 11,
            kept: 8,
        };
        assert_eq!(truncated(&rows), Some(vec![told]));
        assert_eq!(truncated(&rows[..1]), None);
    }

    #[test]
    fn a_fault_names_the_place_of_a_text() {
        assert_eq!(Texts::One("a".into()).path("text", 0), ["text"]);
        let many = Texts::Many(vec!["a".into(), "b".into()]);
        assert_eq!(many.path("text", 1), ["text", "1"]);
        assert!(many.check("text").is_ok());
        for wrong in [Vec::new(), vec![String::new(); MAX_TEXTS + 1]] {
            let told = Texts::Many(wrong).check("text").unwrap_err();
            assert_eq!(told.detail()[0].loc, ["body", "text"]);
        }
    }
}
