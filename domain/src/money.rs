//! Money in whole đồng. The đồng has no minor unit; there are no fractions and no floats.

use deserr::{Deserr, IntoValue, Value, ValueKind, ValuePointerRef, take_cf_content};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};

use crate::invalid::{InvalidFields, Refusal, json_pointer};

/// An amount of 0 to [`Dong::MOST`] whole đồng.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Dong(i64);

impl Dong {
    /// 10^15 đồng: beyond any fee, and exact in every JSON reader (below 2^53).
    pub const MOST: i64 = 1_000_000_000_000_000;
    pub const ZERO: Dong = Dong(0);

    pub fn new(amount: i64) -> Result<Self, Refusal> {
        if (0..=Self::MOST).contains(&amount) {
            return Ok(Self(amount));
        }
        Err(Refusal::new(
            "amount",
            format!("Số tiền phải là số nguyên đồng từ 0 đến {}.", Self::MOST),
            format!("An amount is a whole number of đồng from 0 to {}.", Self::MOST),
        ))
    }

    pub fn amount(self) -> i64 {
        self.0
    }
}

impl Deserr<InvalidFields> for Dong {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let amount = match value {
            Value::Integer(n) => i64::try_from(n).unwrap_or(i64::MAX),
            Value::NegativeInteger(n) => n,
            // JSON knows one kind of number: 158608.0 is the integer 158608.
            Value::Float(n) if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 => n as i64,
            Value::Float(_) => -1,
            actual => {
                return Err(take_cf_content(<InvalidFields as deserr::DeserializeError>::error(
                    None,
                    deserr::ErrorKind::IncorrectValueKind { actual, accepted: &[ValueKind::Integer] },
                    location,
                )));
            }
        };
        Self::new(amount).map_err(|refusal| InvalidFields::one(json_pointer(location), refusal))
    }
}

crate::schema_of!([] Dong => ObjectBuilder::new()
    .schema_type(SchemaType::new(Type::Integer))
    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
    .minimum(Some(0))
    .maximum(Some(Dong::MOST))
    .description(Some("Số tiền, đơn vị đồng, không có phần lẻ. / Amount in whole đồng."))
    .examples([serde_json::json!(150_000)])
    .into());

impl utoipa::ToSchema for Dong {}
