//! Code tables of the profile: every member has one code, no two members share one. Nothing passes through unmapped.

use std::marker::PhantomData;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use lienthong_domain::catalogue::{Level, TimeUnit};
use lienthong_domain::dossier::{DossierState, FeeCollection, FeeKind, IdentityKind, PaperForm, SubmissionPlace};
use lienthong_domain::invalid::{InvalidFields, Refusal, json_pointer};
use lienthong_domain::scalar::{Scalar, ScalarSchema};

use crate::reply::folded;

/// The tables that are not certain enough to be fixed.
#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct Codes {
    pub(crate) submission_place: CodeTable<SubmissionPlace>,
    pub(crate) identity_kind: CodeTable<IdentityKind>,
    pub(crate) paper_reuse: CodeTable<PaperReuse>,
    pub(crate) fee_kind: CodeTable<FeeKind>,
    pub(crate) fee_collection: CodeTable<FeeCollection>,
    pub(crate) paper_form: CodeTable<PaperForm>,
    pub(crate) supplement_status: CodeTable<SupplementStatus>,
    /// Of dossiers that were born on the portal; it knows fewer of them.
    pub(crate) reported_state: CollapsedTable<DossierState>,
    /// Of the catalogue.
    pub(crate) level: CodeTable<Level>,
    pub(crate) time_unit: CodeTable<TimeUnit>,
}

/// A total table from the members of a closed list to codes, each of its own.
#[derive(Debug, Clone)]
pub(crate) struct CodeTable<T>(CollapsedTable<T>);

impl<T: Scalar> CodeTable<T> {
    pub(crate) fn code(&self, member: &T) -> String {
        self.0.code(member)
    }

    /// The member with this code, whatever its letters' case.
    pub(crate) fn member(&self, code: &str) -> Result<T, Refusal> {
        let code = folded(code);
        let known = T::SCHEMA.values.iter().zip(&self.0.codes).find(|(_, known)| folded(known) == code);
        known.ok_or_else(|| unknown_code(&self.0.codes)).and_then(|(member, _)| T::parse(member))
    }
}

impl<T: Scalar> Deserr<InvalidFields> for CodeTable<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let table = CollapsedTable::<T>::deserialize_from_value(value, location)?;
        let mut wrong = InvalidFields::default();
        for (member, code) in T::SCHEMA.values.iter().zip(&table.codes) {
            if table.codes.iter().filter(|other| *other == code).count() > 1 {
                let refusal = Refusal::new("value", "Mã này dùng cho hai mục.", "Two members have this code.");
                wrong.push(format!("{}/{member}", json_pointer(location)), refusal);
            }
        }
        wrong.into_result(Self(table))
    }
}

/// A total table in which several members may have one code: what the other side does not tell apart.
#[derive(Debug, Clone)]
pub(crate) struct CollapsedTable<T> {
    /// In the order of `T::SCHEMA.values`.
    codes: Vec<String>,
    of: PhantomData<T>,
}

impl<T: Scalar> CollapsedTable<T> {
    pub(crate) fn code(&self, member: &T) -> String {
        let name = member.to_text();
        let place = T::SCHEMA.values.iter().position(|known| *known == name);
        // Reading the profile has made the table total.
        place.and_then(|place| self.codes.get(place)).cloned().unwrap_or_default()
    }
}

impl<T: Scalar> Deserr<InvalidFields> for CollapsedTable<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let place = json_pointer(location);
        let mut wrong = InvalidFields::default();
        let names = T::SCHEMA.values;
        let mut codes = vec![String::new(); names.len()];
        for (name, code) in crate::config::read_texts(value, location)? {
            match names.iter().position(|known| *known == name) {
                Some(member) => codes[member] = code,
                None => wrong.push(format!("{place}/{name}"), unknown_member(names)),
            }
        }
        for (name, code) in names.iter().zip(&codes) {
            if code.is_empty() {
                wrong.push(format!("{place}/{name}"), Refusal::new("required", "Thiếu mã.", "A code is needed."));
            }
        }
        wrong.into_result(Self { codes, of: PhantomData })
    }
}

fn unknown_code(codes: &[String]) -> Refusal {
    let known = codes.join(", ");
    Refusal::new(
        "unknown_value",
        format!("Mã không có trong bảng mã; các mã: {known}."),
        format!("Not a code of the code table; known codes: {known}."),
    )
}

fn unknown_member(names: &[&str]) -> Refusal {
    let known = names.join(", ");
    Refusal::new(
        "unknown_member",
        format!("Không có mục này; các mục: {known}."),
        format!("There is no such member; known members: {known}."),
    )
}

/// Closed lists that only this wire has.
macro_rules! wire_list {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),+ }
        impl Scalar for $name {
            const SCHEMA: ScalarSchema = ScalarSchema::new("", 64, "").values(&[$($text),+]);
            fn parse(text: &str) -> Result<Self, Refusal> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(unknown_member(Self::SCHEMA.values)),
                }
            }
            fn to_text(&self) -> String {
                match self { $(Self::$variant => $text),+ }.to_owned()
            }
        }
    };
}

wire_list! {
    /// Whether a paper comes from an earlier dossier.
    PaperReuse { NotReused = "not_reused", Reused = "reused" }
}

wire_list! {
    /// Where a supplement round stands.
    SupplementStatus { Awaited = "awaited", Received = "received" }
}
