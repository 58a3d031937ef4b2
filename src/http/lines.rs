//! Streams as JSON lines, the form of kserve-helper: `{"id":N,"data":…}` for each chunk and for a final value,
//! N counted from 0. A fault after the first line is a line with `error` in place of `data`.

use bytes::Bytes;
use serde_json::Value;

use super::stream::Framing;
use crate::contract::Contract;
use crate::payload::{Chunk, Output};
use crate::pipeline::{Event, Final};

/// The media type of JSON lines.
pub const JSON_LINES: &str = "application/x-ndjson";

/// Numbers the lines of one stream.
#[derive(Default)]
pub struct Lines {
    next: u64,
}

impl Framing for Lines {
    const CONTENT_TYPE: &'static str = JSON_LINES;

    fn frame(&mut self, event: Event, contract: &Contract) -> Bytes {
        match event {
            Event::Chunk(Chunk::Json(text)) => self.line("data", &text),
            // What an author wrote out himself passes as it is: `wrap_generator` makes whole lines.
            Event::Chunk(Chunk::Bytes(bytes)) => bytes,
            Event::Chunk(Chunk::Head(_) | Chunk::Progress(_))
            | Event::Final(Final {
                result: Ok(Output::Chunks),
                ..
            }) => Bytes::new(),
            Event::Final(Final { result, .. }) => match result.and_then(|output| contract.encode(output)) {
                Ok(text) => self.line("data", &text),
                Err(error) => self.line("error", Value::from(error.message()).to_string().as_bytes()),
            },
        }
    }
}

impl Lines {
    fn line(&mut self, key: &str, json: &[u8]) -> Bytes {
        let mut line = format!("{{\"id\":{},\"{key}\":", self.next).into_bytes();
        self.next += 1;
        // Between tokens a line feed is a space, and inside of strings there is none.
        line.extend(json.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
        line.extend_from_slice(b"}\n");
        line.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Schema;
    use crate::error::Error;
    use crate::pipeline::Timing;

    #[test]
    fn lines_are_numbered_and_each_is_one_line() {
        let contract = Contract::json(Schema::any(), Schema::any());
        let last = |result| {
            Event::Final(Final {
                result,
                timing: Timing::default(),
            })
        };
        let mut lines = Lines::default();
        let chunk = Event::Chunk(Chunk::Json(Bytes::from_static(b"{\"a\":\n1}")));
        assert_eq!(lines.frame(chunk, &contract), "{\"id\":0,\"data\":{\"a\": 1}}\n");
        let written = Event::Chunk(Chunk::Bytes(Bytes::from_static(b"{\"id\": 7}\n")));
        assert_eq!(lines.frame(written, &contract), "{\"id\": 7}\n");
        let fault = last(Err(Error::pipeline("out of \"luck\"")));
        assert_eq!(
            lines.frame(fault, &contract),
            "{\"id\":1,\"error\":\"out of \\\"luck\\\"\"}\n"
        );
        assert!(lines.frame(last(Ok(Output::Chunks)), &contract).is_empty());
    }
}
