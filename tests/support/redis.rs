//! A Redis of a test's own: Debian's redis-server on a free port of the loopback, its data in a folder that goes with
//! it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than a start takes.
const LONG: Duration = Duration::from_secs(20);

/// A running one; killed when dropped.
pub struct RedisServer {
    pub port: u16,
    pub child: Child,
    keeps: bool,
    folder: TempDir,
}

impl RedisServer {
    /// One that keeps nothing on disk.
    pub fn start() -> Self {
        Self::launch(false)
    }

    /// One that has everything on disk before it answers.
    pub fn durable() -> Self {
        Self::launch(true)
    }

    fn launch(keeps: bool) -> Self {
        // Another process may take the port that was free a moment ago.
        for _ in 0..5 {
            let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
            let child = spawn(port, keeps, &folder);
            let mut server = Self {
                port,
                child,
                keeps,
                folder,
            };
            if server.answers() {
                return server;
            }
        }
        panic!("redis-server ended at once, five times");
    }

    /// What `SERVER_STORE_URL` would be.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it without a warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same port and with the same data.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, self.keeps, &self.folder);
        assert!(self.answers(), "redis-server does not start again");
    }

    /// What it answers to a command: a string as it is, anything else as the line that the protocol has for it.
    pub fn ask(&self, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), LONG)?;
        stream.set_read_timeout(Some(LONG))?;
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

    /// Whether it takes commands, sooner or later: this one, and no other that took the port. It refuses all commands
    /// while it reads its data.
    fn answers(&mut self) -> bool {
        let own = format!("\r\nprocess_id:{}\r\n", self.child.id());
        let end = Instant::now() + LONG;
        while self.child.try_wait().unwrap().is_none() {
            if self.ask("INFO server").is_ok_and(|told| told.contains(&own))
                && self.ask("PING").is_ok_and(|told| told == "+PONG")
            {
                return true;
            }
            assert!(Instant::now() < end, "redis-server does not answer within {LONG:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port of the loopback that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(port: u16, keeps: bool, folder: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
        .args(["--appendonly", if keeps { "yes" } else { "no" }])
        .args(["--appendfsync", "always", "--dir"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("redis-server, which this test needs: {e}; apt-get install redis-server"))
}
