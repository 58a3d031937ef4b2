//! A Python pipeline without a front: a replica's thread and its process, and the wire between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use hostler::catalog::{self, Surroundings};
use hostler::config::ModelEntry;
use hostler::payload::{Payload, Tensors};
use hostler::pipeline::{Batch, Pipeline, ReplicaContext, Request, RequestState, Wake, unary};
use hostler::{Device, Output, Tensor};

use crate::figures::Figures;
use crate::process::own_cpu_time;
use crate::setup::Setup;
use crate::stats::percentile;

/// A replica of a folder of Python, owned by the calling thread.
pub struct Wire {
    pipeline: Box<dyn Pipeline>,
}

impl Wire {
    /// Starts it.
    pub fn start(setup: &Setup, folder: &Path) -> Result<Self> {
        let cache_dir = setup.subfolder("cache")?;
        let surroundings = Surroundings {
            cache_dir: cache_dir.clone(),
            environment: std::env::vars().collect::<BTreeMap<_, _>>(),
            wait_timeout: Duration::from_secs(60),
            request_timeout: None,
        };
        let spec =
            catalog::load(folder, &ModelEntry::new("array"), &surroundings).map_err(|f| anyhow!(f.join("\n")))?;
        let build = spec
            .builder
            .make(None)
            .context("a folder of Python needs no ONNX Runtime")?;
        let context = ReplicaContext {
            model: Arc::clone(&spec.name),
            replica: 0,
            device: Device::Cpu,
            threads: 1,
            cache_dir,
            wake: Wake::for_this_thread(),
            store: None,
        };
        let mut pipeline = build.build(&context).map_err(|e| anyhow!("{e}"))?;
        pipeline.compile().map_err(|e| anyhow!("{e}"))?;
        Ok(Self { pipeline })
    }

    /// Sends an array there and back, again and again.
    pub fn measure(&mut self, setup: &Setup, array: &Tensor) -> Result<Figures> {
        let warm = Instant::now();
        while warm.elapsed() < setup.warm_up {
            self.round_trip(array)?;
        }
        let (started, before) = (Instant::now(), own_cpu_time()?);
        let mut times = Vec::new();
        let mut last = started;
        while last - started < setup.length {
            self.round_trip(array)?;
            let now = Instant::now();
            times.push((now - last).as_secs_f64() * 1e6);
            last = now;
        }
        let cpu = own_cpu_time()?.saturating_sub(before);
        let runs = times.len() as f64;
        times.sort_by(f64::total_cmp);
        Ok(Figures {
            rate: runs / (last - started).as_secs_f64(),
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            cpu: cpu.as_secs_f64() * 1e6 / runs,
            generator_cpu: None,
        })
    }

    fn round_trip(&mut self, array: &Tensor) -> Result<()> {
        let input = Payload::Tensors(Tensors {
            tensors: vec![array.clone()],
            implicit_batch: false,
        });
        let (reply, mut receiver) = unary(Instant::now());
        let request = Request::new("".into(), 1, RequestState::new(input), reply);
        let mut batch = Batch::new(vec![request]);
        self.pipeline.run(&mut batch).map_err(|e| anyhow!("{e}"))?;
        let answer = receiver
            .try_last()
            .context("no answer")?
            .result
            .map_err(|e| anyhow!("{e}"))?;
        let Output::Tensors(back) = answer else {
            return Err(anyhow!("no tensors came back"));
        };
        ensure!(
            back.len() == 1 && back[0].len() == array.len(),
            "another array came back"
        );
        Ok(())
    }
}
