//! Time stamps (RFC 3161): what is asked of an authority, and what its answer proves.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bcder::decode::{Constructed, DecodeError, Source};
use bcder::encode::{self, PrimitiveContent, Values};
use bcder::{Captured, Mode, OctetString, Oid, Tag, Unsigned};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lienthong_domain::time::Timestamp;

use super::{
    Certificate, MOST_BYTES, Malformed, NotSigned, Roots, SignedData, certificate, oid, skip_rest, take_opt_captured,
};

/// What an authority is asked: to say when it has seen the digest of these bytes.
pub struct Query {
    imprint: [u8; 32],
    nonce: [u8; 16],
}

/// What an authority has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    pub at: Timestamp,
    /// Common name of the authority's certificate.
    pub by: String,
}

/// Why an answer is no time stamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStamped {
    #[error("the authority gives none: status {0}")]
    Refused(u8),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    #[error("it is for other bytes")]
    OtherImprint,
    #[error("it answers another question")]
    OtherNonce,
    #[error("the certificate of {0} is not for time stamps alone")]
    NotForTimeStamps(String),
    #[error("it says {at}, which is not between {from} and {to}")]
    OtherTime { at: Timestamp, from: Timestamp, to: Timestamp },
}

impl Query {
    pub fn new(data: &[u8]) -> Self {
        let mut nonce = [0; 16];
        // Without randomness nothing else works either; the imprint still tells answers apart.
        let _ = SystemRandom::new().fill(&mut nonce);
        // An INTEGER above zero, in its shortest form.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        Self { imprint: imprint(data), nonce }
    }

    /// The query as it is sent, with the wish for the authority's certificate.
    pub fn to_der(&self) -> Vec<u8> {
        let imprint = encode::sequence((
            encode::sequence((oid::SHA_256.encode_ref(), ().encode())),
            OctetString::encode_slice(self.imprint.as_slice()),
        ));
        let nonce = nonce_of(&self.nonce);
        let query = encode::sequence((1_u8.encode(), imprint, (&nonce).encode(), true.encode()));
        query.to_captured(Mode::Der).as_slice().to_vec()
    }

    /// What the answer to this query proves.
    pub fn read(&self, response: &[u8], roots: &Roots, from: Timestamp, to: Timestamp) -> Result<Stamp, NotStamped> {
        let (info, signer) = open(response, &self.imprint, roots)?;
        if info.nonce.as_ref().map(|nonce| nonce.as_slice()) != Some(&self.nonce) {
            return Err(NotStamped::OtherNonce);
        }
        if info.at < from || info.at > to {
            return Err(NotStamped::OtherTime { at: info.at, from, to });
        }
        Ok(Stamp { at: info.at, by: signer.subject })
    }
}

/// What an answer that was kept proves of these bytes.
pub fn verify(response: &[u8], data: &[u8], roots: &Roots) -> Result<Stamp, NotStamped> {
    let (info, signer) = open(response, &imprint(data), roots)?;
    Ok(Stamp { at: info.at, by: signer.subject })
}

fn imprint(data: &[u8]) -> [u8; 32] {
    let mut imprint = [0; 32];
    imprint.copy_from_slice(digest(&SHA256, data).as_ref());
    imprint
}

fn nonce_of(nonce: &[u8]) -> Unsigned {
    Unsigned::from_slice(nonce).unwrap_or_else(|_| Unsigned::from(0_u8))
}

fn open(response: &[u8], imprint: &[u8], roots: &Roots) -> Result<(Info, Certificate), NotStamped> {
    if response.len() > MOST_BYTES {
        return Err(Malformed::new("a time stamp", &format!("it has more than {MOST_BYTES} bytes")).into());
    }
    let taken = Constructed::decode(response, Mode::Ber, take_response);
    let (status, token) = taken.map_err(|error| Malformed::new("a time stamp", &error))?;
    let token = match (status, token) {
        // Granted; granted with changes.
        (0 | 1, Some(token)) => token,
        (status, _) => return Err(NotStamped::Refused(status)),
    };
    let signed = SignedData::parse(token.as_slice())?;
    let content = signed.content.as_ref().filter(|_| signed.content_type == oid::TST_INFO);
    let content = content.ok_or_else(|| Malformed::new("a time stamp", &"something else was signed"))?;
    let info = Constructed::decode(content.as_slice(), Mode::Ber, take_info);
    let info = info.map_err(|error| Malformed::new("a time stamp", &error))?;
    let signer = signed.verify(content, info.at, roots)?;
    if !signer.is_for_time_stamps_alone {
        return Err(NotStamped::NotForTimeStamps(signer.subject));
    }
    if info.digest != oid::SHA_256 || info.imprint != imprint {
        return Err(NotStamped::OtherImprint);
    }
    Ok((info, signer))
}

/// TSTInfo.
struct Info {
    digest: Oid,
    imprint: Vec<u8>,
    at: Timestamp,
    nonce: Option<Unsigned>,
}

fn take_response<S: Source>(cons: &mut Constructed<'_, S>) -> Result<(u8, Option<Captured>), DecodeError<S::Error>> {
    cons.take_sequence(|cons| {
        let status = cons.take_sequence(|cons| {
            let status = cons.take_u8()?;
            skip_rest(cons)?;
            Ok(status)
        })?;
        Ok((status, take_opt_captured(cons)?))
    })
}

fn take_info<S: Source>(cons: &mut Constructed<'_, S>) -> Result<Info, DecodeError<S::Error>> {
    cons.take_sequence(|cons| {
        cons.skip_u8_if(1)?;
        // Policy.
        Oid::skip_in(cons)?;
        let (digest, imprint) = cons.take_sequence(|cons| {
            Ok((certificate::take_algorithm(cons)?, OctetString::take_from(cons)?.to_bytes().to_vec()))
        })?;
        // The authority's number of it.
        Unsigned::take_from(cons)?;
        let at = cons.take_primitive_if(Tag::GENERALIZED_TIME, |value| value.take_all())?;
        let at = time(&at, "%Y%m%d%H%M%S%.f").ok_or_else(|| cons.content_err("a time that is none"))?;
        // How exact it is; whether stamps are in order.
        cons.take_opt_sequence(skip_rest)?;
        cons.take_opt_bool()?;
        let nonce = cons.take_opt_primitive_if(Tag::INTEGER, Unsigned::from_primitive)?;
        skip_rest(cons)?;
        Ok(Info { digest, imprint, at, nonce })
    })
}

/// A time of ASN.1, which here is always UTC (RFC 3161 §2.4.2, RFC 5652 §11.3).
pub(super) fn time(text: &[u8], format: &str) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let is_plain = text.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    let at = DateTime::strptime(format, text).ok().filter(|_| is_plain)?;
    let at = at.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(at.timestamp().as_microsecond()))
}
