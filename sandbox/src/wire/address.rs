//! Where a request wants to go: adapter prefix, path, `dstcode` (reference §1.1); what fits nothing never reaches the portal.
//! It must never look into the body.

use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};

use crate::portal::Door;
use crate::settings::{DstcodePlacement, PortalSettings};

pub(crate) const LOGIN_PATH: &str = "/mapi/login";
const PREFIXES: [&str; 2] = ["/XrdAdapter/RestService/forward", "/VXPAdapter/RestService/forward"];

/// An error of the adapter in front of the portal: JSON, and no portal reply.
#[derive(Debug)]
pub(crate) struct AdapterError {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) message: &'static str,
}

const NOT_POST: AdapterError = AdapterError {
    status: StatusCode::METHOD_NOT_ALLOWED,
    kind: "Client.MethodNotAllowed",
    message: "Only POST is forwarded",
};
const NOT_JSON: AdapterError = AdapterError {
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    kind: "Client.UnsupportedMediaType",
    message: "Content-Type must be application/json",
};
const NO_PATH: AdapterError = AdapterError {
    status: StatusCode::NOT_FOUND,
    kind: "Server.ServerProxy.UnknownService",
    message: "No service at this path",
};
const NO_MEMBER: AdapterError = AdapterError {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    kind: "Server.ClientProxy.UnknownMember",
    message: "dstcode is missing or names no known subsystem",
};

pub(crate) fn door_of(request: &Parts, settings: &PortalSettings) -> Result<Door, AdapterError> {
    if request.method != Method::POST {
        return Err(NOT_POST);
    }
    let path = request.uri.path();
    let path = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path);
    let integration = path == settings.integration_path;
    let share = path == settings.share_path;
    let door = match path {
        LOGIN_PATH => Door::Login,
        _ if integration || share => Door::Functional { integration, share },
        _ => return Err(NO_PATH),
    };
    if !is_for_portal(request, settings) {
        return Err(NO_MEMBER);
    }
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.trim_start().starts_with("application/json")) {
        return Err(NOT_JSON);
    }
    Ok(door)
}

/// At least one accepted placement is used, and every one that is used names the portal.
fn is_for_portal(request: &Parts, settings: &PortalSettings) -> bool {
    let mut given = settings.dstcode_placements.iter().filter_map(|placement| match placement {
        DstcodePlacement::Header => {
            request.headers.get("dstcode").map(|value| value.to_str().unwrap_or_default().to_owned())
        }
        DstcodePlacement::Query => query_value(request.uri.query()?, "dstcode"),
    });
    let names_portal = |value: String| value == settings.dstcode;
    given.next().is_some_and(names_portal) && given.all(names_portal)
}

fn query_value(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value))
}

fn percent_decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (first, escaped.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
