//! What is needed of a certificate (RFC 5280) beside its chain, which `webpki` verifies: who it is for, and how others name it.

use bcder::decode::{Constructed, DecodeError, Source};
use bcder::{Captured, Integer, Mode, OctetString, Oid, Tag};
use rustls::pki_types::CertificateDer;

use super::{Malformed, oid, skip_rest, take_opt_captured};

/// A certificate, as it came.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub der: CertificateDer<'static>,
    /// Who has issued it: encoded, with the number.
    pub(super) issuer: Captured,
    pub(super) serial: Integer,
    pub(super) key_id: Option<Vec<u8>>,
    pub(super) key_algorithm: Oid,
    /// Common name of the subject; empty if it has none.
    pub subject: String,
    /// Its one purpose, marked critical, is time stamping (RFC 3161 §2.3).
    pub is_for_time_stamps_alone: bool,
}

impl Certificate {
    pub fn parse(der: &[u8]) -> Result<Self, Malformed> {
        let parsed = Constructed::decode(der, Mode::Der, |cons| take(cons, der));
        parsed.map_err(|error| Malformed::new("a certificate", &error))
    }
}

fn take<S: Source>(cons: &mut Constructed<'_, S>, der: &[u8]) -> Result<Certificate, DecodeError<S::Error>> {
    cons.take_sequence(|cons| {
        let certificate = cons.take_sequence(|cons| {
            // Version.
            cons.take_opt_constructed_if(Tag::CTX_0, skip_rest)?;
            let serial = Integer::take_from(cons)?;
            // Signature algorithm.
            cons.take_sequence(skip_rest)?;
            let issuer = cons.capture_one()?;
            // Validity.
            cons.take_sequence(skip_rest)?;
            let subject = take_common_name(cons)?;
            let key_algorithm = cons.take_sequence(|cons| {
                let algorithm = take_algorithm(cons)?;
                skip_rest(cons)?;
                Ok(algorithm)
            })?;
            let mut found = Extensions::default();
            // The unique identifiers of version 2, which nobody uses.
            cons.take_opt_primitive_if(Tag::CTX_1, |value| value.skip_all())?;
            cons.take_opt_primitive_if(Tag::CTX_2, |value| value.skip_all())?;
            cons.take_opt_constructed_if(Tag::CTX_3, |cons| {
                cons.take_sequence(|cons| {
                    while cons.take_opt_sequence(|cons| found.take(cons))?.is_some() {}
                    Ok(())
                })
            })?;
            Ok(Certificate {
                der: CertificateDer::from(der.to_vec()),
                issuer,
                serial,
                key_id: found.key_id,
                key_algorithm,
                subject,
                is_for_time_stamps_alone: found.is_for_time_stamps_alone,
            })
        })?;
        // The signature is webpki's matter.
        skip_rest(cons)?;
        Ok(certificate)
    })
}

#[derive(Default)]
struct Extensions {
    key_id: Option<Vec<u8>>,
    is_for_time_stamps_alone: bool,
}

impl Extensions {
    fn take<S: Source>(&mut self, cons: &mut Constructed<'_, S>) -> Result<(), DecodeError<S::Error>> {
        let id = Oid::take_from(cons)?;
        let is_critical = cons.take_opt_bool()?.unwrap_or(false);
        let value = OctetString::take_from(cons)?.into_bytes();
        let inner = |_| cons.content_err("an extension cannot be read");
        if id == oid::SUBJECT_KEY_IDENTIFIER {
            let key_id = Constructed::decode(value.as_ref(), Mode::Der, OctetString::take_from).map_err(inner)?;
            self.key_id = Some(key_id.into_bytes().to_vec());
        } else if id == oid::EXTENDED_KEY_USAGE {
            let purposes = Constructed::decode(value.as_ref(), Mode::Der, |cons| {
                cons.take_sequence(|cons| {
                    let mut purposes = Vec::new();
                    while let Some(purpose) = Oid::take_opt_from(cons)? {
                        purposes.push(purpose);
                    }
                    Ok(purposes)
                })
            });
            let purposes = purposes.map_err(inner)?;
            self.is_for_time_stamps_alone = is_critical && matches!(&purposes[..], [one] if *one == oid::TIME_STAMPING);
        }
        Ok(())
    }
}

/// The last common name of a distinguished name.
fn take_common_name<S: Source>(cons: &mut Constructed<'_, S>) -> Result<String, DecodeError<S::Error>> {
    cons.take_sequence(|cons| {
        let mut name = String::new();
        let take = |cons: &mut Constructed<'_, S>, name: &mut String| {
            cons.take_opt_set(|cons| {
                while cons
                    .take_opt_sequence(|cons| {
                        let id = Oid::take_from(cons)?;
                        let value = cons.take_value(|_, content| match content.as_primitive() {
                            Ok(value) => Ok(Some(value.take_all()?)),
                            Err(_) => Ok(None),
                        })?;
                        if id == oid::COMMON_NAME {
                            *name = String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
                        }
                        Ok(())
                    })?
                    .is_some()
                {}
                Ok(())
            })
        };
        while take(cons, &mut name)?.is_some() {}
        Ok(name)
    })
}

/// An AlgorithmIdentifier; its parameters do not matter here.
pub(super) fn take_algorithm<S: Source>(cons: &mut Constructed<'_, S>) -> Result<Oid, DecodeError<S::Error>> {
    cons.take_sequence(|cons| {
        let algorithm = Oid::take_from(cons)?;
        take_opt_captured(cons)?;
        Ok(algorithm)
    })
}
