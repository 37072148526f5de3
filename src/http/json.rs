//! Reading a JSON body: bounded, `application/json` only, no member twice. What the members mean is the topic's affair.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use deserr::Deserr;
use futures::StreamExt;
use lienthong_domain::invalid::InvalidFields;
use serde::Deserialize;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::problem::{Code, Problem};

/// A JSON body with the bytes it was read from.
pub struct JsonBody {
    pub value: Value,
    pub bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.split(';').next().unwrap_or_default().trim())
            .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Problem::new(Code::RequestMediaType));
        }
        let limit = request.extensions().get().copied().unwrap_or_default();
        let bytes = read_all(request.into_body(), limit).await?;
        let value = parse(&bytes)?;
        Ok(Self { value, bytes })
    }
}

/// The most bytes of a body, and how long they may take to arrive; given to every request by the layers. Without a layer
/// nothing is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyLimit {
    pub bytes: usize,
    pub timeout: Duration,
}

/// How long a body that is too large is still read and thrown away, so that a client that sends all of it before it
/// listens sees the refusal and not a reset.
const DRAIN: Duration = Duration::from_secs(1);

/// The whole body, within its limits.
pub async fn read_all(body: Body, limit: BodyLimit) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(limit.timeout, read_up_to(body, limit.bytes)).await;
    read.unwrap_or_else(|_| Err(Problem::new(Code::RequestTimeout)))
}

async fn read_up_to(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let (mut chunks, mut bytes) = (body.into_data_stream(), Vec::new());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(Code::RequestMalformed).detail("Thân yêu cầu bị ngắt giữa chừng.", "The body was cut off.")
        })?;
        if bytes.len() + chunk.len() > limit {
            let rest = async { while let Some(Ok(_)) = chunks.next().await {} };
            let _ = tokio::time::timeout(DRAIN, rest).await;
            return Err(Problem::new(Code::RequestTooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// Reads JSON text; the problem names line and column, never the text.
pub fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = NoMemberTwice.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let twice = error.to_string().contains(TWICE);
        let (vi, en) = if twice {
            ("một trường xuất hiện hai lần", "a member appears twice")
        } else {
            ("không phải JSON hợp lệ", "not valid JSON")
        };
        Problem::new(Code::RequestMalformed)
            .detail(format!("Dòng {line}, cột {column}: {vi}."), format!("Line {line}, column {column}: {en}."))
    })
}

/// Reads a value into a domain type, with every mistake and its place.
pub fn read<T: Deserr<InvalidFields>>(value: Value) -> Result<T, InvalidFields> {
    deserr::deserialize::<T, Value, InvalidFields>(value)
}

const TWICE: &str = "member appears twice";

struct NoMemberTwice;

impl<'de> DeserializeSeed<'de> for NoMemberTwice {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NoMemberTwice {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(NoMemberTwice)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some(name) = members.next_key::<MemberName>()? {
            let value = members.next_value_seed(NoMemberTwice)?;
            if object.insert(name.0, value).is_some() {
                return Err(serde::de::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[derive(Deserialize)]
struct MemberName(String);
