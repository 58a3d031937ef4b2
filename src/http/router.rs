//! What every handler shares, and the fixed routes.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get};
use utoipa_swagger_ui::Config;

use super::entry::{Entry, Fixed, with_cors};
use super::request::RequestIds;
use super::{ancestors, docs, health, jobs, kserve_v1, native};
use crate::config::CorsOrigins;
use crate::jobs::Jobs;
use crate::service::Service;
use crate::upload::Uploader;
use crate::webhook;

/// What the front needs of the settings.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// The largest body, in bytes.
    pub max_body: usize,
    /// The status of a full queue, 503 or 429.
    pub overload_status: u16,
    pub cors: CorsOrigins,
}

/// What every handler shares.
pub struct Front {
    pub service: Arc<Service>,
    /// None where this server keeps no jobs.
    pub jobs: Option<Arc<Jobs>>,
    /// Knows which addresses of webhooks will do.
    pub webhooks: Option<webhook::Client>,
    pub uploader: Uploader,
    pub ids: RequestIds,
    pub max_body: usize,
    pub overload_status: u16,
    pub swagger: Arc<Config<'static>>,
    /// When the server started, in seconds of the Unix epoch.
    pub started: u64,
}

/// What the front stands before.
pub struct Parts {
    pub service: Arc<Service>,
    /// None where this server keeps no jobs.
    pub jobs: Option<Arc<Jobs>>,
    /// Knows which addresses of webhooks will do.
    pub webhooks: Option<webhook::Client>,
    /// Brings files of answers where they are wanted.
    pub uploader: Uploader,
}

/// All routes over a service. Without jobs their routes answer 501, and requests that would rather be jobs are answered
/// as any other.
pub fn front(parts: Parts, settings: &FrontSettings) -> Entry {
    let front = Arc::new(Front {
        service: parts.service,
        jobs: parts.jobs,
        webhooks: parts.webhooks,
        uploader: parts.uploader,
        ids: RequestIds::new(),
        max_body: settings.max_body,
        overload_status: settings.overload_status,
        swagger: docs::config(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs()),
    });
    // A handler may be mounted at the root: only GET is the server's own there.
    let mut fixed = Fixed::default().route("/", any(root));
    let own: [(&str, MethodRouter<Arc<Front>>); 5] = [
        ("/health/startup", get(health::startup)),
        ("/health/readiness", get(health::readiness)),
        ("/health/liveness", get(health::liveness)),
        ("/v2/health/live", get(health::v2_live)),
        ("/v2/health/ready", get(health::v2_ready)),
    ];
    for (path, handler) in own {
        fixed = fixed.route(&format!("{path}/"), handler.clone()).route(path, handler);
    }
    // An author may mount these paths too: what is not the server's own verb there is the author's.
    let earlier: [(&str, MethodRouter<Arc<Front>>); 4] = [
        ("/_k/status", get(ancestors::status)),
        ("/__status__", get(ancestors::status)),
        ("/_k/warmup", get(ancestors::warm_up).post(ancestors::warm_up)),
        ("/healthcheck", get(ancestors::healthcheck)),
    ];
    for (path, handler) in earlier {
        fixed = fixed.route(path, handler.fallback(ancestors::other_verb));
    }
    let fixed = fixed
        .route("/v1/models", any(kserve_v1::models))
        .route("/v1/models/{model}", any(kserve_v1::model))
        .route("/jobs", any(jobs::handle))
        .route("/jobs/", any(jobs::handle))
        .route("/jobs/{*path}", any(jobs::handle))
        .route("/openapi.json", get(docs::json))
        .route("/docs", get(docs::without_slash))
        .route("/docs/", get(docs::index))
        .route("/docs/{*path}", get(docs::asset));
    with_cors(fixed.before(front), &settings.cors)
}

/// The server's own page for those who read, a model's endpoint for the rest.
async fn root(State(front): State<Arc<Front>>, request: Request) -> Response {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let upgrades = request.headers().contains_key(header::UPGRADE);
    if reads && !upgrades {
        return health::root(&front, request.headers());
    }
    native::handle(State(front), request).await
}
