//! Vectors of tokens, or of whole texts, to the vectors that are asked for.

use super::super::one_or_many::in_form;
use super::super::text::{Cut, Encoded, Slice, TextEncoder, TextTask, Texts, scores, truncated};
use super::endpoint::{Embed, Embedded, Features, Pooling, Results};
use super::folder::Sentence;
use super::pooling::{Mode, normalized, pooled};
use crate::error::{Error, Fault};
use crate::payload::Output;

pub struct FeatureExtraction {
    pub encoder: TextEncoder,
    /// The output with a vector for each token.
    pub hidden: Option<String>,
    /// The output with a vector for the whole text.
    pub pooled: Option<String>,
    pub sentence: Sentence,
}

/// Where a text's vector comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way<'a> {
    /// The graph pools by itself.
    Graph,
    /// Tokens are pooled.
    Pool(&'a [Mode]),
    /// Tokens are given as they are.
    Tokens,
}

fn fault(field: &str, message: &str) -> Error {
    Error::faults(vec![Fault::at(&[field], message, "unsupported")])
}

impl FeatureExtraction {
    /// How this request's vectors are made, and whether they are normalised.
    fn way(&self, request: &Embed) -> Result<(Way<'_>, bool), Error> {
        let asked: Option<&[Mode]> = match request.pooling {
            Some(Pooling::None) => None,
            Some(Pooling::Mean) => Some(&[Mode::Mean]),
            Some(Pooling::Cls) => Some(&[Mode::Cls]),
            None => Some(self.sentence.modes()),
        };
        let usual = request.pooling.is_none() || (asked.is_some() && asked == self.sentence.told_modes());
        let way = match asked {
            None => Way::Tokens,
            Some(_) if usual => self.usual(request)?,
            Some(modes) => Way::Pool(modes),
        };
        if way != Way::Graph && self.hidden.is_none() {
            return Err(fault("pooling", "is done by this model's graph; leave the field out"));
        }
        let normalizes = self.sentence.normalizes && way != Way::Tokens;
        Ok((way, request.normalize.unwrap_or(normalizes)))
    }

    /// The folder's own pooling: the graph's, where it has one.
    fn usual(&self, request: &Embed) -> Result<Way<'_>, Error> {
        let pool = Way::Pool(self.sentence.modes());
        if self.pooled.is_none() {
            return Ok(pool);
        }
        if request.normalize != Some(false) || !self.sentence.normalizes {
            return Ok(Way::Graph);
        }
        // The graph's vectors are normalised: others are made of its tokens, where nothing stands between.
        if self.hidden.is_some() && self.sentence.others.is_empty() {
            return Ok(pool);
        }
        Err(fault("normalize", "is done by this model's graph; leave the field out"))
    }
}

impl TextTask for FeatureExtraction {
    type Request = Embed;
    type Row = Encoded;
    type Read = Features;

    fn outputs(&self) -> Vec<&str> {
        self.hidden.iter().chain(&self.pooled).map(String::as_str).collect()
    }

    fn pad(&self) -> u32 {
        self.encoder.pad()
    }

    fn rows(&self, request: &Embed) -> Result<Vec<Encoded>, Error> {
        request.text.check("text")?;
        self.way(request)?;
        let encode = |(i, text): (usize, &String)| {
            let encoded = self
                .encoder
                .encode(i, &self.sentence.prepared(text), None, Cut::Longest);
            encoded.map_err(Error::from)
        };
        request.text.all().iter().enumerate().map(encode).collect()
    }

    fn read(&self, request: &Embed, row: &Encoded, outputs: &[Slice<'_>]) -> Result<Features, Error> {
        let (way, normalize) = self.way(request)?;
        let finish = |vector: &[f32]| {
            if normalize { normalized(vector) } else { vector.to_vec() }
        };
        if way == Way::Graph {
            // The last of the outputs, after that of the tokens.
            let vector = outputs.last().map_or(&[][..], |slice| slice.values);
            scores::check(vector)?;
            return Ok(Features::Vector(finish(vector)));
        }
        let Slice { shape, values } = outputs[0];
        let dimensions = match shape {
            [tokens, dimensions] if *tokens >= row.encoding.len() => *dimensions,
            _ => return Err(Error::pipeline("the model's output does not have one vector per token")),
        };
        let values = &values[..row.encoding.len() * dimensions];
        scores::check(values)?;
        Ok(match way {
            Way::Pool(modes) => Features::Vector(finish(&pooled(modes, values, dimensions))),
            Way::Tokens | Way::Graph => Features::Tokens(values.chunks(dimensions.max(1)).map(finish).collect()),
        })
    }

    fn answer(&self, request: &Embed, rows: &[Encoded], read: Vec<Features>) -> Result<Output, Error> {
        let results = in_form(read, request.text.is_list(), Results::One, Results::Many);
        Output::json(&Embedded {
            results,
            truncated: truncated(rows),
        })
    }

    fn dummy(&self) -> Embed {
        Embed {
            text: Texts::One("A dummy run.".into()),
            pooling: None,
            normalize: None,
        }
    }
}
