//! Lists of dossiers, a page at a time, oldest change first. No personal data: codes and states only.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lienthong_domain::dossier::{DossierCode, DossierState};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;

use super::Dossiers;
use super::representation::{DossierItem, DossierPage};
use super::store::{DossierRow, PageQuery};
use crate::access::Client;
use crate::http::problem::Problem;
use crate::storage::StoreError;

/// What may be asked of a list.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) state: Option<DossierState>,
    pub(super) updated_since: Option<Timestamp>,
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
}

/// Rows read for one page at most: a client with a small share of a large store gets shorter pages, not slower ones.
const MOST_ROUNDS: usize = 8;

impl Dossiers {
    /// A page and, if there may be more, the cursor of the next.
    pub(super) async fn list(&self, client: &Client, filter: Filter) -> Result<DossierPage, Problem> {
        let limit = filter.limit.unwrap_or(100).clamp(1, self.limits.page_items);
        let mut after = filter.cursor.as_deref().map(|cursor| self.read_cursor(cursor)).transpose()?;
        let mut items = Vec::new();
        let mut has_more = true;
        let today = self.clock.now().date_in_vietnam();
        for _ in 0..MOST_ROUNDS {
            let query =
                PageQuery { after: after.clone(), state: filter.state, updated_since: filter.updated_since, limit };
            let rows = self.store.page(query).await?;
            has_more = rows.len() == limit;
            for row in rows {
                if items.len() == limit {
                    has_more = true;
                    break;
                }
                after = Some((row.updated_at, row.code.clone()));
                let is_visible = DossierCode::parse(&row.code)
                    .is_ok_and(|code| client.covers(&code.agency(), &self.agencies, today));
                if is_visible {
                    items.push(item_of(row));
                }
            }
            if !has_more || items.len() == limit {
                break;
            }
        }
        let next_cursor = after.filter(|_| has_more).map(|(at, code)| self.write_cursor(at, &code)).transpose()?;
        Ok(DossierPage { items, next_cursor })
    }

    /// Sealed: it may name a dossier that its reader must not see, and one that we did not write is refused.
    fn write_cursor(&self, at: Timestamp, code: &str) -> Result<String, StoreError> {
        let cannot = |_| StoreError::Failed("a cursor could not be sealed".into());
        let mut sealed = format!("{}|{code}", at.micros()).into_bytes();
        let nonce = self.cursor_key()?.seal_in_place_append_tag(Aad::empty(), &mut sealed).map_err(cannot)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    fn read_cursor(&self, cursor: &str) -> Result<(Timestamp, String), Problem> {
        let key = self.cursor_key()?;
        let read = || {
            let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let text = key.open_in_place(nonce, Aad::empty(), sealed).ok()?;
            let (at, code) = std::str::from_utf8(text).ok()?.split_once('|')?;
            Some((Timestamp::from_micros(at.parse().ok()?), code.to_owned()))
        };
        read().ok_or_else(|| {
            Problem::field(
                "#/query/cursor",
                Refusal::new(
                    "cursor",
                    "Con trỏ trang không hợp lệ; dùng nextCursor của trang trước.",
                    "Not a cursor of this service; use the previous page's nextCursor.",
                ),
            )
        })
    }

    fn cursor_key(&self) -> Result<RandomizedNonceKey, StoreError> {
        let key = hmac::sign(self.keys.cursor(), b"lienthong/cursor/v2");
        RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_ref())
            .map_err(|_| StoreError::Failed("the key of cursors cannot be used".into()))
    }
}

fn item_of(row: DossierRow) -> DossierItem {
    DossierItem {
        code: row.code,
        agency_code: row.agency_id,
        procedure_code: row.procedure_code,
        state: row.state,
        revision: row.revision,
        steps: row.steps,
        accepted_at: row.accepted_at,
        updated_at: row.updated_at,
    }
}
