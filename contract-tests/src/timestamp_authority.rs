//! A time-stamping authority (RFC 3161): OpenSSL's, with certificates of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// id-kp-timeStamping, alone.
const FOR_TIME_STAMPS: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 8];
/// Extended key usage.
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// As its certificate calls it.
pub const NAME: &str = "Tổ chức cấp dấu thời gian thử";

/// What its certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    Rsa,
    Ecdsa,
    /// It was over before it signs.
    Expired,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Stamps,
    /// Another question than the one that was asked.
    OtherNonce,
    /// Other bytes than those that were asked for.
    OtherBytes,
    Refuses,
    Garbage,
    Status500,
    Stalls,
}

pub struct TimestampAuthority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    manner: Mutex<Manner>,
}

impl TimestampAuthority {
    pub fn new(signer: Signer) -> Result<Arc<Self>> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name);
        let ca = |name: &str| -> Result<CertificateParams> {
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            Ok(params)
        };
        let (root_key, between_key) = (KeyPair::generate()?, KeyPair::generate()?);
        let root = ca("Test root")?;
        std::fs::write(file("roots.pem"), root.self_signed(&root_key)?.pem())?;
        let root = Issuer::new(root, root_key);
        let between = ca("Test authority between")?;
        std::fs::write(file("between.pem"), between.signed_by(&between_key, &root)?.pem())?;
        let between = Issuer::new(between, between_key);
        std::fs::write(file("serial"), "01\n")?;
        std::fs::write(file("openssl.cnf"), configuration(folder.path()))?;
        let authority = Self { folder, issuer: between, manner: Mutex::new(Manner::Stamps) };
        authority.make_key("signer", signer == Signer::Rsa)?;
        authority.sign("signer", |params| {
            params.distinguished_name.push(DnType::CommonName, NAME);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let mut purpose = CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, FOR_TIME_STAMPS.to_vec());
            purpose.set_criticality(true);
            params.custom_extensions = vec![purpose];
            if signer == Signer::Expired {
                (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
            }
        })?;
        Ok(Arc::new(authority))
    }

    /// Makes `<name>.key`.
    pub fn make_key(&self, name: &str, is_rsa: bool) -> Result<()> {
        let kind: &[&str] = match is_rsa {
            true => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            false => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        let file = self.file(&format!("{name}.key"));
        openssl(Command::new("openssl").arg("genpkey").args(kind).arg("-out").arg(file)).map(drop)
    }

    /// Makes `<name>.pem`, a certificate for `<name>.key`, which is made if it is not there.
    pub fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Result<()> {
        let file = self.file(&format!("{name}.key"));
        if !file.exists() {
            self.make_key(name, false)?;
        }
        let key = KeyPair::from_pem(&std::fs::read_to_string(file)?)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        Ok(std::fs::write(self.file(&format!("{name}.pem")), params.signed_by(&key, &self.issuer)?.pem())?)
    }

    /// PEM: to whom its certificate leads.
    pub fn roots(&self) -> PathBuf {
        self.folder.path().join("roots.pem")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn behaves(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// OpenSSL's answer to a query.
    pub fn answer(&self, query: &[u8]) -> Result<Vec<u8>> {
        let file = |name: &str| self.folder.path().join(name);
        std::fs::write(file("query.tsq"), query)?;
        let mut reply = Command::new("openssl");
        reply.args(["ts", "-reply", "-config"]).arg(file("openssl.cnf"));
        reply.arg("-queryfile").arg(file("query.tsq")).arg("-out").arg(file("reply.tsr"));
        openssl(&mut reply)?;
        Ok(std::fs::read(file("reply.tsr"))?)
    }

    /// Serves until the runtime ends; returns its address.
    pub async fn serve(self: Arc<Self>) -> Result<String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/tsa", listener.local_addr()?);
        let app =
            axum::Router::new().route("/tsa", axum::routing::post(move |body: Bytes| reply(Arc::clone(&self), body)));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(address)
    }
}

async fn reply(authority: Arc<TimestampAuthority>, query: Bytes) -> Response {
    let manner = *authority.manner.lock().unwrap_or_else(PoisonError::into_inner);
    let query = match manner {
        Manner::Stamps => query.to_vec(),
        Manner::OtherNonce => changed(&query, query.len() - 5),
        Manner::OtherBytes => changed(&query, 30),
        // A policy that is not offered.
        Manner::Refuses => with_policy(&query),
        Manner::Garbage => return "no time stamp at all".into_response(),
        Manner::Status500 => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::Stalls => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            return StatusCode::OK.into_response();
        }
    };
    match tokio::task::spawn_blocking(move || authority.answer(&query)).await {
        Ok(Ok(answer)) => ([("content-type", "application/timestamp-reply")], answer).into_response(),
        failed => (StatusCode::INTERNAL_SERVER_ERROR, format!("{failed:?}")).into_response(),
    }
}

/// Of a query, one byte is another: from the 25th on stands the imprint, before the last four the nonce.
pub fn changed(query: &[u8], at: usize) -> Vec<u8> {
    let mut query = query.to_vec();
    query[at] ^= 1;
    query
}

/// The same query, for a policy of which nobody has heard.
pub fn with_policy(query: &[u8]) -> Vec<u8> {
    const POLICY: &[u8] = &[0x06, 0x03, 0x2a, 0x03, 0x09];
    // Version (3 bytes), then the imprint with its algorithm.
    let imprint = 5 + 2 + usize::from(query[6]);
    let (before, after) = query.split_at(imprint);
    let mut query = [before, POLICY, after].concat();
    query[1] += u8::try_from(POLICY.len()).unwrap_or(0);
    query
}

/// Runs OpenSSL; what it says is the error if it fails.
pub fn openssl(command: &mut Command) -> Result<String> {
    let output = command.output().context("openssl")?;
    let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(said)
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "[tsa]\ndefault_tsa = authority\n[authority]\nserial = {folder}/serial\nsigner_cert = {folder}/signer.pem\n\
         certs = {folder}/between.pem\nsigner_key = {folder}/signer.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\n\
         digests = sha256\naccuracy = millisecs:500\nclock_precision_digits = 3\nordering = yes\ntsa_name = yes\n\
         ess_cert_id_chain = no\ness_cert_id_alg = sha256\n"
    )
}
