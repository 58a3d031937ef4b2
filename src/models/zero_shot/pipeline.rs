//! Each text with each label's sentence as a pair, and the logits of their entailment as scores of the labels.

use super::super::one_or_many::in_form;
use super::super::text::{Cut, EncodeError, Encoded, Slice, TextEncoder, TextTask, Texts, scores, truncated};
use super::endpoint::{Candidates, Results, Scored, Sort, Sorted};
use super::template::Template;
use crate::error::{Error, Fault};
use crate::payload::Output;

/// The most labels of one request: each is a sequence of its own for the model to read.
const MAX_LABELS: usize = 100;
/// The most pairs of texts and labels of one request.
const MAX_PAIRS: usize = 4096;

pub struct ZeroShot {
    pub encoder: TextEncoder,
    pub output: String,
    /// The label of a text that follows from the other.
    pub entailment: usize,
}

/// What a model says of one pair.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    entailment: f32,
    contradiction: f32,
}

fn fault(path: &[String], message: impl Into<String>, kind: &'static str) -> Error {
    Error::faults(vec![Fault::at(path, message, kind)])
}

/// The sentence of each label.
fn hypotheses(request: &Sort) -> Result<Vec<String>, Error> {
    let labels = request.candidate_labels.all();
    let refuse = |message: String| Err(fault(&["candidate_labels".to_owned()], message, "length"));
    match labels.len() {
        0 => return refuse("holds no label; send at least one".into()),
        n if n > MAX_LABELS => return refuse(format!("holds {n} labels, at most {MAX_LABELS} are taken")),
        n if n * request.text.all().len() > MAX_PAIRS => {
            return refuse(format!(
                "makes more than {MAX_PAIRS} pairs with the texts; send several requests"
            ));
        }
        _ => {}
    }
    let template = Template::read(&request.hypothesis_template)
        .map_err(|wrong| fault(&["hypothesis_template".to_owned()], wrong, "template"))?;
    Ok(labels.into_iter().map(|label| template.with(label)).collect())
}

impl ZeroShot {
    fn pair(&self, request: &Sort, text: usize, label: usize, hypothesis: &str) -> Result<Encoded, Error> {
        let premise = &request.text.all()[text];
        let encoded = self.encoder.encode(text, premise, Some(hypothesis), Cut::First);
        encoded.map_err(|error| match error {
            EncodeError::NoRoom { .. } => {
                let index = matches!(request.candidate_labels, Candidates::List(_)).then(|| label.to_string());
                let path: Vec<_> = std::iter::once("candidate_labels".to_owned()).chain(index).collect();
                fault(&path, format!("with its template {error}"), "too_long")
            }
            other @ EncodeError::Tokenizer(_) => other.into(),
        })
    }
}

/// The scores of one text's labels.
fn label_scores(judged: &[Judged], multi_label: bool) -> Vec<f32> {
    if multi_label || judged.len() == 1 {
        let own = |one: &Judged| scores::softmax(&[one.contradiction, one.entailment])[1];
        judged.iter().map(own).collect()
    } else {
        let logits: Vec<f32> = judged.iter().map(|one| one.entailment).collect();
        scores::softmax(&logits)
    }
}

/// Labels by their scores, best first; of equal ones the last goes before, as in the transformers pipeline.
fn sorted(labels: &[&str], scores: &[f32]) -> Vec<Scored> {
    let sorted = labels.iter().zip(scores).map(|(label, score)| Scored {
        label: (*label).to_owned(),
        score: *score,
    });
    let mut all: Vec<Scored> = sorted.collect();
    all.sort_by(|a, b| a.score.total_cmp(&b.score));
    all.reverse();
    all
}

impl TextTask for ZeroShot {
    type Request = Sort;
    type Row = Encoded;
    type Read = Judged;

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn pad(&self) -> u32 {
        self.encoder.pad()
    }

    fn rows(&self, request: &Sort) -> Result<Vec<Encoded>, Error> {
        request.text.check("text")?;
        let texts = request.text.all();
        if let Some(empty) = texts.iter().position(String::is_empty) {
            let path = request.text.path("text", empty);
            return Err(fault(&path, "is empty; there is nothing to label", "length"));
        }
        let hypotheses = hypotheses(request)?;
        let mut rows = Vec::with_capacity(texts.len() * hypotheses.len());
        for text in 0..texts.len() {
            for (label, hypothesis) in hypotheses.iter().enumerate() {
                rows.push(self.pair(request, text, label, hypothesis)?);
            }
        }
        Ok(rows)
    }

    fn read(&self, _: &Sort, _: &Encoded, outputs: &[Slice<'_>]) -> Result<Judged, Error> {
        let logits = outputs[0].values;
        scores::check(logits)?;
        // The reference takes the first label for the opposite, or the last one where the first is entailment.
        let opposite = if self.entailment == 0 {
            logits.len().saturating_sub(1)
        } else {
            0
        };
        match (logits.get(self.entailment), logits.get(opposite)) {
            (Some(entailment), Some(contradiction)) => Ok(Judged {
                entailment: *entailment,
                contradiction: *contradiction,
            }),
            _ => Err(Error::pipeline(
                "the model has fewer logits than config.json has labels",
            )),
        }
    }

    fn answer(&self, request: &Sort, rows: &[Encoded], read: Vec<Judged>) -> Result<Output, Error> {
        let labels = request.candidate_labels.all();
        let one = |judged: &[Judged]| sorted(&labels, &label_scores(judged, request.multi_label));
        let lists = read.chunks(labels.len().max(1)).map(one).collect();
        let results = in_form(lists, request.text.is_list(), Results::One, Results::Many);
        Output::json(&Sorted {
            results,
            truncated: truncated(rows),
        })
    }

    fn dummy(&self) -> Sort {
        Sort {
            text: Texts::One("A dummy run.".into()),
            candidate_labels: Candidates::Text("dummy".into()),
            hypothesis_template: "{}".into(),
            multi_label: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_share_one_or_stand_for_themselves() {
        let judged = |entailment, contradiction| Judged {
            entailment,
            contradiction,
        };
        let both = [judged(0.0, 0.0), judged(0.0, 100.0)];
        assert_eq!(label_scores(&both, false), [0.5, 0.5]);
        let own = label_scores(&both, true);
        assert!((own[0] - 0.5).abs() < 1e-6 && own[1] < 1e-6, "{own:?}");
        assert_eq!(label_scores(&both[..1], false), [0.5]);
    }

    #[test]
    fn of_equal_labels_the_last_goes_before() {
        let labels: Vec<_> = sorted(&["a", "b", "c"], &[0.25, 0.5, 0.25])
            .into_iter()
            .map(|scored| scored.label)
            .collect();
        assert_eq!(labels, ["b", "c", "a"]);
    }
}
