//! `model.toml`: what the author of a model folder says of it.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::config;
use crate::device::Device;

/// The manifest's name in a model folder.
pub const MANIFEST: &str = "model.toml";

/// All keys, none required. Keys shared with `SERVER_MODELS` are overridden by it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The task, where it is not to be recognised from the folder.
    pub task: Option<String>,
    /// A sentence or two for the docs.
    pub description: Option<String>,
    /// The graph file, `model.onnx` unless said.
    pub file: Option<String>,
    /// A second path beside `/NAME`.
    pub endpoint: Option<String>,
    pub replicas: Option<usize>,
    pub devices: Option<Vec<Device>>,
    pub max_batch_size: Option<usize>,
    pub max_queue_delay_ms: Option<f64>,
    pub queue_size: Option<usize>,
    /// Threads inside one run of a replica.
    pub threads: Option<usize>,
    /// Seconds.
    pub request_timeout: Option<f64>,
    /// Where else it is mounted: `/` for the root of the server.
    pub mount: Option<String>,
    /// The interpreter of a folder of Python: a path, from the folder if it is relative, or a name on the path.
    pub python: Option<String>,
    /// Seconds that a replica's process may take to load and compile.
    pub start_timeout: Option<f64>,
    /// Seconds that one call of a replica's process may take before it is killed.
    pub call_timeout: Option<f64>,
    /// Answers after which a replica's process is replaced, so that what it leaks is bounded.
    pub max_requests: Option<u64>,
    /// IPUs side by side that one replica takes.
    pub devices_per_replica: Option<usize>,
    /// What a replica of an ONNX model is.
    #[serde(default)]
    pub isolation: Isolation,
    /// TensorRT before CUDA, on GPUs.
    #[serde(default)]
    pub tensorrt: bool,
    #[serde(default)]
    pub examples: Vec<ManifestExample>,
}

/// Where a replica of an ONNX model runs. Python always runs in a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A thread of the server.
    #[default]
    Thread,
    /// A process of its own: a crash in native code costs one batch and not the server.
    Process,
}

/// A request that the docs show and "Try it out" sends.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestExample {
    pub summary: String,
    pub request: Value,
}

impl Manifest {
    /// Reads the folder's manifest; an absent one says nothing.
    ///
    /// # Errors
    /// Sentences that name the key and what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, Vec<String>> {
        match std::fs::read_to_string(folder.join(MANIFEST)) {
            Ok(text) => Self::parse(&text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(vec![format!("{MANIFEST} cannot be read: {e}")]),
        }
    }

    /// # Errors
    /// As [`Manifest::read`].
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let manifest: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            vec![format!("{MANIFEST}, line {line}: {}", e.message())]
        })?;
        let faults = manifest.faults();
        if faults.is_empty() { Ok(manifest) } else { Err(faults) }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let whole = [
            ("replicas", self.replicas),
            ("max_batch_size", self.max_batch_size),
            ("queue_size", self.queue_size),
            ("threads", self.threads),
            ("devices_per_replica", self.devices_per_replica),
            (
                "max_requests",
                self.max_requests.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            ),
        ];
        for (key, value) in whole {
            if value == Some(0) {
                faults.push(format!("{MANIFEST}: {key} is 0, expected a whole number from 1"));
            }
        }
        let seconds = [
            ("max_queue_delay_ms", self.max_queue_delay_ms),
            ("request_timeout", self.request_timeout),
            ("start_timeout", self.start_timeout),
            ("call_timeout", self.call_timeout),
        ];
        for (key, value) in seconds {
            if value.is_some_and(|v| !(0.0..=86_400_000.0).contains(&v)) {
                faults.push(format!("{MANIFEST}: {key} is out of range, expected a number from 0"));
            }
        }
        if let Some(Err(wrong)) = self.endpoint.as_deref().map(config::check_endpoint) {
            faults.push(format!("{MANIFEST}: endpoint{wrong}"));
        }
        if let Some(mount) = self.mount.as_deref().filter(|m| *m != "/") {
            faults.push(format!(
                "{MANIFEST}: mount is {mount:?}, expected \"/\"; endpoint adds other paths"
            ));
        }
        if self.devices.as_ref().is_some_and(Vec::is_empty) {
            faults.push(format!("{MANIFEST}: devices is empty; leave it out to run anywhere"));
        }
        if let Some(file) = self
            .file
            .as_deref()
            .filter(|f| f.contains("..") || Path::new(f).is_absolute())
        {
            faults.push(format!("{MANIFEST}: file {file:?} leaves the model folder"));
        }
        faults
    }

    pub fn max_queue_delay(&self) -> Option<Duration> {
        self.max_queue_delay_ms.map(|ms| Duration::from_secs_f64(ms / 1000.0))
    }

    pub fn request_timeout(&self) -> Option<Duration> {
        self.request_timeout.map(Duration::from_secs_f64)
    }

    pub fn start_timeout(&self) -> Option<Duration> {
        self.start_timeout.map(Duration::from_secs_f64)
    }

    pub fn call_timeout(&self) -> Option<Duration> {
        self.call_timeout.map(Duration::from_secs_f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let manifest = Manifest::parse(
            r#"
            task = "tensor"
            description = "Digits."
            endpoint = "/v/digits"
            devices = ["cpu", "cuda:1"]
            max_batch_size = 8
            max_queue_delay_ms = 1.5
            tensorrt = true
            [[examples]]
            summary = "one"
            [examples.request]
            x = [[1.0, 2.0]]
            "#,
        )
        .unwrap();
        assert_eq!(manifest.devices, Some(vec![Device::Cpu, Device::Cuda(1)]));
        assert_eq!(manifest.max_queue_delay(), Some(Duration::from_micros(1500)));
        assert_eq!(manifest.examples[0].request, serde_json::json!({"x": [[1.0, 2.0]]}));
    }

    #[test]
    fn faults_name_the_key_and_all_are_told() {
        let wrong = |text| Manifest::parse(text).unwrap_err().join("\n");
        assert!(
            wrong("\nreplica = 2").contains("line 2: unknown field `replica`"),
            "{}",
            wrong("\nreplica = 2")
        );
        assert!(wrong("devices = [\"gpu\"]").contains("cuda:N"));
        let both = wrong("replicas = 0\nthreads = 0\nfile = \"../x.onnx\"");
        assert_eq!(both.lines().count(), 3, "{both}");
    }
}
