//! What waits for a local system: a page at a time, or as soon as there is something; one message with its content; one file.

use std::collections::HashMap;
use std::time::Instant;

use lienthong_domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keep_files::FileEntry;
use super::links::LinkedFile;
use super::representation::{AttachmentView, ItemPage, ItemView, ItemWithContent};
use super::store::{InboxItem, PageQuery};
use super::{Inbox, InboxStatus};
use crate::access::Client;
use crate::audit::{Draft, Kind, Outcome};
use crate::http::cursor;
use crate::http::layers::HeldPlace;
use crate::http::problem::{Code, Problem};
use crate::storage::StoreError;
use crate::storage::files::{Reading, key_under};

/// What may be asked of the list.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) status: Option<InboxStatus>,
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
    /// Seconds.
    pub(super) wait: Option<u64>,
}

/// Whose cursors these are.
const LIST: &str = "inbox";
/// Rows read for one page at most: a client with a small share of a large inbox gets shorter pages, not slower ones.
const MOST_ROUNDS: usize = 8;

/// The stored body of a message.
#[derive(Deserialize)]
struct StoredBody {
    message: Value,
    envelope: Value,
    files: Vec<FileEntry>,
}

/// A file that may be given out.
pub(super) struct OpenFile {
    pub(super) reading: Reading,
    pub(super) media_type: String,
    pub(super) bytes: u64,
}

impl Inbox {
    /// `place` is given back while nobody works on the request.
    pub(super) async fn list(
        &self,
        client: &Client,
        filter: Filter,
        place: Option<HeldPlace>,
    ) -> Result<ItemPage, Problem> {
        let wait = filter
            .wait
            .map_or_else(Default::default, |wait| std::time::Duration::from_secs(wait).min(self.limits.longest_wait));
        let (started, today) = (Instant::now(), self.clock.now().date_in_vietnam());
        let agencies = self.agencies.within(&client.agencies, today);
        let mut waiting = None;
        loop {
            let page = self.page(client, &agencies, &filter).await?;
            let left = wait.saturating_sub(started.elapsed());
            if !page.items.is_empty() || page.next_cursor.is_some() || left.is_zero() {
                return Ok(page);
            }
            if waiting.is_none() {
                let Some(entered) = self.waiters.enter(&client.id) else { return Ok(page) };
                waiting = Some(entered);
                place.iter().for_each(HeldPlace::give_back);
            }
            tokio::time::sleep(self.limits.poll.min(left)).await;
        }
    }

    /// A page and, if there may be more, the cursor of the next.
    async fn page(&self, client: &Client, agencies: &[String], filter: &Filter) -> Result<ItemPage, Problem> {
        let limit = filter.limit.unwrap_or(100).clamp(1, self.limits.page_items);
        let status = filter.status.unwrap_or(InboxStatus::Waiting);
        let first = (Timestamp::from_micros(i64::MIN), Uuid::nil());
        let mut after = filter.cursor.as_deref().map_or(Ok(first), |cursor| self.read_cursor(cursor))?;
        let (mut items, mut has_more) = (Vec::new(), true);
        for _ in 0..MOST_ROUNDS {
            let query = PageQuery { status, agencies: agencies.to_vec(), after, now: self.clock.now(), limit };
            let rows = self.store.page(query).await?;
            has_more = rows.len() == limit;
            for row in rows {
                if items.len() == limit {
                    has_more = true;
                    break;
                }
                after = (row.ready_at, row.id);
                if self.is_for(client, &row) {
                    items.push(ItemView::from(row));
                }
            }
            if !has_more || items.len() == limit {
                break;
            }
        }
        let place = format!("{}|{}", after.0.micros(), after.1);
        let next_cursor = has_more.then(|| cursor::seal(&self.keys, LIST, &place)).transpose()?;
        Ok(ItemPage { items, next_cursor })
    }

