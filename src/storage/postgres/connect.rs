//! Connections: bounded in number and in time, encrypted unless they stay on this machine, and only to a server that
//! keeps what it commits.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use lienthong_adapter_kit::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::storage::StoreError;

/// How to reach the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgresql://user@host:port/database` or `host=… user=… dbname=…`; several hosts of one cluster may be named.
    pub url: String,
    /// Kept apart from the address, which may be printed.
    pub password: Option<Secret>,
    /// Certificates (PEM) that sign the server's; the machine's own list otherwise.
    pub ca_file: Option<PathBuf>,
    pub most_connections: usize,
    pub connect_timeout: Duration,
    /// A statement that takes longer is given up by the server; so is a transaction that stands idle for as long.
    pub statement_timeout: Duration,
}

pub(super) fn pool(settings: &Settings) -> Result<(Pool, Config, MakeRustlsConnect), StoreError> {
    let config = config(settings)?;
    let tls = tls(settings)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config.clone(), tls.clone(), recycling);
    let pool = Pool::builder(manager)
        .max_size(settings.most_connections)
        .wait_timeout(Some(settings.statement_timeout))
        // Each of the hosts has its own time.
        .create_timeout(Some(settings.connect_timeout * u32::try_from(config.get_hosts().len()).unwrap_or(1).max(1)))
        .recycle_timeout(Some(settings.connect_timeout))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(StoreError::failed)?;
    Ok((pool, config, tls))
}

/// What is wrong with the address, if anything. Opens nothing.
pub fn check_url(url: &str) -> Result<(), String> {
    let config = Config::from_str(url).map_err(|error| error.to_string())?;
    if config.get_hosts().is_empty() {
        return Err("no host".to_owned());
    }
    if config.get_password().is_some() {
        return Err("the password stands in the address: use password_file".to_owned());
    }
    let stays_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    };
    if !config.get_hosts().iter().all(stays_here) && config.get_ssl_mode() != SslMode::Require {
        return Err("a server on another machine needs sslmode=require".to_owned());
    }
    Ok(())
}

/// What every session begins with.
const SESSION: &[(&str, &str)] = &[
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read\\ committed"),
    ("timezone", "UTC"),
    // Every statement finds its rows by an index. A plan that was made while a table was small must not read all of it
    // when it has grown: plans are kept, and statistics come late.
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // Its threshold is a cost, and what is off above is expressed as one.
    ("jit", "off"),
];

fn config(settings: &Settings) -> Result<Config, StoreError> {
    check_url(&settings.url).map_err(|reason| StoreError::Failed(format!("storage.postgres.url: {reason}")))?;
    let mut config = Config::from_str(&settings.url).map_err(StoreError::failed)?;
    if let Some(password) = &settings.password {
        config.password(password.expose());
    }
    let timeout = settings.statement_timeout.as_millis();
    let mut options: String = SESSION.iter().map(|(name, value)| format!("-c {name}={value} ")).collect();
    for name in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        options += &format!("-c {name}={timeout} ");
    }
    options += config.get_options().unwrap_or_default();
    config
        .options(options)
        .application_name("lienthong")
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(Duration::from_secs(10))
        .tcp_user_timeout(settings.statement_timeout)
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    Ok(config)
}

fn tls(settings: &Settings) -> Result<MakeRustlsConnect, StoreError> {
    let builder = rustls::ClientConfig::builder();
    let config = match &settings.ca_file {
        None => builder.with_platform_verifier().map_err(StoreError::failed)?.with_no_client_auth(),
        Some(file) => {
            let shown = file.display();
            let mut roots = rustls::RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(file)
                .map_err(|error| StoreError::Failed(format!("storage.postgres.ca_file {shown}: {error}")))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| StoreError::Failed(format!("{shown}: {error}")))?;
                roots.add(certificate).map_err(|error| StoreError::Failed(format!("{shown}: {error}")))?;
            }
            builder.with_root_certificates(Arc::new(roots)).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

const LOSES: &str = "this server would lose acknowledged requests";

/// What the server must answer, and what would happen otherwise.
const SAFE: &[(&str, &str, &str)] = &[
    ("fsync", "on", LOSES),
    ("full_page_writes", "on", LOSES),
    ("synchronous_commit", "on", LOSES),
    ("server_encoding", "UTF8", "names could not be stored as they are"),
    ("track_activities", "on", "whoever follows the list of dossiers would miss changes"),
];

/// The oldest version that this was written for.
const LEAST_VERSION: i64 = 150_000;

pub(super) async fn check(connection: &Object) -> Result<(), StoreError> {
    for (name, safe, otherwise) in SAFE {
        let found: String = connection.query_one("SELECT current_setting($1)", &[name]).await?.get(0);
        if found != *safe {
            return Err(StoreError::Failed(format!(
                "PostgreSQL answers {name}={found}; {safe} is needed: {otherwise}"
            )));
        }
    }
    let version: i64 = connection.query_one("SELECT current_setting('server_version_num')::bigint", &[]).await?.get(0);
    if version < LEAST_VERSION {
        return Err(StoreError::Failed(format!("PostgreSQL 15 or later is needed; this is {version}")));
    }
    Ok(())
}
