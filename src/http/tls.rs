//! TLS 1.3 and 1.2, with client certificates where authorities for them are configured. The files are read again when one
//! of them changed: connections that are open keep what they began with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;

/// Where the certificates are. PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The gateway's certificate, with those that lead to its authority.
    pub certificate: PathBuf,
    pub private_key: PathBuf,
    /// Authorities whose certificates clients may present.
    pub client_authorities: Option<PathBuf>,
    /// Certificates of theirs that are no longer good.
    pub revoked: Option<PathBuf>,
}

/// What new connections are met with.
pub struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

/// When each file was last written, and its length.
type Stamp = Vec<Option<(SystemTime, u64)>>;

impl Tls {
    pub fn open(files: TlsFiles) -> anyhow::Result<Self> {
        let config = RwLock::new(Arc::new(files.read()?));
        Ok(Self { files, config })
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads all files again. If one of them is not as it must be, nothing changes.
    pub fn reload(&self) -> anyhow::Result<()> {
        let config = Arc::new(self.files.read()?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Reloads when a file changed, until it is told to stop.
    pub async fn watch(self: Arc<Self>, every: Duration, mut stop: watch::Receiver<bool>) {
        let mut known = self.files.stamp();
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = stop.changed() => return,
            }
            let found = self.files.stamp();
            if found == known {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    known = found;
                    tracing::info!("new TLS certificates are in force");
                }
                // Asked again next time: a certificate may have been written before its key.
                Err(error) => tracing::error!(
                    error = format!("{error:#}"),
                    "the TLS files changed, and the ones before stay in force"
                ),
            }
        }
    }
}

impl TlsFiles {
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.private_key].into_iter().chain(&self.client_authorities).chain(&self.revoked)
    }

    fn stamp(&self) -> Stamp {
        let of = |path: &PathBuf| std::fs::metadata(path).and_then(|file| Ok((file.modified()?, file.len()))).ok();
        self.paths().map(of).collect()
    }

    fn read(&self) -> anyhow::Result<ServerConfig> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.private_key)
            .with_context(|| format!("{}: no private key in PEM form", self.private_key.display()))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?;
        let builder = match self.verifier()? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .with_context(|| format!("{} and {}", self.certificate.display(), self.private_key.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would bring a client's certificate with it, as it was judged before.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn verifier(&self) -> anyhow::Result<Option<Arc<dyn ClientCertVerifier>>> {
        let Some(path) = &self.client_authorities else { return Ok(None) };
        let mut authorities = RootCertStore::empty();
        for certificate in certificates(path)? {
            authorities.add(certificate).with_context(|| format!("{}", path.display()))?;
        }
        let provider = Arc::new(default_provider());
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).allow_unauthenticated();
        if let Some(path) = &self.revoked {
            let lists =
                CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let lists = lists.with_context(|| format!("{}: no revocation list in PEM form", path.display()))?;
            if lists.is_empty() {
                bail!("{}: no revocation list in PEM form", path.display());
            }
            builder = builder.with_crls(lists).only_check_end_entity_revocation();
        }
        Ok(Some(builder.build().with_context(|| format!("{}", path.display()))?))
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.with_context(|| format!("{}: no certificates in PEM form", path.display()))?;
    if found.is_empty() {
        bail!("{}: no certificates in PEM form", path.display());
    }
    Ok(found)
}
