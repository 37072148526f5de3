//! Signatures of authorities in the form of CMS (RFC 5652): tokens of time-stamping authorities (RFC 3161) and the agency's own
//! detached signature. What strangers send is read leniently, as BER: what some authorities write is not DER. It is judged
//! strictly, and never encoded anew.

mod certificate;
mod oid;
mod sign;
mod timestamp;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{self, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcder::decode::{Constructed, DecodeError, Source};
use bcder::{Captured, Integer, Mode, OctetString, Oid, Tag};
use lienthong_domain::time::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

pub use certificate::Certificate;
pub use sign::{KeyKind, ToSign, ecdsa_signature};
pub use timestamp::{NotStamped, Query, Stamp, verify as verify_timestamp};

/// No signature with its certificates is longer.
pub const MOST_BYTES: usize = 65_536;

/// It is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {why}")]
pub struct Malformed {
    what: &'static str,
    why: String,
}

impl Malformed {
    fn new(what: &'static str, why: &dyn fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it is over another content")]
    OtherContent,
    #[error("the certificate of its signer is not in it")]
    NoCertificate,
    #[error("the certificate of its signer is not the one that it names")]
    OtherCertificate,
    #[error("signed with what is not accepted here: {0}")]
    Algorithm(String),
    #[error("the signature is wrong")]
    Wrong,
    #[error("the certificate of {subject} does not lead to an authority that is trusted here: {why}")]
    Untrusted { subject: String, why: String },
}

/// Certificates of authorities that are trusted.
#[derive(Clone, Default)]
pub struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
}

impl Roots {
    /// Reads a file of PEM certificates.
    pub fn read(file: &Path) -> Result<Self, Malformed> {
        let certificates = read_certificates(file)?;
        let anchors = certificates.iter().map(|found| webpki::anchor_from_trusted_cert(found).map(|a| a.to_owned()));
        let anchors =
            anchors.collect::<Result<_, _>>().map_err(|error| Malformed::new("a root certificate", &error))?;
        Ok(Self { certificates, anchors })
    }

    /// Those of all of these.
    pub fn join(all: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Self::default();
        for Self { certificates, anchors } in all {
            joined.certificates.extend(certificates);
            joined.anchors.extend(anchors);
        }
        joined
    }

    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// As a file of PEM certificates.
    pub fn to_pem(&self) -> String {
        let pem = |der: &CertificateDer<'_>| {
            let base64 = STANDARD.encode(der);
            let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
            format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
        };
        self.certificates.iter().map(pem).collect()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} roots", self.anchors.len())
    }
}

/// The PEM certificates of a file; at least one.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Malformed> {
    let explain =
        |why: &dyn fmt::Display| Malformed { what: "certificates", why: format!("{}: {why}", file.display()) };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| explain(&error))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| explain(&error))?;
    if found.is_empty() { Err(explain(&"there is none in it")) } else { Ok(found) }
}

/// A SignedData with its one signer.
#[derive(Debug, Clone)]
pub struct SignedData {
    content_type: Oid,
    content: Option<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    signer: SignerInfo,
}

#[derive(Debug, Clone)]
struct SignerInfo {
    id: SignerId,
    digest: Oid,
    /// Encoded as the SET that is signed.
    attributes: Option<Vec<u8>>,
    algorithm: Oid,
    signature: Vec<u8>,
}

#[derive(Debug, Clone)]
enum SignerId {
    Number { issuer: Captured, serial: Integer },
    Key(Vec<u8>),
}

