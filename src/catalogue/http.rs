//! The way in to the copy of the catalogue. Everything is answered from memory but contents, which are read from the store. An answer
//! has an ETag: who has it already gets 304.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lienthong_domain::catalogue::search::Query as SearchQuery;
use lienthong_domain::catalogue::{Dictionary, Level, ProcedureCode};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::text::Text;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Catalogue;
use super::copy::{Held, HeldList};
use super::entry::{EntryStanding, List, Version};
use super::live;
use super::representation::{
    CatalogueView, ChangeItem, ChangePage, DictionaryItem, DictionaryPage, ProcedureItem, ProcedurePage,
    ProcedureVersion,
};
use crate::http::openapi::Refusals;
use crate::http::problem::{Code, Problem};
use crate::http::{cursor, query};
use crate::storage::StoreError;

pub fn routes(catalogue: Arc<Catalogue>) -> OpenApiRouter {
    let copy = OpenApiRouter::new()
        .routes(routes!(get_catalogue))
        .routes(routes!(list_catalogue_procedures))
        .routes(routes!(get_catalogue_procedure))
        .routes(routes!(list_procedure_versions))
        .routes(routes!(list_dictionary))
        .routes(routes!(list_catalogue_changes))
        .with_state(Arc::clone(&catalogue));
    copy.merge(live::routes(catalogue))
}

/// Bản sao danh mục quốc gia đang đến đâu
///
/// Có bao nhiêu mục, sao lần gần nhất khi nào, và những gì không sao được. / How many entries there are, when they were copied, and
/// what could not be.
#[utoipa::path(
    get, path = "/v1/catalogue", operation_id = "getCatalogue", tag = "catalogue",
    responses((status = 200, description = "Tình trạng. / How it stands.", body = CatalogueView), Refusals)
)]
async fn get_catalogue(State(catalogue): State<Arc<Catalogue>>, headers: HeaderMap) -> Result<Response, Problem> {
    let (held, run) = catalogue.copy.held();
    tagged(&headers, &CatalogueView::of(held.last, held.lists(), run.as_deref()))
}

/// Danh sách thủ tục, tìm theo tên hoặc mã
///
/// Tìm có dấu hay không dấu, cả khi gõ dở. Thủ tục không còn trong danh mục vẫn có mặt, với `standing` là `withdrawn`. / By name or code,
/// with or without diacritics, also half typed. A procedure that left the catalogue is still there, as `withdrawn`.
#[utoipa::path(
    get, path = "/v1/catalogue/procedures", operation_id = "listCatalogueProcedures", tag = "catalogue",
    params(
        ("search" = Option<SearchQuery>, Query, description = "Từ khóa. / What to search for."),
        ("field" = Option<FieldCode>, Query, description = "Mã lĩnh vực. / Code of a field."),
        ("level" = Option<Level>, Query, description = "Cấp thực hiện. / Level."),
        ("standing" = Option<EntryStanding>, Query, description = "Tình trạng. / Standing."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "Số mục một trang. / Items a page."),
        ("cursor" = Option<String>, Query, max_length = 400, description = "nextCursor của trang trước. / The previous page's nextCursor."),
        ("If-None-Match" = Option<String>, Header, max_length = 200, description = "ETag đã có. / The ETag at hand."),
    ),
    responses(
        (status = 200, description = "Một trang. / One page.", body = ProcedurePage, headers(("ETag" = String))),
        (status = 304, description = "Không đổi. / Not changed."),
        Refusals,
    )
)]
async fn list_catalogue_procedures(
    State(catalogue): State<Arc<Catalogue>>,
    headers: HeaderMap,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let filter = read_filter(parameters, catalogue.page_items, true)?;
    let (held, _) = catalogue.copy.held();
    let list = copied(&held, List::Procedures)?;
    let (page, total, next_cursor) = catalogue.page(list, &filter)?;
    let items: Vec<ProcedureItem> = page.into_iter().map(ProcedureItem::from).collect();
    let page = tagged(&headers, &ProcedurePage { items, total, next_cursor: next_cursor.clone() })?;
    Ok(query::with_next(page, "/v1/catalogue/procedures", next_cursor.as_deref(), &filter.kept))
}

