//! Query parameters: each at most once, none that is not known, all mistakes at once; and where the next page is.

use std::collections::HashSet;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lienthong_domain::invalid::{InvalidFields, Refusal};

/// Hands each parameter to `take`, which says `None` of one that it does not know.
pub fn read(
    parameters: Vec<(String, String)>,
    mut take: impl FnMut(&str, String) -> Option<Result<(), Refusal>>,
) -> Result<(), InvalidFields> {
    let mut wrong = InvalidFields::default();
    let mut seen = HashSet::new();
    for (name, value) in parameters {
        let place = format!("#/query/{}", name.chars().take(64).collect::<String>());
        let taken = match seen.insert(name.clone()) {
            false => Err(Refusal::new("repeated", "Tham số này chỉ được gửi một lần.", "Send this parameter once.")),
            true => take(&name, value).unwrap_or_else(|| {
                Err(Refusal::new("unknown_parameter", "Không có tham số này.", "There is no such parameter."))
            }),
        };
        if let Err(refusal) = taken {
            wrong.push(place, refusal);
        }
    }
    wrong.into_result(())
}

/// How many items a page may have.
pub fn limit(value: &str, most: usize) -> Result<usize, Refusal> {
    let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| Refusal::new("limit", format!("Từ 1 đến {most}."), format!("1 to {most}.")))
}

/// The same page with where the next one is (RFC 8288), if there is one. `kept`: [`without_cursor`].
pub fn with_next(page: impl IntoResponse, path: &str, cursor: Option<&str>, kept: &str) -> Response {
    let mut response = page.into_response();
    let link = cursor.map(|cursor| format!("<{path}?cursor={cursor}{kept}>; rel=\"next\""));
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// The same parameters without the cursor, to be written behind one.
pub fn without_cursor(parameters: &[(String, String)]) -> String {
    let kept = parameters.iter().filter(|(name, _)| name != "cursor");
    let escaped = |value: &str| form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
    kept.map(|(name, value)| format!("&{name}={}", escaped(value))).collect()
}
