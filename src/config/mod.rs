//! Settings: the process environment over `.env` of the working directory, parsed once at start.
//! The only reader of the environment. It knows which model folders are asked for, never what is in
//! them, and it gathers every fault before it gives up, so that an operator mends them in one go.

mod entry;
mod fault;
mod folders;
mod models;
mod names;
mod raw;
mod settings;
mod source;
mod table;
mod url;
mod values;

pub use entry::ModelEntry;
pub use fault::{Fault, Faults};
pub use folders::check_folders;
pub use names::{RESERVED, check_endpoint, check_name};
pub use settings::{CorsOrigins, LogFormat, ModelControl, Settings};
pub use source::environment;
pub use table::{Variable, markdown, variables};
pub use url::SecretUrl;