/// Một thủ tục, đầy đủ nội dung
///
/// Phiên bản mới nhất, hoặc phiên bản được hỏi. / The newest version, or the one that is asked for.
#[utoipa::path(
    get, path = "/v1/catalogue/procedures/{code}", operation_id = "getCatalogueProcedure", tag = "catalogue",
    params(
        ("code" = ProcedureCode, Path, description = "Mã thủ tục. / Procedure code."),
        ("version" = Option<u64>, Query, minimum = 1, maximum = 9007199254740991_u64, description = "Số phiên bản. / Number of a version."),
        ("If-None-Match" = Option<String>, Header, max_length = 200, description = "ETag đã có. / The ETag at hand."),
    ),
    responses(
        (status = 200, description = "Thủ tục. / The procedure.", body = ProcedureVersion, headers(("ETag" = String))),
        (status = 304, description = "Không đổi. / Not changed."),
        Refusals,
    )
)]
async fn get_catalogue_procedure(
    State(catalogue): State<Arc<Catalogue>>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let mut wanted = None;
    query::read(parameters, |name, value| match name {
        "version" => Some(number(&value).map(|number| wanted = Some(number))),
        _ => None,
    })?;
    let not_found = || Problem::new(Code::ProcedureNotFound);
    let newest = catalogue.newest(&code)?;
    let version = match wanted {
        None => newest,
        Some(number) => {
            let found = catalogue.store.versions(List::Procedures, newest.code, number.saturating_add(1), 1).await?;
            found.into_iter().next().filter(|version| version.number == number).ok_or_else(not_found)?
        }
    };
    let content = catalogue.store.content(version.number).await?.ok_or_else(not_found)?;
    let content = serde_json::from_str(&content).map_err(StoreError::failed)?;
    tagged(&headers, &ProcedureVersion::of(&version, content))
}

/// Các phiên bản của một thủ tục
///
/// Mới trước, tối đa 500. / The newest first, 500 at most.
#[utoipa::path(
    get, path = "/v1/catalogue/procedures/{code}/versions", operation_id = "listProcedureVersions", tag = "catalogue",
    params(
        ("code" = ProcedureCode, Path, description = "Mã thủ tục. / Procedure code."),
        ("before" = Option<u64>, Query, minimum = 1, maximum = 9007199254740991_u64, description = "Chỉ những phiên bản trước số này. / Only versions before this number."),
    ),
    responses((status = 200, description = "Các phiên bản. / Versions.", body = ChangePage), Refusals)
)]
async fn list_procedure_versions(
    State(catalogue): State<Arc<Catalogue>>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let mut before = i64::MAX;
    query::read(parameters, |name, value| match name {
        "before" => Some(number(&value).map(|number| before = number)),
        _ => None,
    })?;
    let newest = catalogue.newest(&code)?;
    let most = catalogue.page_items;
    let versions = catalogue.store.versions(List::Procedures, newest.code, before, most).await?;
    let (last, has_more) = (versions.first().map_or(0, |version| version.number), versions.len() == most);
    tagged(&headers, &ChangePage { items: versions.into_iter().map(ChangeItem::from).collect(), last, has_more })
}

