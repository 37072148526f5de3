//! The services of the portal, one row each: name, the address it answers at, its fields, what it counts as.
//! A service must never answer at the other address, and no service is known that the reference does not name.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::check::{Field, text_of};
use super::tables;
use crate::operation::Operation;

/// Which addresses a request came in at; integration and share are both set where a province uses one path for both.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    Login,
    Functional { integration: bool, share: bool },
}

impl Door {
    pub(crate) fn is_login(self) -> bool {
        matches!(self, Door::Login)
    }

    fn opens(self, place: Place) -> bool {
        match self {
            Door::Login => false,
            Door::Functional { integration, share } => match place {
                Place::Integration => integration,
                Place::Share => share,
            },
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Integration,
    Share,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    place: Place,
    pub(crate) fields: &'static [Field],
    counts_as: Operation,
}

const fn at_integration(name: &'static str, fields: &'static [Field], counts_as: Operation) -> Service {
    Service { name, place: Place::Integration, fields, counts_as }
}

const fn at_share(name: &'static str, fields: &'static [Field], counts_as: Operation) -> Service {
    Service { name, place: Place::Share, fields, counts_as }
}

const fn dictionary(name: &'static str) -> Service {
    at_share(name, tables::NO_FIELDS, Operation::Catalogue)
}

const SERVICES: &[Service] = &[
    at_integration("DongBoHoSoMC", tables::UPSERT, Operation::Insert),
    at_integration("CapNhatTienDoHoSoMC", tables::STEPS, Operation::AppendSteps),
    at_integration("TraCuuHoSo", tables::LOOK_UP, Operation::LookUp),
    at_integration("DongBoTrangThaiHoSo", tables::STATUS_REPORT, Operation::ReportStatus),
    at_integration("LayThuTuc", tables::PROCEDURE, Operation::Catalogue),
    at_share("TraCuuTechID", tables::TECH_ID, Operation::TechId),
    dictionary("LayDanhSachTTHC"),
    dictionary("LayDanhMucLinhVuc"),
    dictionary("LayDanhMucCoQuan"),
    dictionary("LayDanhMucGioiTinh"),
    dictionary("LayDanhMucDoiTuong"),
    dictionary("LayDanhMucCapThucHien"),
    dictionary("LayDanhMucQuocGia"),
    dictionary("LayDanhMucDanToc"),
    dictionary("LayDanhMucTonGiao"),
    dictionary("LayDanhMucTinhTrangHonNhan"),
    dictionary("LayDanhMucTinhThanh"),
    dictionary("LayDanhMucQuanHuyen"),
    dictionary("LayDanhMucPhuongXa"),
    dictionary("LayDanhMucCanCuPhapLy"),
    dictionary("LayDanhMucLePhi"),
    dictionary("LayDanhMucNhomThuTuc"),
    dictionary("LayDanhMucThuTucThuocLoai"),
];

pub(crate) fn find(name: &str, door: Door) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name && door.opens(service.place))
}

impl Service {
    pub(crate) fn operation(&self, body: &Map<String, Value>) -> Operation {
        match self.counts_as {
            Operation::Insert if text_of(body, "isUpdating") == Some("True") => Operation::Update,
            other => other,
        }
    }

    /// What the fault decision hangs on: the (first) dossier code, the number, or what is asked of the catalogue.
    pub(crate) fn key<'a>(&self, body: &'a Map<String, Value>) -> Cow<'a, str> {
        let named = |name| Cow::Borrowed(text_of(body, name).unwrap_or_default());
        match self.counts_as {
            Operation::LookUp => named("mahoso"),
            Operation::TechId => named("mstorcmnd"),
            Operation::Catalogue => match text_of(body, "maTTHC") {
                Some(procedure) => format!("{} {procedure}", self.name).into(),
                None => self.name.into(),
            },
            Operation::ReportStatus => {
                let report = body.get("data").and_then(Value::as_object);
                report.and_then(|report| text_of(report, "MaHoSo")).unwrap_or_default().into()
            }
            Operation::Login | Operation::Insert | Operation::Update | Operation::AppendSteps => {
                let first = body.get("data").and_then(|data| data.get(0)).and_then(Value::as_object);
                first.and_then(|item| text_of(item, "MaHoSo")).unwrap_or_default().into()
            }
        }
    }
}
