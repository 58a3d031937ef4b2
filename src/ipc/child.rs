//! A child process: started so that it cannot outlive the server, watched, and ended with all it started.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process_group, pidfd_open, set_parent_process_death_signal, waitpgid,
};

use super::channel::Channel;
use super::log::Watch;
use crate::pipeline::{ReplicaContext, Wake};

/// Tells a child the process id of its parent: where it has another by the time it looks, it leaves.
pub const PARENT: &str = "HOSTLER_PARENT";

/// What was killed with a child takes a moment to end; what hangs in the kernel is not waited for.
const BURIAL: Duration = Duration::from_secs(1);

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Laid over the environment of this process.
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
}

/// A running child. Dropped, it and all it started are killed.
pub struct Child {
    process: std::process::Child,
    ended: Arc<AtomicBool>,
}

impl Child {
    /// Starts a process with one end of a socket as its standard input; gives the other.
    ///
    /// Called on the replica's own thread and nowhere else: the kernel kills the child when the thread that
    /// started it ends.
    ///
    /// # Errors
    /// When the program cannot be started.
    #[allow(unsafe_code, reason = "one system call between fork and exec")]
    pub fn start(launch: &Launch, context: &ReplicaContext, wake: Wake) -> io::Result<(Self, Channel)> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(k, v)| (k, v)))
            .env(PARENT, std::process::id().to_string())
            .current_dir(&launch.folder)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        // SAFETY: the closure makes one system call, allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| set_parent_process_death_signal(Some(Signal::KILL)).map_err(Into::into));
        }
        let mut process = command.spawn()?;
        let ended = Arc::new(AtomicBool::new(false));
        let watched = watch(&mut process, context, &ended, wake);
        let child = Self { process, ended };
        // The child is ended by its drop, should anything here fail.
        let ends = watched?;
        Ok((child, Channel::new(ours, Some(ends))))
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether the process has ended; told without a system call.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits for the end; false when it did not come in time.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            if matches!(self.process.try_wait(), Ok(Some(_)) | Err(_)) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills it with all it started, and says how it ended.
    pub fn kill(&mut self) -> String {
        let before = self.process.try_wait().ok().flatten();
        if let Some(group) = self.group() {
            // Not found when nobody of the group is left.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        match before.map_or_else(|| self.process.wait(), Ok) {
            Ok(status) => told(status),
            Err(error) => format!("in a way that could not be learned ({error})"),
        }
    }

    /// The group that it leads, and all that it started is in.
    fn group(&self) -> Option<Pid> {
        i32::try_from(self.process.id()).ok().and_then(Pid::from_raw)
    }

    /// Asks for the end of what the child had started, where this process has inherited it: as the first of a
    /// container, which a server often is. Nobody else would, and each would keep its place among the processes.
    fn bury(&self) {
        let Some(group) = self.group() else { return };
        let end = Instant::now() + BURIAL;
        // An error says that no process of the group is this one's child, which is so at once everywhere else.
        while let Ok(ended) = waitpgid(group, WaitOptions::NOHANG) {
            if ended.is_none() {
                if Instant::now() >= end {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        self.bury();
    }
}

/// The thread that reads the child's output and tells of its end; gives a descriptor that shows the end.
fn watch(
    process: &mut std::process::Child,
    context: &ReplicaContext,
    ended: &Arc<AtomicBool>,
    wake: Wake,
) -> io::Result<OwnedFd> {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    let ends = pidfd_open(pid, PidfdFlags::empty())?;
    let stdout = process.stdout.take().map(OwnedFd::from);
    let stderr = process.stderr.take().map(OwnedFd::from);
    let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    for pipe in [&stdout, &stderr] {
        fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
    }
    let watch = Watch {
        model: Arc::clone(&context.model),
        replica: context.replica,
        stdout,
        stderr,
        ends: ends.try_clone()?,
        ended: Arc::clone(ended),
        wake,
    };
    std::thread::Builder::new()
        .name(format!("log/{}", context.replica))
        .spawn(|| watch.run())?;
    Ok(ends)
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(9)) => "with signal 9 (killed; where nobody did, the system was out of memory)".to_owned(),
        (None, Some(signal)) => format!("with signal {signal}"),
        (None, None) => "in an unknown way".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, set_child_subreaper, test_kill_process};

    use super::*;
    use crate::device::Device;

    #[test]
    fn the_first_process_of_a_container_keeps_nothing_of_what_a_child_had_started() {
        // As the first process is by itself: what loses its parent becomes a child of this one.
        set_child_subreaper(Some(getpid())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let context = ReplicaContext {
            model: "test".into(),
            replica: 0,
            device: Device::Cpu,
            threads: 1,
            cache_dir: folder.path().to_owned(),
            wake: Wake::default(),
            store: None,
        };
        let launch = Launch {
            program: "/bin/sh".into(),
            arguments: ["-c", "sleep 600 & echo $! >draft; mv draft started; wait"]
                .map(Into::into)
                .to_vec(),
            environment: Vec::new(),
            folder: folder.path().to_owned(),
        };
        let (child, _channel) = Child::start(&launch, &context, Wake::default()).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let started = loop {
            if let Ok(text) = std::fs::read_to_string(folder.path().join("started")) {
                break Pid::from_raw(text.trim().parse().unwrap()).unwrap();
            }
            assert!(Instant::now() < end, "the child started nothing");
            std::thread::sleep(Duration::from_millis(1));
        };
        test_kill_process(started).unwrap();
        drop(child);
        // One that has ended and that nobody has asked about would still be found.
        assert!(test_kill_process(started).is_err());
    }
}
