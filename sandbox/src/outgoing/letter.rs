//! From a message as it was handed over to the body that goes over the wire, files included (reference §8).
//! It must never send what the reference does not know, unless the message asks for it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::encoding::{base64, tax_notice};
use super::message::{Outgoing, OutgoingKind, SendingFaults};
use super::province::ProvinceSettings;
use super::tables;
use crate::files::FileAtHand;
use crate::portal::check;

const MOST_TIMES: u32 = 100;

/// A message ready to be sent, any number of times the same.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) kind: OutgoingKind,
    pub(super) code: String,
    pub(super) path: &'static str,
    /// Without the security key, which is put in at each attempt.
    pub(super) body: Map<String, Value>,
    /// What the citizen gave: `data` as it is sent, without what is written in base64.
    pub(super) given: Map<String, Value>,
    pub(super) files: Vec<Arc<FileAtHand>>,
    pub(super) faults: SendingFaults,
}

impl Letter {
    /// `files_url` is what the address of a file begins with.
    pub(super) fn write(message: Outgoing, province: &ProvinceSettings, files_url: &str) -> Result<Letter, String> {
        if !(1..=MOST_TIMES).contains(&message.faults.times) {
            return Err(format!("faults.times: between 1 and {MOST_TIMES}"));
        }
        let (path, service, is_updating) = envelope(message.kind, province);
        let code = message.code().to_owned();
        let Outgoing { kind, data, service: other_service, faults, .. } = message;
        let files: Vec<_> = message.files.into_iter().map(|file| Arc::new(FileAtHand::new(file, files_url))).collect();
        let served = matches!(kind, OutgoingKind::Dossier | OutgoingKind::Supplement | OutgoingKind::TaxVoucher);
        if kind != OutgoingKind::TradePromotion && files.len() > 1 {
            return Err("files: this kind has one at most".into());
        }
        let holds_base64 = matches!(kind, OutgoingKind::TaxNotice | OutgoingKind::TradePromotion);
        let without_base64 = holds_base64.then(|| data.clone());
        let data = enclose(kind, data, &files, faults.as_given)?;
        let given = without_base64.unwrap_or_else(|| data.clone());
        let mut body = Map::new();
        body.insert("service".into(), other_service.unwrap_or(service).into());
        body.insert("isUpdating".into(), message.is_updating.unwrap_or(is_updating).into());
        if let Some(is_sync) = message.is_sync {
            body.insert("isSync".into(), is_sync.into());
        }
        body.insert("data".into(), data.into());
        let files = if served { files } else { Vec::new() };
        Ok(Letter { kind, code, path, body, given, files, faults })
    }
}

fn envelope(kind: OutgoingKind, province: &ProvinceSettings) -> (&'static str, String, bool) {
    match kind {
        OutgoingKind::Dossier => ("/nhanhsdvcqg", province.dossier_service.clone(), false),
        OutgoingKind::Supplement => ("/nhanhsdvcqg", province.dossier_service.clone(), true),
        OutgoingKind::TaxVoucher => ("/nhanhsdvcqg", "NhanChungTuThueDat".into(), false),
        OutgoingKind::TaxNotice => ("/nhantbthuedvcqg", "NhanThongBaoThueDat".into(), false),
        OutgoingKind::TradePromotion => ("/addtthcKhuyenMai", province.trade_promotion_service.clone(), false),
    }
}

/// `data` with the files in it.
fn enclose(
    kind: OutgoingKind,
    mut data: Map<String, Value>,
    files: &[Arc<FileAtHand>],
    as_given: bool,
) -> Result<Map<String, Value>, String> {
    match kind {
        OutgoingKind::Dossier | OutgoingKind::Supplement => {
            for file in files {
                put(&mut data, "TenTepDangKy", file.name.clone())?;
                put(&mut data, "URLTepDangKy", file.url.clone())?;
            }
        }
        OutgoingKind::TaxVoucher => {
            for file in files {
                put(&mut data, "UrlFileChungTu", file.url.clone())?;
            }
        }
        OutgoingKind::TaxNotice => data = enclose_tax_notice(&data, files, as_given)?,
        OutgoingKind::TradePromotion => enclose_papers(&mut data, files)?,
    }
    if !as_given {
        compare(kind, &data)?;
    }
    Ok(data)
}

fn compare(kind: OutgoingKind, data: &Map<String, Value>) -> Result<(), String> {
    match kind {
        OutgoingKind::Dossier | OutgoingKind::Supplement => check::open_object(data, tables::DOSSIER),
        OutgoingKind::TaxVoucher => check::closed_object(data, tables::TAX_VOUCHER),
        OutgoingKind::TaxNotice => check::closed_object(data, tables::TAX_NOTICE),
        OutgoingKind::TradePromotion => check::open_object(data, tables::TRADE_PROMOTION),
    }
}

fn put(data: &mut Map<String, Value>, name: &str, value: impl Into<Value>) -> Result<(), String> {
    match data.insert(name.to_owned(), value.into()) {
        None => Ok(()),
        Some(_) => Err(format!("data.{name}: given twice, in data and by a file")),
    }
}

fn enclose_tax_notice(
    rows: &Map<String, Value>,
    files: &[Arc<FileAtHand>],
    as_given: bool,
) -> Result<Map<String, Value>, String> {
    let content = match files.first() {
        Some(file) => base64(&file.bytes),
        None => {
            if !as_given {
                check::closed_object(rows, tables::TAX_ROWS)?;
            }
            base64(tax_notice(rows, tables::TAX_ROWS).as_bytes())
        }
    };
    let mut whole = Map::new();
    put(&mut whole, "FileThongBaoThue", content)?;
    Ok(whole)
}

fn enclose_papers(data: &mut Map<String, Value>, files: &[Arc<FileAtHand>]) -> Result<(), String> {
    let [application, papers @ ..] = files else { return Ok(()) };
    put(data, "TepDonDangKy", base64(&application.bytes))?;
    if papers.is_empty() {
        return Ok(());
    }
    let paper = |file: &Arc<FileAtHand>| json!({ "TenTepDinhKem": file.name, "Base64": base64(&file.bytes) });
    put(data, "TaiLieuNop", papers.iter().map(paper).collect::<Value>())
}
