//! Logits to labels, by the function that the config calls for.

use super::super::HfConfig;
use super::super::one_or_many::in_form;
use super::super::scores::{self, Function};
use super::super::text::{Cut, Encoded, Slice, TextEncoder, TextTask, Texts, truncated};
use super::endpoint::{Classified, Classify, Label, Labels};
use crate::error::{Error, Fault};
use crate::payload::Output;

pub struct TextClassification {
    pub encoder: TextEncoder,
    pub output: String,
    pub function: Function,
    pub config: HfConfig,
}

/// As the transformers pipeline chooses it.
pub fn function(config: &HfConfig) -> Function {
    match config.problem_type.as_deref() {
        Some("regression") => Function::Plain,
        Some("multi_label_classification") => Function::Sigmoid,
        _ if config.label_count() == 1 => Function::Sigmoid,
        _ => Function::Softmax,
    }
}

impl TextTask for TextClassification {
    type Request = Classify;
    type Row = Encoded;
    type Read = Vec<Label>;

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn pad(&self) -> u32 {
        self.encoder.pad()
    }

    fn rows(&self, request: &Classify) -> Result<Vec<Encoded>, Error> {
        request.text.check("text")?;
        let texts = request.text.all();
        let pairs = request.text_pair.as_ref().map(Texts::all);
        if let Some(pairs) = pairs.filter(|pairs| pairs.len() != texts.len()) {
            let message = format!("holds {} texts, text holds {}", pairs.len(), texts.len());
            return Err(Error::faults(vec![Fault::at(&["text_pair"], message, "length")]));
        }
        let encode = |(i, text): (usize, &String)| {
            let pair = pairs.map(|pairs| pairs[i].as_str());
            self.encoder.encode(i, text, pair, Cut::Longest).map_err(Error::from)
        };
        texts.iter().enumerate().map(encode).collect()
    }

    fn read(&self, request: &Classify, _: &Encoded, outputs: &[Slice<'_>]) -> Result<Vec<Label>, Error> {
        let logits = outputs[0].values;
        let label = |place, score| Label {
            label: self.config.label(place),
            score,
        };
        scores::ranked(logits, self.function, request.top_k, label)
    }

    fn answer(&self, request: &Classify, rows: &[Encoded], read: Vec<Vec<Label>>) -> Result<Output, Error> {
        let results = in_form(read, request.text.is_list(), Labels::One, Labels::Many);
        Output::json(&Classified {
            results,
            truncated: truncated(rows),
        })
    }

    fn dummy(&self) -> Classify {
        Classify {
            text: Texts::One("A dummy run.".into()),
            text_pair: None,
            top_k: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_chooses_the_function() {
        let function = |text: &str| function(&serde_json::from_str(text).unwrap());
        assert_eq!(function("{}"), Function::Softmax);
        assert_eq!(function(r#"{"num_labels": 1}"#), Function::Sigmoid);
        assert_eq!(
            function(r#"{"num_labels": 1, "problem_type": "regression"}"#),
            Function::Plain
        );
        assert_eq!(
            function(r#"{"problem_type": "multi_label_classification"}"#),
            Function::Sigmoid
        );
        assert_eq!(
            function(r#"{"problem_type": "single_label_classification"}"#),
            Function::Softmax
        );
    }
}
