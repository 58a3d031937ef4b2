//! What keeps a server from starting, and the exit code of each.

use std::net::SocketAddr;

use crate::backend::onnx::LoadError;
use crate::config::Faults;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Settings, manifests or model folders are at fault; all faults together, one a line.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
    #[error("{0}")]
    Library(LoadError),
    #[error("cannot listen on {address}: {reason}. {}", remedy(.reason))]
    Bind {
        address: SocketAddr,
        reason: std::io::Error,
    },
    #[error("the system refused: {0}")]
    System(std::io::Error),
    #[error("{0}")]
    Compile(String),
}

fn remedy(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::AddrInUse => {
            "Another program has the port: stop it, or set SERVER_PORT (0 takes any free one)"
        }
        std::io::ErrorKind::PermissionDenied => "Set SERVER_PORT to a port above 1023",
        _ => "Set SERVER_HOST to an address of this machine",
    }
}

impl AppError {
    /// 2 for a fault of settings or usage, 1 for the rest.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Library(_) | Self::Bind { .. } | Self::System(_) | Self::Compile(_) => 1,
        }
    }
}

impl From<Faults> for AppError {
    fn from(faults: Faults) -> Self {
        Self::Settings(faults.0.iter().map(ToString::to_string).collect())
    }
}
