//! Lists of dossiers, a page at a time, oldest change first. No personal data: codes and states only.

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
        let next_cursor = after.filter(|_| has_more).map(|(at, code)| self.write_cursor(at, &code));
        Ok(DossierPage { items, next_cursor })
    }

    /// Opaque and signed: a cursor that we did not write is refused.
    fn write_cursor(&self, at: Timestamp, code: &str) -> String {
        let text = format!("{}|{code}", at.micros());
        let tag = hmac::sign(self.keys.cursor(), text.as_bytes());
        URL_SAFE_NO_PAD.encode([&tag.as_ref()[..16], text.as_bytes()].concat())
    }

    fn read_cursor(&self, cursor: &str) -> Result<(Timestamp, String), Problem> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (tag, text) = bytes.split_at_checked(16)?;
            let expected = hmac::sign(self.keys.cursor(), text);
            let is_ours = bool::from(subtle::ConstantTimeEq::ct_eq(&expected.as_ref()[..16], tag));
            let (at, code) = std::str::from_utf8(text).ok().filter(|_| is_ours)?.split_once('|')?;
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