    fn read_cursor(&self, cursor: &str) -> Result<(Timestamp, Uuid), Problem> {
        let place = cursor::open(&self.keys, LIST, cursor)?;
        let read = |place: String| {
            let (at, id) = place.split_once('|')?;
            Some((Timestamp::from_micros(at.parse().ok()?), id.parse().ok()?))
        };
        place.and_then(read).ok_or_else(|| Problem::field("#/query/cursor", cursor::refusal()))
    }

    /// A message that the client may see: what another must not see looks like none, and so does what is not its turn.
    pub(super) async fn find(&self, client: &Client, id: Uuid) -> Result<InboxItem, Problem> {
        let is_shown = |item: &InboxItem| {
            let is_next = item.is_head && item.ready_at <= self.clock.now();
            (item.status != InboxStatus::Waiting || is_next) && self.is_for(client, item)
        };
        let found = self.store.find(id).await?.filter(is_shown);
        found.ok_or_else(|| Problem::new(Code::InboxItemNotFound))
    }

    /// A message with its content, once the record of that is durable.
    pub(super) async fn view(&self, client: &Client, id: Uuid) -> Result<ItemWithContent, Problem> {
        let item = self.find(client, id).await?;
        let body = self.body(&item).await?;
        self.record_reading(client, &item, "inbox.view").await?;
        let (content, envelope, files) =
            body.map_or((Value::Null, Value::Null, Vec::new()), |body| (body.message, body.envelope, body.files));
        let mut linked: HashMap<i64, LinkedFile> =
            self.links.of_item(id).await?.into_iter().map(|linked| (linked.n, linked)).collect();
        let attachment = |(n, file)| AttachmentView::of(id, n, file, linked.remove(&n));
        let attachments = (1..).zip(files).map(attachment).collect();
        Ok(ItemWithContent { item: item.into(), content, envelope, attachments })
    }

    /// One of its files, from 1.
    pub(super) async fn file(&self, client: &Client, id: Uuid, number: usize) -> Result<OpenFile, Problem> {
        let not_found = || Problem::new(Code::FileNotFound);
        let item = self.find(client, id).await?;
        let body = self.body(&item).await?.ok_or_else(not_found)?;
        let file = number.checked_sub(1).and_then(|n| body.files.into_iter().nth(n)).ok_or_else(not_found)?;
        let (stored, key, media_type, bytes) = match (file.kept, file.secret) {
            (Some(kept), _) => (kept.id, kept.key()?, kept.media_type, kept.bytes),
            (None, Some(secret)) => {
                let linked = self.links.of_item(id).await?.into_iter().find(|linked| linked.n == number as i64);
                let kept = linked.and_then(|linked| linked.kept).ok_or_else(|| Problem::new(Code::FileNotFetched))?;
                (kept.file, key_under(&*secret.bytes()?, kept.file), kept.media_type, kept.bytes.cast_unsigned())
            }
            (None, None) => return Err(not_found()),
        };
        let reading = self.files.read(stored, &key).await?;
        // Its key is there, and so must it be: a folder that is not mounted must not look like a message without files.
        let reading = reading.ok_or_else(|| StoreError::Failed(format!("the file {stored} is not in its folder")))?;
        self.record_reading(client, &item, "inbox.file").await?;
        Ok(OpenFile { reading, media_type, bytes })
    }

    async fn body(&self, item: &InboxItem) -> Result<Option<StoredBody>, StoreError> {
        let Some(bytes): Option<Zeroizing<Vec<u8>>> = self.outbox.body(item.body_id).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(StoreError::failed)
    }

    async fn record_reading(&self, client: &Client, item: &InboxItem, op: &'static str) -> Result<(), StoreError> {
        let outcome = Outcome { status: Some(200), ..Outcome::decided("shown") };
        let draft =
            Draft::new(Kind::BodyRead, op, outcome).client(&client.id, &item.agency_id).subject(&item.national_code);
        self.audit.append(self.recorder.seal(&draft)?).await
    }
}
