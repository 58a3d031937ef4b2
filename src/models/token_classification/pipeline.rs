//! Logits of each token to labelled pieces of the text.

use super::super::HfConfig;
use super::super::one_or_many::in_form;
use super::super::text::{Chars, Cut, Encoded, Slice, TextEncoder, TextTask, Texts, scores, truncated};
use super::aggregate::{Names, Token, entities};
use super::endpoint::{Aggregation, Entities, Entity, Tag, Tagged};
use crate::error::Error;
use crate::payload::Output;

pub struct TokenClassification {
    pub encoder: TextEncoder,
    pub output: String,
    pub config: HfConfig,
    /// The token that stands for what the vocabulary lacks.
    pub unknown: Option<u32>,
}

impl TokenClassification {
    /// The tokens of a text, special ones left out, with the scores of their labels.
    fn tokens(&self, text: &str, row: &Encoded, logits: &[f32], labels: usize) -> Vec<Token> {
        let text = Chars::new(text);
        let encoding = &row.encoding;
        let marked = self.encoder.marks_subwords();
        let (ids, offsets) = (encoding.get_ids(), encoding.get_offsets());
        let special = encoding.get_special_tokens_mask();
        let inside = (0..ids.len()).filter(|index| special[*index] == 0);
        inside
            .map(|index| {
                let (start, end) = offsets[index];
                let covered = text.slice(start, end);
                let known = self.encoder.token(ids[index]);
                // A token longer than what it covers carries the mark of a continued word. Vocabularies without
                // such a mark leave the space before a word to go by.
                let continued = if marked {
                    known.chars().count() != covered.chars().count()
                } else {
                    start > 0 && !text.slice(start - 1, start + 1).contains(' ')
                };
                let unknown = self.unknown == Some(ids[index]);
                Token {
                    word: if unknown { covered.to_owned() } else { known },
                    scores: scores::softmax(&logits[index * labels..(index + 1) * labels]),
                    start,
                    end,
                    index,
                    subword: continued && !unknown,
                }
            })
            .collect()
    }
}

impl Names for TokenClassification {
    fn label(&self, place: usize) -> String {
        self.config.label(place)
    }

    fn text_of(&self, words: Vec<String>) -> String {
        let joined = words.join(" ");
        self.encoder.text_of(words).unwrap_or(joined)
    }
}

impl TextTask for TokenClassification {
    type Request = Tag;
    type Row = Encoded;
    type Read = Vec<Entity>;

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn pad(&self) -> u32 {
        self.encoder.pad()
    }

    fn rows(&self, request: &Tag) -> Result<Vec<Encoded>, Error> {
        request.text.check("text")?;
        let encode = |(i, text): (usize, &String)| {
            let encoded = self.encoder.encode(i, text, None, Cut::Longest);
            encoded.map_err(Error::from)
        };
        request.text.all().iter().enumerate().map(encode).collect()
    }

    fn read(&self, request: &Tag, row: &Encoded, outputs: &[Slice<'_>]) -> Result<Vec<Entity>, Error> {
        let Slice { shape, values } = outputs[0];
        let labels = match shape {
            [tokens, labels] if *tokens >= row.encoding.len() => *labels,
            _ => return Err(Error::pipeline("the model's logits do not have one row per token")),
        };
        let logits = &values[..row.encoding.len() * labels];
        scores::check(logits)?;
        let text = &request.text.all()[row.text];
        let tokens = self.tokens(text, row, logits, labels);
        Ok(entities(tokens, request.aggregation_strategy, self))
    }

    fn answer(&self, request: &Tag, rows: &[Encoded], read: Vec<Vec<Entity>>) -> Result<Output, Error> {
        let results = in_form(read, request.text.is_list(), Entities::One, Entities::Many);
        Output::json(&Tagged {
            results,
            truncated: truncated(rows),
        })
    }

    fn dummy(&self) -> Tag {
        Tag {
            text: Texts::One("A dummy run.".into()),
            aggregation_strategy: Aggregation::None,
        }
    }
}
