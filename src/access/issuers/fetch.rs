//! One document of an issuer over HTTP, bounded in bytes; its caller bounds the time. Never follows a redirect, uses a proxy
//! or a connection a second time, or puts an address into an error.

use std::error::Error as _;

use reqwest::Url;
use reqwest::header::ACCEPT;
use serde_json::Value;

use crate::http::json;

/// Why an issuer's keys were not had. For operators: technical words, nothing of what was answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHad {
    #[error("no answer: {0}")]
    Call(String),
    #[error("no answer within {0} ms")]
    Slow(u128),
    #[error("the answer is {0} and not 200")]
    Status(u16),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer is not JSON, or has a member twice")]
    NotJson,
    #[error("the metadata is that of another issuer: its `issuer` must be the configured url to the letter")]
    OtherIssuer,
    #[error("the metadata's jwks_uri is missing, or neither https nor on this machine as the issuer is")]
    KeysAddress,
    #[error("the answer is not a set of keys (JWKS)")]
    NotKeys,
    #[error("more than {0} keys")]
    TooManyKeys(usize),
}

/// The client for issuers' documents.
#[derive(Clone)]
pub(super) struct Fetch {
    client: reqwest::Client,
    most_bytes: usize,
}

impl Fetch {
    /// Fails only where the machine cannot do TLS at all (no trusted certificates).
    pub(super) fn new(most_bytes: usize) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            // Asked once in minutes: a connection that was kept would have been closed by then.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A proxy from the environment would be a party that nobody configured.
            .no_proxy()
            .user_agent(concat!("lienthong/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, most_bytes })
    }

    pub(super) async fn get(&self, address: Url) -> Result<Value, NotHad> {
        let request = self.client.get(address).header(ACCEPT, "application/json");
        let mut answer = request.send().await.map_err(|error| failure(&error))?;
        if answer.status() != 200 {
            return Err(NotHad::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > self.most_bytes {
                return Err(NotHad::TooLong(self.most_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        json::parse(&body).map_err(|_| NotHad::NotJson)
    }
}

/// The innermost error's words: the outer ones carry the address.
fn failure(error: &reqwest::Error) -> NotHad {
    const MOST_CHARACTERS: usize = 160;
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let words = causes.last().map_or_else(|| "the call failed".to_owned(), ToString::to_string);
    NotHad::Call(words.chars().take(MOST_CHARACTERS).collect())
}
