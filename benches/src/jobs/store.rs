//! Where a measured server keeps its jobs.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::NO_LIMIT;
use super::redis::{Fsync, Redis};
use crate::server::{Config, Hostler};
use crate::setup::Setup;
use crate::stats::median;

/// What keeps jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    Redis(Fsync),
}

/// A store of a measurement's own. Dropped, its Redis ends before its folder goes.
pub struct Store {
    redis: Option<Redis>,
    folder: TempDir,
}

impl Store {
    pub fn new(setup: &Setup, kind: Kind) -> Result<Self> {
        let folder = folder(setup)?;
        let redis = match kind {
            Kind::Embedded => None,
            Kind::Redis(fsync) => Some(Redis::start(folder.path(), fsync)?),
        };
        Ok(Self { redis, folder })
    }

    /// One that begins with what another one holds. No server may be at that one.
    pub fn copy_of(setup: &Setup, other: &Self) -> Result<Self> {
        let folder = folder(setup)?;
        for entry in fs::read_dir(other.folder.path())? {
            let path = entry?.path();
            if let Some(name) = path.file_name() {
                let copy = folder.path().join(name);
                fs::copy(&path, &copy).context("copying a store")?;
                // Not while something is measured.
                File::open(&copy)?.sync_all()?;
            }
        }
        Ok(Self { redis: None, folder })
    }

    /// Starts a server that keeps its jobs here.
    pub fn serve(&self, setup: &Setup, config: &Config<'_>) -> Result<Hostler> {
        let url = match &self.redis {
            None => format!("file:{}", self.folder.path().display()),
            Some(redis) => redis.url(),
        };
        let mut command = Hostler::command(setup, config);
        command.env("SERVER_STORE_URL", url).env("SERVER_JOB_BACKLOG", NO_LIMIT);
        Hostler::spawn(setup, command)
    }
}

/// Beside the programs, which are on a disk: a folder for temporary files may be in memory, where an fsync is nothing.
fn folder(setup: &Setup) -> Result<TempDir> {
    let disk = setup.hostler.parent().unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix("hostler-benches-").tempdir_in(disk);
    made.context("making a folder for a store")
}

/// Milliseconds that the disk of stores takes for an fsync after 4 KiB, in the middle of some.
pub fn fsync_time(setup: &Setup) -> Result<f64> {
    let folder = folder(setup)?;
    let mut file = File::create(folder.path().join("probe"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        file.write_all(&[7; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&times))
}
