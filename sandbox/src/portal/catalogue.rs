//! The procedures the portal knows. Codes and names are public; field codes such as `G15-HT01` are invented in the true form.
//! It must never grow by itself: what a test needs beyond this list is a setting.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::settings::ExtraProcedure;

#[derive(Debug, Clone)]
pub(crate) struct Procedure {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) field_code: String,
    pub(crate) field_name: String,
    pub(crate) is_public: bool,
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

#[derive(Debug)]
pub(crate) struct Catalogue(BTreeMap<String, Procedure>);

impl Catalogue {
    pub(crate) fn new(extra: &[ExtraProcedure]) -> Self {
        let built_in = IN_FORCE.iter().map(|row| (row, true)).chain([(&WITHDRAWN, false)]);
        let built_in = built_in.map(|((code, name, field_code, field_name), is_public)| Procedure {
            code: (*code).into(),
            name: (*name).into(),
            field_code: (*field_code).into(),
            field_name: (*field_name).into(),
            is_public,
        });
        let added = extra.iter().cloned().map(|extra| Procedure {
            code: extra.code,
            name: extra.name,
            field_code: extra.field_code,
            field_name: extra.field_name,
            is_public: true,
        });
        Self(built_in.chain(added).map(|procedure| (procedure.code.clone(), procedure)).collect())
    }

    /// By the code itself or, as `1.000656.000.00.00.H56` and `2.002621.H56` are in use, by its national part.
    pub(crate) fn find(&self, code: &str) -> Option<&Procedure> {
        self.0.get(code).or_else(|| self.0.get(national_part(code)?))
    }

    pub(crate) fn list(&self) -> Value {
        self.0.values().map(|known| json!({ "MATTHC": known.code, "TENTTHC": known.name })).collect()
    }

    pub(crate) fn fields(&self) -> Value {
        let fields: BTreeMap<&str, &str> =
            self.0.values().map(|known| (known.field_code.as_str(), known.field_name.as_str())).collect();
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
