//! What the tasks on texts share: tokens that fit the model, batches padded to their longest, scores, and the loop
//! around the runs. Knows no task.

mod batch;
mod chars;
mod encoding;
mod pipeline;
pub mod scores;
mod special;
mod wire;

pub use batch::{Row, Slice};
pub use chars::Chars;
pub use encoding::{Cut, EncodeError, Encoded, TextEncoder};
pub use pipeline::{TextTask, loaded, one_output};
pub use wire::{Texts, Truncated, truncated};
