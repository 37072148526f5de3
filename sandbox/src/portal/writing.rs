//! Insert, update, progress and status reports: the business rules behind the field table, then the effect.
//! A call must never take effect for some of its items: one bad item refuses all, and no item is named as accepted.

use serde_json::{Map, Value};

use super::Portal;
use super::agency;
use super::check::text_of;
use super::reply::{Refusal, Reply};
use crate::counters::Reason;
use crate::dossiers::Item;
use crate::faults::FaultKind;
use crate::locks::read;

impl Portal {
    pub(crate) fn insert(&self, body: &Map<String, Value>, fault: Option<FaultKind>) -> Result<Reply, Refusal> {
        let items = self.dossiers_of(body)?;
        self.dossiers.insert(items, fault)?;
        Ok(Reply::good("Đồng bộ hồ sơ thành công"))
    }

    pub(crate) fn update(&self, body: &Map<String, Value>, fault: Option<FaultKind>) -> Result<Reply, Refusal> {
        let items = self.dossiers_of(body)?;
        self.dossiers.update(items, fault)?;
        Ok(Reply::good("Đồng bộ hồ sơ thành công"))
    }

    pub(crate) fn append_steps(&self, body: &Map<String, Value>, fault: Option<FaultKind>) -> Result<Reply, Refusal> {
        let items = self.items_of(body)?;
        self.dossiers.append_steps(items, fault)?;
        Ok(Reply::good("Cập nhật tiến độ hồ sơ thành công"))
    }

    pub(crate) fn report_status(&self, body: &Map<String, Value>, fault: Option<FaultKind>) -> Result<Reply, Refusal> {
        let Some(report) = body.get("data").and_then(Value::as_object) else {
            return Err(Refusal::new(Reason::Field, "Trường data: bắt buộc phải có giá trị"));
        };
        let code = text_of(report, "MaHoSo").unwrap_or_default();
        self.refuse_poisoned(code)?;
        if !self.born.has(code) && self.dossiers.has(code) {
            let message = format!("Hồ sơ {code} do địa phương đồng bộ, không phát sinh tại Cổng");
            return Err(Refusal::new(Reason::NotBornHere, message));
        }
        self.born.report(&Item::new(code, report), report, self.dossiers.ledger(), fault)?;
        Ok(Reply::good("Đồng bộ trạng thái hồ sơ thành công"))
    }

    fn refuse_poisoned(&self, code: &str) -> Result<(), Refusal> {
        match self.plan().written.poison.get(code) {
            Some(message) => Err(Refusal::new(Reason::Poison, message.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn require_own_agency(&self, agency_id: &str) -> Result<(), Refusal> {
        if agency::level_one(agency_id) == Some(self.level_one.as_str()) {
            return Ok(());
        }
        Err(Refusal::new(Reason::Agency, format!("Trường madonvi: đơn vị {agency_id} không thuộc tài khoản kết nối")))
    }

    fn dossiers_of<'a>(&self, body: &'a Map<String, Value>) -> Result<Vec<Item<'a>>, Refusal> {
        for dossier in data_of(body) {
            let code = text_of(dossier, "MaHoSo").unwrap_or_default();
            if agency::level_one(agency::of_dossier(code)) != Some(self.level_one.as_str()) {
                let message = format!("Trường MaHoSo: mã hồ sơ {code} không mang mã định danh {}", self.level_one);
                return Err(Refusal::new(Reason::Agency, message));
            }
            let procedure = text_of(dossier, "MaTTHC").unwrap_or_default();
            if read(&self.catalogue).find(procedure).is_none() {
                let message = format!("Trường MaTTHC: thủ tục {procedure} không có trong danh mục");
                return Err(Refusal::new(Reason::Procedure, message));
            }
        }
        self.items_of(body)
    }

    fn items_of<'a>(&self, body: &'a Map<String, Value>) -> Result<Vec<Item<'a>>, Refusal> {
        data_of(body)
            .map(|item| {
                let code = text_of(item, "MaHoSo").unwrap_or_default();
                self.refuse_poisoned(code)?;
                Ok(Item::new(code, item))
            })
            .collect()
    }
}

fn data_of(body: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    body.get("data").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}
