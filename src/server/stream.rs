//! What a streaming handler emits through.

use serde::Serialize;

use crate::error::{Error, Kind};
use crate::payload::Chunk;
use crate::pipeline::{Request, SendError};

/// The way out of a streaming handler. A slow client is waited for, up to a limit.
pub struct Stream<'a> {
    pub(super) request: &'a mut Request,
}

impl Stream<'_> {
    /// Emits one JSON value.
    ///
    /// # Errors
    /// When the client left or was cut; return it, and the handler ends.
    pub fn emit<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.send(Chunk::json(value)?)
    }

    /// Reports how far the work is, beside the pieces of the answer: any JSON value. See [`Request::progress`].
    pub fn progress<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.request.progress(value);
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), Error> {
        match self.request.emit_blocking(chunk) {
            Ok(()) => Ok(()),
            Err(SendError::Gone | SendError::Full(_)) => Err(Error::new(Kind::Cancelled, "the client left")),
        }
    }

    /// Whether nobody waits for the rest any more.
    pub fn is_cancelled(&self) -> bool {
        self.request.is_cancelled()
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        self.request.id()
    }
}