/// Một danh mục dùng chung
///
/// Lĩnh vực, cơ quan, dân tộc … như Cổng công bố. / Fields, agencies, ethnicities … as the portal publishes them.
#[utoipa::path(
    get, path = "/v1/catalogue/dictionaries/{dictionary}", operation_id = "listDictionary", tag = "catalogue",
    params(
        ("dictionary" = Dictionary, Path, description = "Tên danh mục. / Its name."),
        ("search" = Option<SearchQuery>, Query, description = "Từ khóa. / What to search for."),
        ("standing" = Option<EntryStanding>, Query, description = "Tình trạng. / Standing."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "Số mục một trang. / Items a page."),
        ("cursor" = Option<String>, Query, max_length = 400, description = "nextCursor của trang trước. / The previous page's nextCursor."),
        ("If-None-Match" = Option<String>, Header, max_length = 200, description = "ETag đã có. / The ETag at hand."),
    ),
    responses(
        (status = 200, description = "Một trang. / One page.", body = DictionaryPage, headers(("ETag" = String))),
        (status = 304, description = "Không đổi. / Not changed."),
        Refusals,
    )
)]
async fn list_dictionary(
    State(catalogue): State<Arc<Catalogue>>,
    headers: HeaderMap,
    Path(dictionary): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let dictionary = Dictionary::parse(&dictionary).map_err(|refusal| Problem::field("#/path/dictionary", refusal))?;
    let filter = read_filter(parameters, catalogue.page_items, false)?;
    let (held, _) = catalogue.copy.held();
    let list = match copied(&held, List::Dictionary(dictionary)) {
        Err(_) if held.lists().next().is_some() => return Err(Problem::new(Code::DictionaryNotFound)),
        copied => copied?,
    };
    let (page, total, next_cursor) = catalogue.page(list, &filter)?;
    let items: Vec<DictionaryItem> = page.into_iter().map(DictionaryItem::from).collect();
    let path = format!("/v1/catalogue/dictionaries/{}", dictionary.as_str());
    let page = tagged(&headers, &DictionaryPage { items, total, next_cursor: next_cursor.clone() })?;
    Ok(query::with_next(page, &path, next_cursor.as_deref(), &filter.kept))
}

/// Những gì đã thay đổi
///
/// Theo thứ tự; hỏi tiếp với `after` là `last` của lần trước. / In order; ask on with `after` as the `last` of the answer before.
#[utoipa::path(
    get, path = "/v1/catalogue/changes", operation_id = "listCatalogueChanges", tag = "catalogue",
    params(
        ("after" = Option<u64>, Query, minimum = 0, maximum = 9007199254740991_u64, description = "Sau phiên bản này; 0: từ đầu. / After this version; 0: from the beginning."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "Số thay đổi. / How many."),
    ),
    responses((status = 200, description = "Các thay đổi. / Changes.", body = ChangePage), Refusals)
)]
async fn list_catalogue_changes(
    State(catalogue): State<Arc<Catalogue>>,
    headers: HeaderMap,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (mut after, mut limit) = (0, catalogue.page_items.min(100));
    query::read(parameters, |name, value| match name {
        "after" => Some(number(&value).map(|number| after = number)),
        "limit" => Some(query::limit(&value, catalogue.page_items).map(|asked| limit = asked)),
        _ => None,
    })?;
    let versions = catalogue.store.changes(after, limit).await?;
    let has_more = versions.len() == limit;
    let last = versions.last().map_or(after, |version| version.number);
    tagged(&headers, &ChangePage { items: versions.into_iter().map(ChangeItem::from).collect(), last, has_more })
}

type FieldCode = Text<1, 100>;

/// What may be asked of a list.
#[derive(Debug, Default)]
struct Filter {
    search: Option<SearchQuery>,
    field: Option<FieldCode>,
    level: Option<Level>,
    standing: Option<EntryStanding>,
    limit: usize,
    cursor: Option<String>,
    /// The same without the cursor, to be written behind one.
    kept: String,
}

fn read_filter(parameters: Vec<(String, String)>, most: usize, of_procedures: bool) -> Result<Filter, Problem> {
    let mut filter = Filter { limit: most.min(100), kept: query::without_cursor(&parameters), ..Filter::default() };
    query::read(parameters, |name, value| match name {
        "search" => Some(SearchQuery::parse(&value).map(|query| filter.search = Some(query))),
        "standing" => Some(EntryStanding::parse(&value).map(|standing| filter.standing = Some(standing))),
        "limit" => Some(query::limit(&value, most).map(|limit| filter.limit = limit)),
        "cursor" => {
            filter.cursor = Some(value);
            Some(Ok(()))
        }
        "field" if of_procedures => Some(FieldCode::parse(&value).map(|field| filter.field = Some(field))),
        "level" if of_procedures => Some(Level::parse(&value).map(|level| filter.level = Some(level))),
        _ => None,
    })?;
    Ok(filter)
}

