//! A Redis of a test's own: Debian's redis-server on a loopback port, with nothing on disk that outlives it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running one; killed when dropped.
pub struct Redis {
    pub port: u16,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Redis {
    pub fn start() -> Self {
        // Another process may take the port that was free a moment ago.
        let started = (0..5).find_map(|_| Self::on(free_port()));
        started.expect("redis-server ended at once, five times")
    }

    fn on(port: u16) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("redis-server, which this test needs: {e}; apt-get install redis-server"));
        let mut redis = Self { port, child, _dir: dir };
        let own = format!("\r\nprocess_id:{}\r\n", redis.child.id());
        let end = Instant::now() + Duration::from_secs(10);
        while redis.child.try_wait().unwrap().is_none() {
            if redis.ask("INFO server").is_ok_and(|told| told.contains(&own)) {
                return Some(redis);
            }
            assert!(Instant::now() < end, "redis-server does not answer within 10 s");
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// What it answers to a command: a string as it is, anything else as the line that the protocol has for it.
    pub fn ask(&self, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        // A string stands behind its length.
        let Some(length) = line.strip_prefix('$').and_then(|length| length.parse().ok()) else {
            return Ok(line.to_owned());
        };
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