impl SignedData {
    /// A ContentInfo that holds a SignedData.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MOST_BYTES {
            return Err(Malformed::new("a signature", &format!("it has more than {MOST_BYTES} bytes")));
        }
        Constructed::decode(bytes, Mode::Ber, take_signed_data).map_err(|error| Malformed::new("a signature", &error))
    }

    /// Verifies the signature over this content, and that its signer's certificate led to one of the roots at that time.
    /// Whether a certificate was revoked is not looked up. Returns the signer's certificate.
    pub fn verify(&self, content: &[u8], at: Timestamp, roots: &Roots) -> Result<Certificate, NotSigned> {
        let certificate = self.signer_certificate()?;
        let signed = match &self.signer.attributes {
            Some(attributes) => {
                self.check_attributes(attributes, content, &certificate)?;
                attributes.as_slice()
            }
            // RFC 5652 §5.3: without attributes only plain data may be signed.
            None if self.content_type == oid::DATA => content,
            None => return Err(Malformed::new("a signature", &"it has no signed attributes").into()),
        };
        self.check_signature(&certificate, signed)?;
        self.check_chain(&certificate, at, roots)?;
        Ok(certificate)
    }

    /// When the signer says that it was signed.
    pub fn claimed_time(&self) -> Option<Timestamp> {
        Attributes::parse(self.signer.attributes.as_deref()?).ok()?.time
    }

    fn signer_certificate(&self) -> Result<Certificate, NotSigned> {
        for der in &self.certificates {
            let certificate = Certificate::parse(der)?;
            let is_meant = match &self.signer.id {
                SignerId::Number { issuer, serial } => {
                    certificate.issuer.as_slice() == issuer.as_slice() && certificate.serial == *serial
                }
                SignerId::Key(id) => certificate.key_id.as_ref() == Some(id),
            };
            if is_meant {
                return Ok(certificate);
            }
        }
        Err(NotSigned::NoCertificate)
    }

    fn check_attributes(&self, attributes: &[u8], content: &[u8], signer: &Certificate) -> Result<(), NotSigned> {
        let attributes = Attributes::parse(attributes)?;
        if attributes.content_type.as_ref() != Some(&self.content_type) {
            return Err(Malformed::new("a signature", &"it does not sign the type of its content").into());
        }
        let algorithm = digest_algorithm(&self.signer.digest)?;
        if attributes.message_digest.as_deref() != Some(digest(algorithm, content).as_ref()) {
            return Err(NotSigned::OtherContent);
        }
        match attributes.certificate {
            Some((algorithm, hash)) if digest(algorithm, &signer.der).as_ref() != hash => {
                Err(NotSigned::OtherCertificate)
            }
            // RFC 3161 §2.4.2: a time stamp names it; without that another certificate of the same key could take its place.
            None if self.content_type == oid::TST_INFO => Err(NotSigned::OtherCertificate),
            _ => Ok(()),
        }
    }

    fn check_signature(&self, signer: &Certificate, signed: &[u8]) -> Result<(), NotSigned> {
        let entity = EndEntityCert::try_from(&signer.der).map_err(|error| untrusted(signer, &error))?;
        for algorithm in verification_algorithms(&self.signer.algorithm, &self.signer.digest)? {
            match entity.verify_signature(*algorithm, signed, &self.signer.signature) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => return Err(NotSigned::Wrong),
            }
        }
        Err(NotSigned::Algorithm(self.signer.algorithm.to_string()))
    }

    fn check_chain(&self, signer: &Certificate, at: Timestamp, roots: &Roots) -> Result<(), NotSigned> {
        let seconds = u64::try_from(at.micros() / 1_000_000).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let entity = EndEntityCert::try_from(&signer.der).map_err(|error| untrusted(signer, &error))?;
        let others: Vec<CertificateDer<'_>> =
            self.certificates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        entity
            .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &roots.anchors, &others, at, AnyPurpose, None, None)
            .map_err(|error| untrusted(signer, &error))?;
        Ok(())
    }
}

/// The purpose of a time stamp's certificate is looked at where it matters.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        for purpose in purposes {
            purpose?;
        }
        Ok(())
    }
}

fn untrusted(signer: &Certificate, error: &webpki::Error) -> NotSigned {
    NotSigned::Untrusted { subject: signer.subject.clone(), why: error.to_string() }
}

