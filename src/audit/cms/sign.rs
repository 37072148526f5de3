//! The agency's own signature over a checkpoint: detached, with the signed attributes that CAdES asks for (RFC 5126: type,
//! digest, time and the signer's certificate). The key itself signs elsewhere: in a token or a security module.

use aws_lc_rs::digest::{SHA256, digest};
use bcder::encode::{self, PrimitiveContent, Values};
use bcder::{Captured, ConstOid, Mode, OctetString, Tag};
use lienthong_domain::time::Timestamp;

use super::{Certificate, Malformed, oid};

/// Of which kind a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// PKCS#1 v1.5.
    Rsa,
    Ecdsa,
}

impl KeyKind {
    /// Of the key that a certificate is for.
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let kinds = [(oid::RSA, Self::Rsa), (oid::EC, Self::Ecdsa)];
        kinds.into_iter().find(|(known, _)| certificate.key_algorithm == *known).map(|(_, kind)| kind)
    }

    /// With SHA-256.
    fn algorithm(self) -> ConstOid {
        match self {
            Self::Rsa => oid::RSA_SHA_256,
            Self::Ecdsa => oid::ECDSA_SHA_256,
        }
    }
}

/// What is to be signed, and what is made of the signature.
pub struct ToSign<'a> {
    certificates: &'a [Certificate],
    kind: KeyKind,
    attributes: Vec<Captured>,
}

impl<'a> ToSign<'a> {
    /// `certificates`: the signer's own first, then those that lead to an authority.
    pub fn new(content: &[u8], certificates: &'a [Certificate], at: Timestamp) -> Result<Self, Malformed> {
        let signer = certificates.first().ok_or_else(|| Malformed::new("certificates", &"there is none"))?;
        let kind = KeyKind::of(signer).ok_or_else(|| {
            Malformed::new(
                "the signer's certificate",
                &format!("a key of the kind {} is not known", signer.key_algorithm),
            )
        })?;
        let time =
            jiff::Timestamp::from_microsecond(at.micros()).map_err(|error| Malformed::new("the time", &error))?;
        let time =
            jiff::fmt::strtime::format("%y%m%d%H%M%SZ", time).map_err(|error| Malformed::new("the time", &error))?;
        let certificate = encode::sequence(encode::sequence(encode::sequence(OctetString::encode_slice(
            digest(&SHA256, &signer.der).as_ref().to_vec(),
        ))));
        let time = encode::Constructed::new(Tag::SET, UtcTime(time)).to_captured(Mode::Der);
        let mut attributes = vec![
            attribute(oid::CONTENT_TYPE, encode::set(oid::DATA.encode_ref())),
            encode::sequence((oid::SIGNING_TIME.encode_ref(), time)).to_captured(Mode::Der),
            attribute(
                oid::MESSAGE_DIGEST,
                encode::set(OctetString::encode_slice(digest(&SHA256, content).as_ref().to_vec())),
            ),
            attribute(oid::SIGNING_CERTIFICATE_V2, encode::set(certificate)),
        ];
        // DER: a SET OF is sorted.
        attributes.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
        Ok(Self { certificates, kind, attributes })
    }

    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// What the key signs (with SHA-256).
    pub fn bytes(&self) -> Vec<u8> {
        encode::set(encode::iter(self.attributes.iter().map(|one| one.as_slice().to_vec()).map(Raw)))
            .to_captured(Mode::Der)
            .as_slice()
            .to_vec()
    }

    /// The ContentInfo with this signature: of an ECDSA key as the SEQUENCE of its two numbers.
    pub fn signed(&self, signature: &[u8]) -> Vec<u8> {
        let [signer, ..] = self.certificates else { return Vec::new() };
        let sha_256 = || encode::sequence(oid::SHA_256.encode_ref());
        let algorithm = match self.kind {
            KeyKind::Rsa => encode::sequence((self.kind.algorithm().encode(), Some(().encode()))),
            KeyKind::Ecdsa => encode::sequence((self.kind.algorithm().encode(), None)),
        };
        let attributes = encode::iter(self.attributes.iter().map(|one| Raw(one.as_slice().to_vec())));
        let info = encode::sequence((
            1_u8.encode(),
            encode::sequence((Raw(signer.issuer.as_slice().to_vec()), (&signer.serial).encode())),
            sha_256(),
            encode::set_as(Tag::CTX_0, attributes),
            algorithm,
            OctetString::encode_slice(signature.to_vec()),
        ));
        let mut certificates: Vec<Vec<u8>> = self.certificates.iter().map(|found| found.der.to_vec()).collect();
        certificates.sort();
        let data = encode::sequence((
            1_u8.encode(),
            encode::set(sha_256()),
            encode::sequence(oid::DATA.encode_ref()),
            encode::set_as(Tag::CTX_0, encode::iter(certificates.into_iter().map(Raw))),
            encode::set(info),
        ));
        let whole = encode::sequence((oid::SIGNED_DATA.encode_ref(), encode::sequence_as(Tag::CTX_0, data)));
        whole.to_captured(Mode::Der).as_slice().to_vec()
    }
}

/// The two numbers of an ECDSA signature, as devices give them, in the form in which they stand in a signature (RFC 3279 §2.2.3).
pub fn ecdsa_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len().saturating_sub(1))..];
        // Above zero also where the first bit is set.
        let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { vec![0] } else { Vec::new() };
        let bytes = [sign, bytes.to_vec()].concat();
        [vec![0x02, u8::try_from(bytes.len()).unwrap_or(u8::MAX)], bytes].concat()
    };
    encode::sequence(Raw([number(r), number(s)].concat())).to_captured(Mode::Der).as_slice().to_vec()
}

fn attribute(id: ConstOid, values: impl Values) -> Captured {
    encode::sequence((id.encode(), values)).to_captured(Mode::Der)
}

/// What is encoded already.
struct Raw(Vec<u8>);

impl Values for Raw {
    fn encoded_len(&self, _: Mode) -> usize {
        self.0.len()
    }

    fn write_encoded<W: std::io::Write>(&self, _: Mode, target: &mut W) -> std::io::Result<()> {
        target.write_all(&self.0)
    }
}

struct UtcTime(String);

impl Values for UtcTime {
    fn encoded_len(&self, _: Mode) -> usize {
        encode::total_encoded_len(Tag::UTC_TIME, self.0.len())
    }

    fn write_encoded<W: std::io::Write>(&self, _: Mode, target: &mut W) -> std::io::Result<()> {
        encode::write_header(target, Tag::UTC_TIME, false, self.0.len())?;
        target.write_all(self.0.as_bytes())
    }
}
