//! The other side of the socket: answers as a test tells it and remembers what it was asked. Knows no rule of the
//! portal; it must never become a simulator.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn service(&self) -> &str {
        self.body["service"].as_str().unwrap_or("login")
    }
}

#[derive(Clone)]
pub(crate) enum Answer {
    /// Status, extra header lines, body.
    Reply(u16, &'static str, String),
    Close,
    Silence,
}

impl Answer {
    pub(crate) fn ok(body: impl ToString) -> Self {
        Self::Reply(200, "", body.to_string())
    }

    pub(crate) fn status(status: u16, body: impl ToString) -> Self {
        Self::Reply(status, "", body.to_string())
    }
}

pub(crate) struct FakePortal {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakePortal {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, remembered) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, answer.clone(), remembered.clone()));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn services(&self) -> Vec<String> {
        self.asked().iter().map(|asked| asked.service().to_owned()).collect()
    }

    pub(crate) fn body_of(&self, service: &str) -> Value {
        self.asked().iter().rfind(|asked| asked.service() == service).map(|asked| asked.body.clone()).unwrap()
    }
}

async fn serve(
    mut socket: TcpStream,
    answer: Arc<impl Fn(&Asked) -> Answer + Send + Sync + 'static>,
    remembered: Arc<Mutex<Vec<Asked>>>,
) {
    while let Some(asked) = request(&mut socket).await {
        remembered.lock().unwrap().push(asked.clone());
        match answer(&asked) {
            Answer::Close => return,
            Answer::Silence => tokio::time::sleep(Duration::from_secs(30)).await,
            Answer::Reply(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\n\r\n", body.len());
                if socket.write_all((head + &body).as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn request(socket: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let target = head.split(' ').nth(1)?.to_owned();
                return Some(Asked { target, head, body: serde_json::from_slice(&bytes[end + 4..]).unwrap() });
            }
        }
        let mut chunk = [0; 8192];
        match socket.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}
