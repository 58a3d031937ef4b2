//! A server for tests that reads one request a connection and answers as it was told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
pub enum Answer {
    Status {
        status: u16,
        location: Option<String>,
    },
    /// Reads the request and says nothing.
    Silence,
    /// Reads the request and closes the connection.
    Close,
    /// Begins an answer that never ends.
    Endless,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self::Status { status, location: None }
    }

    pub fn redirect(status: u16, to: &str) -> Self {
        let location = Some(to.to_owned());
        Self::Status { status, location }
    }
}

/// Listens on a free port of the loopback, until it is dropped.
pub struct Listener {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Listener {
    pub async fn start(answer: Answer) -> Self {
        Self::start_with(vec![answer]).await
    }

    /// Each answer is given once, the last one for ever.
    pub async fn start_with(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (into, mut answers) = (Arc::clone(&seen), VecDeque::from(answers));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = match answers.len() {
                    1 => answers[0].clone(),
                    _ => answers.pop_front().unwrap(),
                };
                tokio::spawn(serve(stream, answer, Arc::clone(&into)));
            }
        });
        Self { address, seen, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests, as they came, in the order of their ends.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, seen: Arc<Mutex<Vec<String>>>) {
    let request = request(&mut stream).await;
    seen.lock().unwrap().push(request);
    let head = match answer {
        Answer::Status { status, location } => {
            let location = location.map_or_else(String::new, |to| format!("location: {to}\r\n"));
            format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n{location}\r\n")
        }
        Answer::Endless => "HTTP/1.1 200 X\r\n\r\n".to_owned(),
        Answer::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        Answer::Close => return,
    };
    let endless = head.starts_with("HTTP/1.1 200 X\r\n\r\n");
    let mut open = stream.write_all(head.as_bytes()).await.is_ok();
    while endless && open {
        open = stream.write_all(&[b'x'; 4096]).await.is_ok();
    }
}

/// Reads a request with its body, as its `content-length` says.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
