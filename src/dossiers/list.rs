//! Lists of dossiers, a page at a time, oldest change first. No personal data: codes and states only.

use lienthong_domain::dossier::{DossierCode, DossierState};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;

use super::Dossiers;
use super::representation::{DossierItem, DossierPage};
use super::store::{DossierRow, PageQuery};
use crate::access::Client;
use crate::http::cursor;
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

/// Whose cursors these are.
const LIST: &str = "dossiers";
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

    fn write_cursor(&self, at: Timestamp, code: &str) -> Result<String, StoreError> {
        cursor::seal(&self.keys, LIST, &format!("{}|{code}", at.micros()))
    }

    fn read_cursor(&self, cursor: &str) -> Result<(Timestamp, String), Problem> {
        let place = cursor::open(&self.keys, LIST, cursor)?;
        let read = |place: String| {
            let (at, code) = place.split_once('|')?;
            Some((Timestamp::from_micros(at.parse().ok()?), code.to_owned()))
        };
        place.and_then(read).ok_or_else(|| Problem::field("#/query/cursor", cursor::refusal()))
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
