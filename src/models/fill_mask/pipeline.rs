//! Logits at the places of masks to tokens.

use super::super::one_or_many::in_form;
use super::super::scores::{self, Function};
use super::super::text::{Cut, Encoded, Slice, TextEncoder, TextTask, Texts, truncated};
use super::endpoint::{Candidate, Fill, Filled, Masks, Results};
use crate::error::{Error, Fault};
use crate::payload::Output;

pub struct FillMask {
    pub encoder: TextEncoder,
    pub output: String,
    /// The mask as it is written in texts.
    pub mask: String,
    pub mask_id: u32,
}

impl FillMask {
    /// Places of the masks.
    fn masks(&self, row: &Encoded) -> Vec<usize> {
        let ids = row.encoding.get_ids().iter().enumerate();
        ids.filter(|(_, id)| **id == self.mask_id)
            .map(|(place, _)| place)
            .collect()
    }

    /// The best tokens for one mask. `only` tells that there is no other.
    fn candidates(
        &self,
        row: &Encoded,
        place: usize,
        logits: &[f32],
        top_k: usize,
        only: bool,
    ) -> Result<Vec<Candidate>, Error> {
        let candidate = |token: usize, score: f32| {
            let id = u32::try_from(token).unwrap_or(u32::MAX);
            let mut filled = row.encoding.get_ids().to_vec();
            filled[place] = id;
            filled.retain(|id| *id != self.encoder.pad());
            Ok(Candidate {
                score,
                token: id,
                token_str: self.encoder.decode(&[id], false)?,
                // Other masks are special tokens too, and stay to be seen.
                sequence: self.encoder.decode(&filled, only)?,
            })
        };
        let candidates = scores::ranked(logits, Function::Softmax, Some(top_k), candidate)?;
        candidates.into_iter().collect()
    }

    fn fault(&self, request: &Fill, row: &Encoded) -> Error {
        let path = request.text.path("text", row.text);
        let mask = &self.mask;
        let message = match self.encoder.limit().filter(|limit| row.whole > *limit) {
            Some(limit) if request.text.all()[row.text].contains(mask) => {
                format!("has {mask} only after the {limit} tokens that the model reads; shorten it")
            }
            _ => format!("holds no mask; write {mask} in the place of the word"),
        };
        Error::faults(vec![Fault::at(&path, message, "no_mask")])
    }
}

impl TextTask for FillMask {
    type Request = Fill;
    type Row = Encoded;
    type Read = Masks;

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn pad(&self) -> u32 {
        self.encoder.pad()
    }

    fn rows(&self, request: &Fill) -> Result<Vec<Encoded>, Error> {
        request.text.check("text")?;
        let encode = |(i, text): (usize, &String)| {
            let row = self.encoder.encode(i, text, None, Cut::Longest).map_err(Error::from)?;
            if self.masks(&row).is_empty() {
                return Err(self.fault(request, &row));
            }
            Ok(row)
        };
        request.text.all().iter().enumerate().map(encode).collect()
    }

    fn read(&self, request: &Fill, row: &Encoded, outputs: &[Slice<'_>]) -> Result<Masks, Error> {
        let Slice { shape, values } = outputs[0];
        let vocabulary = match shape {
            [tokens, vocabulary] if *tokens >= row.encoding.len() => *vocabulary,
            _ => return Err(Error::pipeline("the model's logits do not have one row per token")),
        };
        if request.top_k > vocabulary {
            let message = format!("is {}, the model's vocabulary has {vocabulary} tokens", request.top_k);
            return Err(Error::faults(vec![Fault::at(&["top_k"], message, "range")]));
        }
        let masks = self.masks(row);
        let only = masks.len() == 1;
        let fill = |place: usize| {
            let logits = &values[place * vocabulary..(place + 1) * vocabulary];
            self.candidates(row, place, logits, request.top_k, only)
        };
        let mut lists = masks.into_iter().map(fill).collect::<Result<Vec<_>, _>>()?;
        Ok(if only {
            Masks::One(lists.pop().unwrap_or_default())
        } else {
            Masks::Several(lists)
        })
    }

    fn answer(&self, request: &Fill, rows: &[Encoded], read: Vec<Masks>) -> Result<Output, Error> {
        let results = in_form(read, request.text.is_list(), Results::One, Results::Many);
        Output::json(&Filled {
            results,
            truncated: truncated(rows),
        })
    }

    fn dummy(&self) -> Fill {
        Fill {
            text: Texts::One(format!("A {} run.", self.mask)),
            top_k: 1,
        }
    }
}
