//! One request to the province, whole or cut off before its answer is read.
//! It must never follow a redirect, use a proxy or wait without an end.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url, header};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::Answer;
use super::message::Cut;

const MOST_ANSWER_BYTES: usize = 64 * 1024;

pub(super) fn client() -> reqwest::Result<Client> {
    // A connection for each request: one kept from before a restart of the province would be a failure of our own.
    Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).build()
}

pub(super) async fn post(client: &Client, url: Url, body: Vec<u8>, patience: Duration) -> Answer {
    let request = client.post(url).timeout(patience).body(body);
    let request = request.header(header::CONTENT_TYPE, "application/json").header(header::ACCEPT, "application/json");
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Answer::none(reason(&error)),
    };
    let status = response.status().as_u16();
    let mut read = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            Ok(None) => return Answer::read(status, &read),
            Err(error) => return Answer { status: Some(status), ..Answer::none(reason(&error)) },
        }
        if read.len() > MOST_ANSWER_BYTES {
            return Answer::unreadable(status, "the answer is longer than 64 KiB");
        }
    }
}

fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}

/// Written by hand, because a client knows neither moment.
pub(super) async fn post_and_cut(url: &Url, body: &[u8], patience: Duration, cut: Cut) -> Answer {
    match timeout(patience, write_and_cut(url, body, cut)).await {
        Ok(Ok(())) => Answer::none("cut by the sandbox before the answer was read"),
        Ok(Err(_)) => Answer::none("no connection, or it broke off"),
        Err(_) => Answer::none("no answer in time"),
    }
}

async fn write_and_cut(url: &Url, body: &[u8], cut: Cut) -> std::io::Result<()> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, url.port_or_known_default().unwrap_or(80))).await?;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: application/json\r\n\
         content-length: {}\r\n\r\n",
        url.path(),
        url.authority(),
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    match cut {
        // What was written must arrive: a reset could overtake it.
        Cut::WhenWritten => stream.shutdown().await,
        Cut::WhenAnswered => {
            if stream.peek(&mut [0]).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            stream.set_zero_linger()
        }
    }
}
