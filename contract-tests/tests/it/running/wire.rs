//! A client that keeps its connection and does exactly what the answers say: nothing is tried a second time behind a test's
//! back.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept as long as the gateway lets it.
pub(super) struct Kept {
    address: SocketAddr,
    token: String,
    connection: Option<TcpStream>,
    /// Nothing was asked on it before.
    is_new: bool,
}

/// What came of one request.
#[derive(Debug)]
pub(super) enum Got {
    /// The whole answer.
    Answer { status: u16, head: String },
    /// Nobody listens any more.
    Refused,
    /// A new connection was reset before a byte of an answer: it came in the instant in which the system closed the door.
    Reset,
}

impl Got {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Answer { status, .. } => *status,
            Self::Refused | Self::Reset => 0,
        }
    }
}

impl Kept {
    pub(super) fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.to_owned(), connection: None, is_new: true }
    }

    /// Asks, and waits for the whole answer; anything but an answer or a refused connection is an error.
    pub(super) async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Got, String> {
        if !self.begin(method, path, body.len()).await? {
            return Ok(Got::Refused);
        }
        let got = self.finish(body).await;
        let was_reset = |error: &String| error.starts_with("no answer: Connection reset");
        if self.is_new && got.as_ref().is_err_and(was_reset) { Ok(Got::Reset) } else { got }
    }

    /// Sends the head of a request; `false` if nobody listens any more.
    pub(super) async fn begin(&mut self, method: &str, path: &str, length: usize) -> Result<bool, String> {
        self.is_new = self.connection.is_none();
        let connection = match self.connection.take() {
            Some(kept) => kept,
            None => match TcpStream::connect(self.address).await {
                Ok(connection) => connection,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Ok(false),
                Err(error) => return Err(format!("no connection: {error}")),
            },
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n",
            self.address, self.token
        );
        self.connection = Some(connection);
        self.write(head.as_bytes()).await?;
        Ok(true)
    }

    /// Sends the body and reads the answer.
    pub(super) async fn finish(&mut self, body: &str) -> Result<Got, String> {
        self.write(body.as_bytes()).await?;
        let connection = self.connection.as_mut().ok_or("no connection")?;
        let mut read = Vec::new();
        let end_of_head = loop {
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let count = connection.read_buf(&mut read).await.map_err(|error| format!("no answer: {error}"))?;
            if count == 0 {
                return Err(format!("closed without an answer, after {} bytes", read.len()));
            }
        };
        let head = String::from_utf8_lossy(&read[..end_of_head]).to_ascii_lowercase();
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = value("content-length:").map_or(0, |text| text.parse().unwrap());
        while read.len() < end_of_head + length {
            let count = connection.read_buf(&mut read).await.map_err(|error| format!("half an answer: {error}"))?;
            if count == 0 {
                return Err("closed after half an answer".to_owned());
            }
        }
        if value("connection:") == Some("close") {
            self.connection = None;
        }
        Ok(Got::Answer { status: head[9..12].parse().unwrap(), head })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let connection = self.connection.as_mut().ok_or("no connection")?;
        connection.write_all(bytes).await.map_err(|error| format!("not sent: {error}"))
    }
}
