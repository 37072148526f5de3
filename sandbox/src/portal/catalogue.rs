//! The procedures the portal knows. Codes and names are public; field codes such as `G15-HT01` are invented in the true form.
//! It must never change by itself: what a test needs beyond this list is a setting, and it says when it changes.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::settings::ExtraProcedure;

/// A procedure of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueProcedure {
    pub code: String,
    pub name: String,
    pub field_code: String,
    pub field_name: String,
    /// `TRANGTHAI` 1 or 0.
    #[serde(default = "yes")]
    pub is_public: bool,
    /// Whether the list names it; `LayThuTuc` answers in any case.
    #[serde(default = "yes")]
    pub is_listed: bool,
    /// Whether `LayThuTuc` has anything to say of it.
    #[serde(default = "yes")]
    pub has_detail: bool,
    /// Members of the detail, in the portal's words, that take the place of those made up here.
    #[serde(default)]
    pub detail: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl CatalogueProcedure {
    /// A public one, listed, with a detail that is made up.
    pub fn new(code: &str, name: &str, field_code: &str, field_name: &str) -> Self {
        Self {
            code: code.into(),
            name: name.into(),
            field_code: field_code.into(),
            field_name: field_name.into(),
            is_public: true,
            is_listed: true,
            has_detail: true,
            detail: Map::new(),
        }
    }

    /// With this member of the detail.
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.detail.insert(member.into(), value);
        self
    }
}

const IN_FORCE: [(&str, &str, &str, &str); 6] = [
    (
        "1.013225",
        "Cấp giấy phép xây dựng mới đối với công trình cấp III, cấp IV và nhà ở riêng lẻ",
        "G17-XD05",
        "Hoạt động xây dựng",
    ),
    ("1.001612", "Đăng ký thành lập hộ kinh doanh", "G12-DN02", "Thành lập và hoạt động doanh nghiệp (hộ kinh doanh)"),
    ("1.001193", "Thủ tục đăng ký khai sinh", "G15-HT01", "Hộ tịch"),
    ("1.004222", "Đăng ký thường trú", "G01-CT03", "Đăng ký, quản lý cư trú"),
    (
        "3.000722",
        "Liên thông đăng ký khai sinh, đăng ký thường trú, cấp thẻ bảo hiểm y tế, cấp thẻ căn cước cho trẻ em dưới 6 tuổi",
        "G15-HT01",
        "Hộ tịch",
    ),
    (
        "2.002913",
        "Liên thông đăng ký khai tử, xóa đăng ký thường trú, giải quyết mai táng phí, tử tuất",
        "G15-HT01",
        "Hộ tịch",
    ),
];

/// Replaced by 3.000722, and still named by dossiers that were opened under it.
const WITHDRAWN: (&str, &str, &str, &str) = (
    "2.002621",
    "Đăng ký khai sinh, đăng ký thường trú, cấp thẻ bảo hiểm y tế cho trẻ em dưới 6 tuổi",
    "G15-HT01",
    "Hộ tịch",
);

/// In the order of the list, which is not that of the codes.
#[derive(Debug)]
pub(crate) struct Catalogue {
    procedures: Vec<CatalogueProcedure>,
    by_code: HashMap<String, usize>,
}

impl Catalogue {
    pub(crate) fn built_in(extra: &[ExtraProcedure]) -> Self {
        let made = |(code, name, field_code, field_name): &(&str, &str, &str, &str)| {
            CatalogueProcedure::new(code, name, field_code, field_name)
        };
        let withdrawn = CatalogueProcedure { is_public: false, ..made(&WITHDRAWN) };
        let added = extra
            .iter()
            .map(|extra| CatalogueProcedure::new(&extra.code, &extra.name, &extra.field_code, &extra.field_name));
        Self::new(IN_FORCE.iter().map(made).chain([withdrawn]).chain(added).collect())
    }

    /// Of several with one code the first counts; the list names all of them.
    pub(crate) fn new(procedures: Vec<CatalogueProcedure>) -> Self {
        let mut by_code = HashMap::new();
        for (n, procedure) in procedures.iter().enumerate() {
            by_code.entry(procedure.code.clone()).or_insert(n);
        }
        Self { procedures, by_code }
    }

    pub(crate) fn all(&self) -> Vec<CatalogueProcedure> {
        self.procedures.clone()
    }

    /// By the code itself or, as `1.000656.000.00.00.H56` and `2.002621.H56` are in use, by its national part.
    pub(crate) fn find(&self, code: &str) -> Option<&CatalogueProcedure> {
        let exactly = |code: &str| self.by_code.get(code).and_then(|n| self.procedures.get(*n));
        exactly(code).or_else(|| exactly(national_part(code)?))
    }

    pub(crate) fn list(&self) -> Value {
        let listed = self.procedures.iter().filter(|known| known.is_listed);
        listed.map(|known| json!({ "MATTHC": known.code, "TENTTHC": known.name })).collect()
    }

    pub(crate) fn fields(&self) -> Value {
        let fields: BTreeMap<&str, &str> =
            self.procedures.iter().map(|known| (known.field_code.as_str(), known.field_name.as_str())).collect();
        let row = |(code, name): (&str, &str)| json!({ "MALINHVUC": code, "TENLINHVUC": name, "MANGANH": code.split('-').next().unwrap_or_default() });
        fields.into_iter().map(row).collect()
    }
}

/// `d.dddddd` in front of an owner in either agency scheme.
fn national_part(code: &str) -> Option<&str> {
    let (national, owner) = code.split_at_checked(8)?;
    let owner = owner.strip_prefix('.')?;
    super::agency::level_one(owner).map(|_| national)
}
