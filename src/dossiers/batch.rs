//! Many dossiers in one request: each is accepted or refused on its own, and the answer says which.

use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::Dossiers;
use super::representation::{AcceptedDossier, BatchItem, BatchResult};
use super::sync::read_code;
use crate::access::Client;
use crate::http::problem::{Language, Problem};
use lienthong_domain::invalid::{InvalidFields, Refusal};

/// Wrong fields told of one item; a batch's answer stays of the order of its request.
const MOST_FIELDS_AN_ITEM: usize = 20;

/// How many items of one batch are worked on at a time.
const AT_A_TIME: usize = 64;

impl Dossiers {
    /// Accepts each item of `body` (`{"items": […]}`); the answer has one result an item, in order.
    pub(super) async fn sync_batch(
        &self,
        client: &Client,
        body: Value,
        language: Language,
    ) -> Result<BatchResult, Problem> {
        let items = self.batch_items(body)?;
        // Items of one dossier keep their order: they are worked on one after another.
        let mut lanes: Vec<(String, Vec<(usize, Value)>)> = Vec::new();
        let mut lane_of = std::collections::HashMap::new();
        let count = items.len();
        for (index, item) in items.into_iter().enumerate() {
            let code = item.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
            let lane = *lane_of.entry(code.clone()).or_insert_with(|| {
                lanes.push((code, Vec::new()));
                lanes.len() - 1
            });
            lanes[lane].1.push((index, item));
        }
        let mut results = Vec::with_capacity(count);
        let mut done = stream::iter(lanes)
            .map(|(code, items)| self.sync_lane(client, code, items, language))
            .buffer_unordered(AT_A_TIME);
        while let Some(lane) = done.next().await {
            results.extend(lane?);
        }
        results.sort_by_key(|result| result.index);
        let refused = results.iter().filter(|result| result.problem.is_some()).count();
        Ok(BatchResult { accepted: count - refused, refused, items: results })
    }

    async fn sync_lane(
        &self,
        client: &Client,
        code: String,
        items: Vec<(usize, Value)>,
        language: Language,
    ) -> Result<Vec<BatchItem>, Problem> {
        let mut results = Vec::with_capacity(items.len());
        for (index, item) in items {
            let outcome = match read_code(&code) {
                Ok(code) => self.sync(client, &code, item, None).await,
                Err(_) => Err(Problem::field(
                    "/code",
                    Refusal::new("dossier_code", "Thiếu mã hồ sơ hợp lệ.", "A valid dossier code is needed."),
                )),
            };
            let (status, dossier, problem) = match outcome {
                Ok(accepted) => {
                    let status = if accepted.is_unchanged { 200 } else { 202 };
                    (status, Some(AcceptedDossier::from(&accepted)), None)
                }
                // The gateway's own trouble is not an item's fault: the whole request is to be repeated.
                Err(problem) if problem.code.status().is_server_error() => return Err(problem),
                Err(mut problem) => {
                    problem.errors = problem.errors.shortened(MOST_FIELDS_AN_ITEM);
                    (problem.code.status().as_u16(), None, Some(problem.to_json(language, None)))
                }
            };
            results.push(BatchItem { index, status, dossier, problem });
        }
        Ok(results)
    }

    fn batch_items(&self, body: Value) -> Result<Vec<Value>, InvalidFields> {
        let most = self.limits.batch_items;
        let refusal = || {
            Refusal::new(
                "items",
                format!("Cần {{\"items\": […]}} với 1 đến {most} hồ sơ."),
                format!("{{\"items\": […]}} with 1 to {most} dossiers is needed."),
            )
        };
        let Value::Object(mut members) = body else { return Err(InvalidFields::one("", refusal())) };
        let items = members.remove("items");
        if let Some(unknown) = members.keys().next() {
            let name: String = unknown.chars().take(64).collect();
            let unknown = Refusal::new("unknown_member", "Không có trường này.", "There is no such member.");
            return Err(InvalidFields::one(format!("/{name}"), unknown));
        }
        match items {
            Some(Value::Array(items)) if (1..=most).contains(&items.len()) => Ok(items),
            _ => Err(InvalidFields::one("/items", refusal())),
        }
    }
}
