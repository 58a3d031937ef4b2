//! Windows of a context to start and end logits, and those to answers.

use super::super::text::{Slice, TextTask, scores};
use super::decode::{Logits, answers};
use super::endpoint::{Answer, Question};
use super::windows::{Window, Windower};
use crate::error::Error;
use crate::payload::Output;

pub struct QuestionAnswering {
    pub windower: Windower,
}

impl TextTask for QuestionAnswering {
    type Request = Question;
    type Row = Window;
    type Read = Logits;

    /// Named as every exporter names them.
    fn outputs(&self) -> Vec<&str> {
        vec!["start_logits", "end_logits"]
    }

    fn pad(&self) -> u32 {
        self.windower.pad()
    }

    fn rows(&self, request: &Question) -> Result<Vec<Window>, Error> {
        self.windower.windows(request)
    }

    fn read(&self, _: &Question, window: &Window, outputs: &[Slice<'_>]) -> Result<Logits, Error> {
        let logits = |slice: &Slice<'_>| match slice.shape {
            [tokens] if *tokens >= window.ids.len() => {
                let logits = slice.values[..window.ids.len()].to_vec();
                scores::check(&logits).map(|()| logits)
            }
            _ => Err(Error::pipeline("the model's logits do not have one entry per token")),
        };
        Ok((logits(&outputs[0])?, logits(&outputs[1])?))
    }

    fn answer(&self, request: &Question, windows: &[Window], read: Vec<Logits>) -> Result<Output, Error> {
        let Question {
            context,
            top_k,
            max_answer_len,
            ..
        } = request;
        let spans = answers(windows, &read, context, *top_k, *max_answer_len);
        Output::json(&Answer::new(spans, *top_k))
    }

    fn dummy(&self) -> Question {
        Question {
            question: "Who?".into(),
            context: "A dummy run.".into(),
            top_k: 1,
            max_answer_len: 1,
            doc_stride: None,
        }
    }
}
