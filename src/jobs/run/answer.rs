//! What a pipeline answered, as it is kept.

use bytes::Bytes;

use crate::contract::Contract;
use crate::error::Error;
use crate::jobs::job::Answer;
use crate::payload::Output;

const JSON: &str = "application/json";
/// The longest part of an author's own error body that is kept.
const KEPT: usize = 2000;

/// The answer of a job.
///
/// # Errors
/// What the author's own response says, where it is one of failure; an output that cannot be written.
pub fn answer(contract: &Contract, output: Output) -> Result<Answer, Error> {
    let (content_type, body): (String, Bytes) = match output {
        Output::Media { content_type, bytes } => (content_type, bytes),
        Output::Files(files) => match files.only() {
            Some(file) => (file.content_type.clone(), file.bytes.clone()),
            None => (JSON.to_owned(), files.to_json()),
        },
        Output::Response { head, body } if head.status >= 400 => {
            let text: String = String::from_utf8_lossy(&body).chars().take(KEPT).collect();
            return Err(Error::pipeline(format!(
                "the pipeline answered {}: {text}",
                head.status
            )));
        }
        Output::Response { head, body } => (head.media.unwrap_or_default(), body),
        output => (JSON.to_owned(), contract.encode(output)?),
    };
    Ok(Answer { content_type, body })
}
