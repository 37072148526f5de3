//! Cursors of pages. Sealed: they may name what their reader must not see, and one that we did not write for this list is
//! refused.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lienthong_domain::invalid::Refusal;

use crate::storage::StoreError;
use crate::storage::keys::Keys;

/// The cursor of a place in this list.
pub fn seal(keys: &Keys, list: &'static str, place: &str) -> Result<String, StoreError> {
    let cannot = |_| StoreError::Failed("a cursor could not be sealed".into());
    let mut sealed = place.as_bytes().to_vec();
    let nonce = key(keys)?.seal_in_place_append_tag(Aad::from(list), &mut sealed).map_err(cannot)?;
    Ok(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
}

/// The place that a cursor of this list names.
pub fn open(keys: &Keys, list: &'static str, cursor: &str) -> Result<Option<String>, StoreError> {
    let key = key(keys)?;
    let open = || {
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let place = key.open_in_place(nonce, Aad::from(list), sealed).ok()?;
        String::from_utf8(place.to_vec()).ok()
    };
    Ok(open())
}

/// What is said of a cursor that is none of ours.
pub fn refusal() -> Refusal {
    Refusal::new(
        "cursor",
        "Con trỏ trang không hợp lệ; dùng nextCursor của trang trước.",
        "Not a cursor of this service; use the previous page's nextCursor.",
    )
}

fn key(keys: &Keys) -> Result<RandomizedNonceKey, StoreError> {
    let key = hmac::sign(keys.cursor(), b"lienthong/cursor/v2");
    RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_ref())
        .map_err(|_| StoreError::Failed("the key of cursors cannot be used".into()))
}