fn digest_algorithm(id: &Oid) -> Result<&'static digest::Algorithm, NotSigned> {
    let known = [(oid::SHA_256, &digest::SHA256), (oid::SHA_384, &digest::SHA384), (oid::SHA_512, &digest::SHA512)];
    let found = known.into_iter().find(|(known, _)| *id == *known);
    found.map(|(_, algorithm)| algorithm).ok_or_else(|| NotSigned::Algorithm(id.to_string()))
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// With SHA-256, SHA-384 and SHA-512.
const RSA: [Algorithms; 3] = [
    &[algorithms::RSA_PKCS1_2048_8192_SHA256],
    &[algorithms::RSA_PKCS1_2048_8192_SHA384],
    &[algorithms::RSA_PKCS1_2048_8192_SHA512],
];
const RSA_PSS: [Algorithms; 3] = [
    &[algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
    &[algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
    &[algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
];
/// A curve is told by the key alone.
const ECDSA: [Algorithms; 3] = [
    &[algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256, algorithms::ECDSA_P521_SHA256],
    &[algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384, algorithms::ECDSA_P521_SHA384],
    &[algorithms::ECDSA_P256_SHA512, algorithms::ECDSA_P384_SHA512, algorithms::ECDSA_P521_SHA512],
];

/// What may have been meant. Some name the digest twice, some only beside the algorithm.
fn verification_algorithms(signature: &Oid, digest: &Oid) -> Result<Algorithms, NotSigned> {
    let by_digest = [oid::SHA_256, oid::SHA_384, oid::SHA_512].iter().position(|known| *digest == *known);
    let by_digest = by_digest.ok_or_else(|| NotSigned::Algorithm(digest.to_string()))?;
    let named = [
        (oid::RSA, RSA[by_digest]),
        (oid::RSA_SHA_256, RSA[0]),
        (oid::RSA_SHA_384, RSA[1]),
        (oid::RSA_SHA_512, RSA[2]),
        (oid::RSA_PSS, RSA_PSS[by_digest]),
        (oid::ECDSA_SHA_256, ECDSA[0]),
        (oid::ECDSA_SHA_384, ECDSA[1]),
        (oid::ECDSA_SHA_512, ECDSA[2]),
    ];
    let found = named.into_iter().find(|(known, _)| *signature == *known);
    found.map(|(_, algorithms)| algorithms).ok_or_else(|| NotSigned::Algorithm(signature.to_string()))
}

fn take_signed_data<S: Source>(cons: &mut Constructed<'_, S>) -> Result<SignedData, DecodeError<S::Error>> {
    cons.take_sequence(|cons| {
        oid::SIGNED_DATA.skip_if(cons)?;
        cons.take_constructed_if(Tag::CTX_0, |cons| {
            cons.take_sequence(|cons| {
                cons.take_u8()?;
                // Digests that may be used below.
                cons.take_set(skip_rest)?;
                let (content_type, content) = cons.take_sequence(|cons| {
                    let content_type = Oid::take_from(cons)?;
                    let content = cons.take_opt_constructed_if(Tag::CTX_0, OctetString::take_from)?;
                    Ok((content_type, content.map(|content| content.to_bytes().to_vec())))
                })?;
                let mut certificates = Vec::new();
                cons.take_opt_constructed_if(Tag::CTX_0, |cons| {
                    while let Some(found) = take_opt_captured(cons)? {
                        // Others than X.509 certificates have tags of their own.
                        if found.as_slice().first() == Some(&0x30) {
                            certificates.push(found.as_slice().to_vec());
                        }
                    }
                    Ok(())
                })?;
                // Revocation lists.
                cons.take_opt_constructed_if(Tag::CTX_1, skip_rest)?;
                let signer = cons.take_set(take_signer)?;
                Ok(SignedData { content_type, content, certificates, signer })
            })
        })
    })
}

fn take_signer<S: Source>(cons: &mut Constructed<'_, S>) -> Result<SignerInfo, DecodeError<S::Error>> {
    cons.take_sequence(|cons| {
        cons.take_u8()?;
        let by_number = cons.take_opt_sequence(|cons| {
            Ok(SignerId::Number { issuer: cons.capture_one()?, serial: Integer::take_from(cons)? })
        })?;
        let id = match by_number {
            Some(id) => id,
            None => SignerId::Key(cons.take_value_if(Tag::CTX_0, OctetString::from_content)?.to_bytes().to_vec()),
        };
        let digest = certificate::take_algorithm(cons)?;
        let mut has_attributes = None;
        let attributes = cons.capture(|cons| {
            has_attributes = cons.take_opt_constructed_if(Tag::CTX_0, skip_rest)?;
            Ok(())
        })?;
        let mut attributes = has_attributes.map(|()| attributes.as_slice().to_vec());
        match attributes.as_deref_mut() {
            // RFC 5652 §5.4: signed is their DER, as a SET.
            Some([tag, length, ..]) if *length != 0x80 => *tag = 0x31,
            None => {}
            Some(_) => return Err(cons.content_err("signed attributes must be DER")),
        }
        let algorithm = certificate::take_algorithm(cons)?;
        let signature = OctetString::take_from(cons)?.to_bytes().to_vec();
        cons.take_opt_constructed_if(Tag::CTX_1, skip_rest)?;
        Ok(SignerInfo { id, digest, attributes, algorithm, signature })
    })
}

/// The next value as it is encoded, if there is one.
fn take_opt_captured<S: Source>(cons: &mut Constructed<'_, S>) -> Result<Option<Captured>, DecodeError<S::Error>> {
    let mut found = None;
    let captured = cons.capture(|cons| {
        found = cons.skip_opt(|_, _, _| Ok(()))?;
        Ok(())
    })?;
    Ok(found.map(|()| captured))
}

/// What is left of a value. (bcder's own `skip_all` stumbles over the end of a value of no length that is told before.)
fn skip_rest<S: Source>(cons: &mut Constructed<'_, S>) -> Result<(), DecodeError<S::Error>> {
    while cons.skip_opt(|_, _, _| Ok(()))?.is_some() {}
    Ok(())
}

/// Signed attributes, each at most once.
#[derive(Default)]
struct Attributes {
    content_type: Option<Oid>,
    message_digest: Option<Vec<u8>>,
    time: Option<Timestamp>,
    /// The signer's certificate, by its digest.
    certificate: Option<(&'static digest::Algorithm, Vec<u8>)>,
}

impl Attributes {
    fn parse(set: &[u8]) -> Result<Self, Malformed> {
        let taken = Constructed::decode(set, Mode::Ber, |cons| {
            cons.take_set(|cons| {
                let mut found = Self::default();
                while cons.take_opt_sequence(|cons| found.take(cons))?.is_some() {}
                Ok(found)
            })
        });
        taken.map_err(|error| Malformed::new("signed attributes", &error))
    }

    fn take<S: Source>(&mut self, cons: &mut Constructed<'_, S>) -> Result<(), DecodeError<S::Error>> {
        let id = Oid::take_from(cons)?;
        let is_first = if id == oid::CONTENT_TYPE {
            self.content_type.replace(cons.take_set(Oid::take_from)?).is_none()
        } else if id == oid::MESSAGE_DIGEST {
            let digest = cons.take_set(OctetString::take_from)?.to_bytes().to_vec();
            self.message_digest.replace(digest).is_none()
        } else if id == oid::SIGNING_TIME {
            let (tag, text) =
                cons.take_set(|cons| cons.take_value(|tag, content| Ok((tag, content.as_primitive()?.take_all()?))))?;
            let format = if tag == Tag::UTC_TIME { "%y%m%d%H%M%S" } else { "%Y%m%d%H%M%S%.f" };
            let time = timestamp::time(&text, format).ok_or_else(|| cons.content_err("a time that is none"))?;
            self.time.replace(time).is_none()
        } else if id == oid::SIGNING_CERTIFICATE {
            let hash = take_signing_certificate(cons, |_| Ok(&digest::SHA1_FOR_LEGACY_USE_ONLY))?;
            // The newer of the two counts, where both are there.
            self.certificate.get_or_insert(hash);
            true
        } else if id == oid::SIGNING_CERTIFICATE_V2 {
            let hash = take_signing_certificate(cons, take_hash_algorithm)?;
            self.certificate.replace(hash).is_none_or(|(known, _)| *known == digest::SHA1_FOR_LEGACY_USE_ONLY)
        } else {
            skip_rest(cons)?;
            true
        };
        if is_first { Ok(()) } else { Err(cons.content_err("an attribute stands twice")) }
    }
}

/// RFC 5035 §3: SHA-256 where none is named.
fn take_hash_algorithm<S: Source>(
    cons: &mut Constructed<'_, S>,
) -> Result<&'static digest::Algorithm, DecodeError<S::Error>> {
    let named = cons.take_opt_sequence(|cons| {
        let algorithm = Oid::take_from(cons)?;
        take_opt_captured(cons)?;
        Ok(algorithm)
    })?;
    match named {
        None => Ok(&digest::SHA256),
        Some(named) => digest_algorithm(&named).map_err(|_| cons.content_err("an unknown digest")),
    }
}

/// The first of the certificates that are named is the signer's.
fn take_signing_certificate<S: Source>(
    cons: &mut Constructed<'_, S>,
    algorithm: impl Fn(&mut Constructed<'_, S>) -> Result<&'static digest::Algorithm, DecodeError<S::Error>>,
) -> Result<(&'static digest::Algorithm, Vec<u8>), DecodeError<S::Error>> {
    cons.take_set(|cons| {
        cons.take_sequence(|cons| {
            let first = cons.take_sequence(|cons| {
                let first = cons.take_sequence(|cons| {
                    let algorithm = algorithm(cons)?;
                    let hash = OctetString::take_from(cons)?.to_bytes().to_vec();
                    // Issuer and number, once more.
                    skip_rest(cons)?;
                    Ok((algorithm, hash))
                })?;
                skip_rest(cons)?;
                Ok(first)
            })?;
            // Policies.
            skip_rest(cons)?;
            Ok(first)
        })
    })
}
