//! Object identifiers, as they are encoded.

use bcder::{ConstOid, Oid};

/// RFC 5652.
pub(super) const SIGNED_DATA: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 7, 2]);
pub(super) const DATA: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 7, 1]);
pub(super) const CONTENT_TYPE: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 9, 3]);
pub(super) const MESSAGE_DIGEST: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 9, 4]);
pub(super) const SIGNING_TIME: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 9, 5]);
/// RFC 2634 and RFC 5035.
pub(super) const SIGNING_CERTIFICATE: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 9, 16, 2, 12]);
pub(super) const SIGNING_CERTIFICATE_V2: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 9, 16, 2, 47]);
/// RFC 3161.
pub(super) const TST_INFO: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 9, 16, 1, 4]);

pub(super) const SHA_256: ConstOid = Oid(&[96, 134, 72, 1, 101, 3, 4, 2, 1]);
pub(super) const SHA_384: ConstOid = Oid(&[96, 134, 72, 1, 101, 3, 4, 2, 2]);
pub(super) const SHA_512: ConstOid = Oid(&[96, 134, 72, 1, 101, 3, 4, 2, 3]);
pub(super) const RSA: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 1, 1]);
pub(super) const RSA_PSS: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 1, 10]);
pub(super) const RSA_SHA_256: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 1, 11]);
pub(super) const RSA_SHA_384: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 1, 12]);
pub(super) const RSA_SHA_512: ConstOid = Oid(&[42, 134, 72, 134, 247, 13, 1, 1, 13]);
pub(super) const EC: ConstOid = Oid(&[42, 134, 72, 206, 61, 2, 1]);
pub(super) const ECDSA_SHA_256: ConstOid = Oid(&[42, 134, 72, 206, 61, 4, 3, 2]);
pub(super) const ECDSA_SHA_384: ConstOid = Oid(&[42, 134, 72, 206, 61, 4, 3, 3]);
pub(super) const ECDSA_SHA_512: ConstOid = Oid(&[42, 134, 72, 206, 61, 4, 3, 4]);

/// X.509.
pub(super) const COMMON_NAME: ConstOid = Oid(&[85, 4, 3]);
pub(super) const SUBJECT_KEY_IDENTIFIER: ConstOid = Oid(&[85, 29, 14]);
pub(super) const EXTENDED_KEY_USAGE: ConstOid = Oid(&[85, 29, 37]);
pub(super) const TIME_STAMPING: ConstOid = Oid(&[43, 6, 1, 5, 5, 7, 3, 8]);
