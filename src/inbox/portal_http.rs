//! The way in for the portal: the addresses that its adapter names, for the senders that the configuration names. Each request
//! gets exactly the answer that the portal expects.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::bail;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ipnet::IpNet;
use lienthong_domain::port::InboundPath;

use super::{Inbox, Portal};
use crate::http::listener::Peer;
use crate::http::problem::AsItIs;

/// Who may send: machines that stand in the way of the portal, by their addresses or their certificates.
#[derive(Debug, Clone, Default)]
pub struct Senders {
    pub addresses: Vec<IpNet>,
    /// SHA-256 of a certificate in its DER form.
    pub certificates: Vec<[u8; 32]>,
}

impl Senders {
    /// Whether this is one of them. By its address alone where no certificates are named, and by its certificate alone where no
    /// addresses are; where both are, both must be right.
    pub fn include(&self, peer: Option<&Peer>) -> bool {
        let Some(peer) = peer else { return false };
        let is_known = |address: IpAddr| self.addresses.iter().any(|net| net.contains(&address));
        let certificate = peer.certificate.as_ref().map(|certificate| certificate.thumbprint());
        let has_address = self.addresses.is_empty() || is_known(peer.address);
        let has_certificate = self.certificates.is_empty()
            || certificate.is_some_and(|thumbprint| self.certificates.contains(&thumbprint));
        let names_somebody = !self.addresses.is_empty() || !self.certificates.is_empty();
        names_somebody && has_address && has_certificate
    }
}

/// What the gateway serves itself.
const OURS: &[&str] = &["v1", "oauth", "audit", "livez", "readyz", ".well-known"];

/// All routes of this topic for the portal. An error names an address that cannot be served.
pub fn routes(inbox: &Arc<Inbox>, portal: &Arc<Portal>) -> anyhow::Result<Router> {
    let mut router = Router::new();
    let mut known = HashSet::new();
    for InboundPath { path, endpoint, longest_text } in portal.inbound.paths() {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if OURS.contains(&first) || !known.insert(path.clone()) {
            bail!("adapters.{}.inbound: the address {path} is taken", portal.name);
        }
        let state = Door { inbox: Arc::clone(inbox), portal: Arc::clone(portal), endpoint, longest_text };
        router = router.route(&path, post(receive).with_state(state));
    }
    Ok(router)
}

#[derive(Clone)]
struct Door {
    inbox: Arc<Inbox>,
    portal: Arc<Portal>,
    endpoint: &'static str,
    longest_text: usize,
}

async fn receive(State(door): State<Door>, request: Request) -> Response {
    let limits = door.inbox.limits.message.with_text(door.longest_text);
    let answer = door.inbox.receive(&door.portal, door.endpoint, limits, request.into_body()).await;
    let status = if answer.failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut response = (status, answer.body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    // A refusal, too, is in the portal's words.
    response.extensions_mut().insert(AsItIs);
    response
}
