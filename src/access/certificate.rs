//! The certificate that the other end of a TLS connection proved to have: its chain and its possession were checked in the
//! handshake, before any of this runs.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::client::Proof;

/// A client's certificate.
#[derive(Debug, Clone)]
pub struct PeerCertificate {
    thumbprint: [u8; 32],
    names: Arc<[String]>,
}

impl PeerCertificate {
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, certificate).as_ref());
        let names = EndEntityCert::try_from(certificate)
            .map(|read| read.valid_dns_names().map(str::to_ascii_lowercase).collect())
            .unwrap_or_default();
        Self { thumbprint, names }
    }

    /// SHA-256 of its DER form.
    pub fn thumbprint(&self) -> [u8; 32] {
        self.thumbprint
    }

    /// As tokens are bound to it (RFC 8705, `x5t#S256`).
    pub fn thumbprint_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.thumbprint)
    }

    /// What it proves: first itself, then its names.
    pub fn proofs(&self) -> impl Iterator<Item = Proof> {
        let names = self.names.iter().map(|name| Proof::CertificateName(name.clone()));
        std::iter::once(Proof::Certificate(self.thumbprint)).chain(names)
    }
}
