//! A stand-in for a province's identity provider: whatever documents a test gives it, over real HTTP, each request counted.
//! It signs nothing itself.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How an address is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    Json(Value),
    Text(String),
    Status(u16),
    Redirect(String),
    /// The document, so much later.
    Late(Duration, Value),
    /// Something, without end.
    Endless,
}

#[derive(Default)]
struct State {
    replies: HashMap<String, Reply>,
    /// By path.
    asked: HashMap<String, usize>,
    is_away: bool,
}

pub struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Issuer {
    /// With metadata of its own at [`Self::url`], and no keys.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        let issuer = Self { address, state, task };
        issuer.says(METADATA, Reply::Json(json!({ "issuer": issuer.url(), "jwks_uri": issuer.keys_url() })));
        issuer.publishes(&[]);
        Ok(issuer)
    }

    /// Its identifier.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn keys_url(&self) -> String {
        format!("{}{KEYS}", self.url())
    }

    pub fn says(&self, path: &str, reply: Reply) {
        self.with(|state| state.replies.insert(path.to_owned(), reply));
    }

    pub fn publishes(&self, keys: &[Value]) {
        self.says(KEYS, Reply::Json(json!({ "keys": keys })));
    }

    /// From now on it takes no request; those before are still answered.
    pub fn goes_away(&self) {
        self.with(|state| state.is_away = true);
    }

    pub fn comes_back(&self) {
        self.with(|state| state.is_away = false);
    }

    /// How often anyone asked for this, answered or not.
    pub fn asked(&self, path: &str) -> usize {
        self.with(|state| state.asked.get(path).copied().unwrap_or_default())
    }

    pub fn asked_in_all(&self) -> usize {
        self.with(|state| state.asked.values().sum())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub const METADATA: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/keys";

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let _ = answer(stream, &state).await;
        });
    }
}

/// One request a connection.
async fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let reply = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        *state.asked.entry(path.clone()).or_default() += 1;
        if state.is_away {
            return Ok(());
        }
        state.replies.get(&path).cloned().unwrap_or(Reply::Status(404))
    };
    let whole = |status: u16, more: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n{body}")
    };
    let text = match reply {
        Reply::Json(value) => whole(200, "", &value.to_string()),
        Reply::Text(text) => whole(200, "", &text),
        Reply::Status(status) => whole(status, "", ""),
        Reply::Redirect(to) => whole(302, &format!("location: {to}\r\n"), ""),
        Reply::Late(after, value) => {
            tokio::time::sleep(after).await;
            whole(200, "", &value.to_string())
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n{\"keys\":[").await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