impl Filter {
    fn fits(&self, entry: &Version) -> bool {
        let is_of = |wanted: &FieldCode| {
            entry.summary.fields.iter().any(|field| field.code.as_deref() == Some(wanted.as_str()))
        };
        let has_level = |level: Level| entry.summary.levels.iter().any(|known| known == level.as_str());
        self.standing.is_none_or(|standing| standing == entry.standing)
            && self.field.as_ref().is_none_or(is_of)
            && self.level.is_none_or(has_level)
    }
}

/// Whose cursors these are.
const LIST: &str = "catalogue";

impl Catalogue {
    /// The entries of a page, how many there are on all pages, and the cursor of the next one.
    fn page<'a>(
        &self,
        list: &'a HeldList,
        filter: &Filter,
    ) -> Result<(Vec<&'a Version>, usize, Option<String>), Problem> {
        let from = filter.cursor.as_deref().map_or(Ok(0), |cursor| self.read_cursor(cursor))?;
        let fitting: Vec<&Version> = match &filter.search {
            Some(query) => {
                let found =
                    list.index.search(query, |key| list.entries.get(key).is_some_and(|entry| filter.fits(entry)));
                found.into_iter().filter_map(|key| list.entries.get(key)).collect()
            }
            None => list.entries.iter().filter(|entry| filter.fits(entry)).collect(),
        };
        let total = fitting.len();
        let page: Vec<_> = fitting.into_iter().skip(from).take(filter.limit).collect();
        let next = from + page.len();
        let next_cursor = (next < total).then(|| cursor::seal(&self.keys, LIST, &next.to_string())).transpose()?;
        Ok((page, total, next_cursor))
    }

    fn read_cursor(&self, text: &str) -> Result<usize, Problem> {
        let place = cursor::open(&self.keys, LIST, text)?;
        let read = place.and_then(|place| place.parse().ok());
        read.ok_or_else(|| Problem::field("#/query/cursor", cursor::refusal()))
    }

    fn newest(&self, code: &str) -> Result<Version, Problem> {
        let code = ProcedureCode::parse(code).map_err(|refusal| Problem::field("#/path/code", refusal))?;
        let (held, _) = self.copy.held();
        let found = copied(&held, List::Procedures)?.find(code.original());
        found.cloned().ok_or_else(|| Problem::new(Code::ProcedureNotFound))
    }
}

/// What was never copied is not empty.
fn copied(held: &Held, list: List) -> Result<&HeldList, Problem> {
    held.list(list)
        .ok_or_else(|| Problem::new(Code::CatalogueNotCopied).retry_after(std::time::Duration::from_secs(60)))
}

fn number(text: &str) -> Result<i64, Refusal> {
    let number = text.parse().ok().filter(|number| (0..=9_007_199_254_740_991).contains(number));
    number.ok_or_else(|| Refusal::new("value", "Cần số phiên bản.", "The number of a version is needed."))
}

/// What a header says, at most 200 characters; nothing if it is not there.
pub(super) fn header_of<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Problem> {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if value.len() > 200 {
        let refusal = Refusal::new("length", "Không quá 200 ký tự.", "At most 200 characters.");
        return Err(Problem::field(format!("#/headers/{name}"), refusal));
    }
    Ok(value)
}

/// 304 for whoever has this answer already.
pub(super) fn tagged(headers: &HeaderMap, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(StoreError::failed)?;
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest(&SHA256, &body).as_ref()[..16]));
    let known = header_of(headers, "If-None-Match")?;
    let is_known = known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
    };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    // It may be kept, and is asked for again with its tag.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}
