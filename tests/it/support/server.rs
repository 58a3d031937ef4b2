//! A server in this process, on a free port of the loopback, with a runtime of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use hostler::Server;
use hostler::app::{self, Plan, Stores};
use hostler::config::Settings;
use hostler::service::Service;
use tokio::sync::oneshot;

use super::client::Client;
use super::eventually;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A running server; it drains when dropped.
pub struct TestServer {
    pub client: Client,
    pub service: Arc<Service>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _cache: Option<tempfile::TempDir>,
}

/// Settings from variables alone, as the command reads them.
pub fn settings(variables: &[(&str, &str)]) -> Settings {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    all.extend(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    Settings::from_vars(all).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A models folder with these model files.
pub fn models_dir(models: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in models {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name).join("model.onnx"), bytes).unwrap();
    }
    dir
}

impl TestServer {
    /// Serves model folders of `dir`, and waits until they are ready.
    pub async fn folders(dir: &Path, models: &str, more: &[(&str, &str)]) -> Self {
        let server = Self::loading(dir, models, more).await;
        let service = Arc::clone(&server.service);
        eventually("every model is ready", async || service.is_ready()).await;
        server
    }

    /// Serves model folders of `dir`, and does not wait for them.
    pub async fn loading(dir: &Path, models: &str, more: &[(&str, &str)]) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let (dir, cache_dir) = (dir.to_str().unwrap(), cache.path().to_str().unwrap());
        let store = format!("file:{cache_dir}/jobs");
        let fixed = [
            ("SERVER_MODELS", models),
            ("SERVER_MODELS_DIR", dir),
            ("SERVER_MODEL_CACHE_DIR", cache_dir),
            ("SERVER_STORE_URL", store.as_str()),
        ];
        let settings = settings(&[&fixed[..], more].concat());
        let plan = Plan::make(&settings).unwrap_or_else(|e| panic!("{e}"));
        let runtime = app::needed_runtime(&plan).unwrap_or_else(|e| panic!("{e}"));
        let stores = Stores::of(&settings).unwrap_or_else(|e| panic!("{e}"));
        let service = app::start(plan, &settings, runtime.as_ref(), &stores.values).unwrap();
        Self::run(service, stores, settings, Some(cache)).await
    }

    /// Serves what a library user built, and waits until it is ready.
    pub async fn library(server: Server) -> Self {
        let (service, stores, settings) = server.start().unwrap();
        let server = Self::run(service, stores, settings, None).await;
        let service = Arc::clone(&server.service);
        eventually("the app is ready", async || service.is_ready()).await;
        server
    }

    async fn run(service: Arc<Service>, stores: Stores, settings: Settings, cache: Option<tempfile::TempDir>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (bound_tx, bound) = oneshot::channel();
        let serving = Arc::clone(&service);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listening = app::bind(LOOPBACK, 0).await.unwrap();
                bound_tx.send(listening.url()).unwrap();
                let stopped = async { drop(stopped.await) };
                app::serve(listening, serving, stores, &settings, stopped)
                    .await
                    .unwrap();
            });
        });
        let client = Client::new(bound.await.unwrap());
        Self {
            client,
            service,
            stop: Some(stop),
            thread: Some(thread),
            _cache: cache,
        }
    }

    /// Asks the server to stop, as SIGTERM does; the drain goes on while the test does.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the end of the drain.
    pub fn join(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.join();
    }
}
