//! An authority that signs certificates for gateways and clients.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use crate::gateway::Deployment;

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate with its key, both as PEM.
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    pub fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Result<Signed> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        change(&mut params);
        Ok(Signed { certificate: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }

    /// For a gateway on this machine.
    pub fn server(&self) -> Result<Signed> {
        self.sign(|params| {
            params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// A list of what it no longer stands for.
    pub fn revokes(&self, serials: &[u64]) -> Result<String> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2036, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    /// Writes everything that a deployment needs for TLS, and its settings; `more` are lines of `[server.tls]`.
    pub fn equip(&self, deployment: &Deployment, more: &str) -> Result<()> {
        let file = |name: &str| deployment.folder().join(name);
        let tls = format!(
            "\n[server.tls]\ncertificate_file = {:?}\nprivate_key_file = {:?}\nclient_authorities_file = {:?}\n\
             client_revocations_file = {:?}\n{more}\n",
            file("server.pem"),
            file("server.key"),
            file("clients.pem"),
            file("revoked.pem")
        );
        std::fs::write(&deployment.file, std::fs::read_to_string(&deployment.file)? + &tls)?;
        std::fs::write(file("clients.pem"), &self.pem)?;
        std::fs::write(file("revoked.pem"), self.revokes(&[13])?)?;
        let server = self.server()?;
        std::fs::write(file("server.pem"), server.certificate)?;
        Ok(std::fs::write(file("server.key"), server.key)?)
    }

    /// Gives the gateway another certificate as a renewal does it: first the key, then the certificate; between them, for
    /// a while, they do not fit.
    pub async fn renew(&self, deployment: &Deployment, between: std::time::Duration) -> Result<()> {
        let server = self.server()?;
        std::fs::write(deployment.folder().join("server.key"), server.key)?;
        tokio::time::sleep(between).await;
        Ok(std::fs::write(deployment.folder().join("server.pem"), server.certificate)?)
    }
}
