//! One error for the whole server, with a kind, and the one table from kind to HTTP status and gRPC code.
//!
//! Everything that can go wrong for a caller ends here, so that a fault reads the same on every protocol.
//! Knows nothing of HTTP or gRPC libraries: the codes are plain numbers.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong, from the caller's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The body could not be read at all (broken JSON, wrong length).
    Malformed,
    /// The body was read, but breaks the model's contract.
    InvalidInput,
    /// No such model, route or job.
    NotFound,
    /// The route exists, the verb does not.
    MethodNotAllowed,
    /// None of the media types the client accepts can be produced.
    NotAcceptable,
    /// The body is larger than `SERVER_MAX_BODY`.
    TooLarge,
    /// The body's media type is not one the model takes.
    UnsupportedMediaType,
    /// What was asked contradicts what was asked before.
    Conflict,
    /// The model is loading, compiling, failed, or the server drains.
    NotReady,
    /// As many requests as the model admits are queued and running.
    QueueFull,
    /// The request's deadline passed while it waited or ran.
    Deadline,
    /// The client left.
    Cancelled,
    /// The model or this build cannot do what was asked.
    Unsupported,
    /// The replica died while it worked on the request.
    ReplicaLost,
    /// The pipeline reported a failure.
    PipelineFailed,
}

/// How a kind is told on the wires: HTTP status and gRPC status code (numbers of the gRPC specification).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub http: u16,
    pub grpc: u8,
}

impl Kind {
    /// Every kind, for tests and documentation.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::InvalidInput,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Conflict,
        Self::NotReady,
        Self::QueueFull,
        Self::Deadline,
        Self::Cancelled,
        Self::Unsupported,
        Self::ReplicaLost,
        Self::PipelineFailed,
    ];

    /// The table. 499 is the convention for a client that left; nobody is there to read it.
    pub const fn status(self) -> Status {
        let (http, grpc) = match self {
            Self::Malformed => (400, 3),
            Self::InvalidInput => (422, 3),
            Self::NotFound => (404, 5),
            Self::MethodNotAllowed => (405, 12),
            Self::NotAcceptable => (406, 3),
            Self::TooLarge => (413, 8),
            Self::UnsupportedMediaType => (415, 3),
            // As gRPC has it for a key that was used for something else: to send it again does not help.
            Self::Conflict => (409, 6),
            Self::NotReady => (503, 14),
            Self::QueueFull => (503, 8),
            Self::Deadline => (504, 4),
            Self::Cancelled => (499, 1),
            Self::Unsupported => (501, 12),
            Self::ReplicaLost | Self::PipelineFailed => (500, 13),
        };
        Status { http, grpc }
    }

    /// The kind of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// A stable word for programs: the `type` of a fault, the label of a metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Conflict => "conflict",
            Self::NotReady => "not_ready",
            Self::QueueFull => "queue_full",
            Self::Deadline => "deadline_exceeded",
            Self::Cancelled => "cancelled",
            Self::Unsupported => "unsupported",
            Self::ReplicaLost => "replica_lost",
            Self::PipelineFailed => "pipeline_failed",
        }
    }
}

/// One fault of an input: where it is and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Path from the body inwards: `["body", "text", "0"]`.
    pub loc: Vec<String>,
    pub msg: String,
    /// A stable word for programs.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
}

impl Fault {
    /// A fault at a path below the body.
    pub fn at<S: AsRef<str>>(path: &[S], msg: impl Into<String>, kind: &'static str) -> Self {
        let loc = std::iter::once("body".to_owned())
            .chain(path.iter().map(|p| p.as_ref().to_owned()))
            .collect();
        Self {
            loc,
            msg: msg.into(),
            kind: Cow::Borrowed(kind),
        }
    }
}

/// An error that names the fault and, where there is one, the remedy. Never holds a secret, a stack or a path.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: Cow<'static, str>,
    faults: Vec<Fault>,
    retry_after: Option<Duration>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        // A client that is told to come back needs to know when; a second suits both a queue and a load.
        let retry_after = matches!(kind, Kind::NotReady | Kind::QueueFull).then_some(Duration::from_secs(1));
        Self {
            kind,
            message: message.into(),
            faults: Vec::new(),
            retry_after,
        }
    }

    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Malformed, message)
    }

    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    pub fn pipeline(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::PipelineFailed, message)
    }

    /// An invalid input with the path of each fault; the message sums them up.
    pub fn faults(faults: Vec<Fault>) -> Self {
        let message = match faults.as_slice() {
            [] => "the input breaks the model's contract".to_owned(),
            [only] => format!("{}: {}", only.loc.join("."), only.msg),
            [first, rest @ ..] => {
                format!(
                    "{}: {} (and {} more, see detail)",
                    first.loc.join("."),
                    first.msg,
                    rest.len()
                )
            }
        };
        Self {
            faults,
            ..Self::invalid(message)
        }
    }

    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The faults of an invalid input; empty for every other kind.
    pub fn detail(&self) -> &[Fault] {
        &self.faults
    }

    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_a_client_or_server_error_with_a_name_of_its_own() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|k| k.name()).collect();
        for kind in Kind::ALL {
            assert!((400..600).contains(&kind.status().http), "{kind:?}");
            assert!((1..=16).contains(&kind.status().grpc), "{kind:?}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn only_refusals_that_pass_carry_a_time_to_come_back() {
        for kind in Kind::ALL {
            let told = Error::new(kind, "x").retry_after().is_some();
            assert_eq!(told, kind.status().http == 503, "{kind:?}");
        }
    }

    #[test]
    fn the_message_of_several_faults_names_the_first_and_counts_the_rest() {
        let error = Error::faults(vec![
            Fault::at(&["question"], "is required", "missing"),
            Fault::at(&["context"], "is not a string", "type"),
        ]);
        assert_eq!(error.message(), "body.question: is required (and 1 more, see detail)");
        assert_eq!(error.detail().len(), 2);
    }
}
