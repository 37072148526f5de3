//! A notice of land tax (thông báo thuế đất): a file of XML with decisions of one dossier.

use jiff::civil::Date;
use lienthong_domain::inbox::{NationalCode, TaxDecision};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::personal::Personal;
use lienthong_domain::scalar::Scalar;

use crate::inbound::dong;
use crate::wire::inbound as wire;
use crate::xml::{self, Element, XmlLimits};

pub(crate) struct TaxNotice {
    pub(crate) national_code: NationalCode,
    pub(crate) decisions: Vec<TaxDecision>,
    /// The numbers of its decisions, in order.
    pub(crate) reference: Vec<String>,
}

/// Reads a notice; a refusal names the element.
pub(crate) fn read(base64: &str, limits: XmlLimits) -> Result<TaxNotice, Refusal> {
    let document = xml::of_base64(base64, limits)?;
    let [root, outer, list] = wire::NOTICE_PATH;
    let root = Some(&document).filter(|document| document.name.eq_ignore_ascii_case(root));
    let mut lists = root.into_iter().flat_map(|root| root.children(outer)).flat_map(|outer| outer.children(list));
    let rows = lists.next().ok_or_else(|| at(list, Refusal::new("required", "Thiếu.", "Missing.")))?;
    if lists.next().is_some() {
        // Each would be a notice of its own.
        return Err(at(list, Refusal::new("several_lists", "Nhiều hơn một danh sách.", "More than one list.")));
    }
    // The rows may be the list itself, or children of it.
    let row = if rows.text_of(wire::NOTICE_DOSSIER).is_some() { Some(rows) } else { rows.children.first() };
    let row = row.ok_or_else(|| at(wire::NOTICE_DOSSIER, Refusal::new("required", "Thiếu.", "Missing.")))?;
    let national_code: NationalCode = scalar(row, wire::NOTICE_DOSSIER)?;
    let codes = rows.children.iter().filter_map(|row| row.text_of(wire::NOTICE_DOSSIER));
    if codes.into_iter().any(|code| code != national_code.as_str()) {
        let refusal = Refusal::new(
            "several_dossiers",
            "Thông báo của nhiều hồ sơ trong một tệp: cần mỗi hồ sơ một tệp.",
            "A notice of several dossiers in one file: one file a dossier is needed.",
        );
        return Err(at(wire::NOTICE_DOSSIER, refusal));
    }
    let decisions: Vec<_> = rows
        .children
        .iter()
        .chain([rows])
        .flat_map(|row| row.children(wire::DECISION))
        .map(decision)
        .collect::<Result<_, _>>()?;
    if decisions.is_empty() {
        return Err(at(wire::DECISION, Refusal::new("required", "Thiếu.", "Missing.")));
    }
    let mut reference: Vec<_> = decisions.iter().map(|one| one.decision_number.as_str().to_owned()).collect();
    reference.sort_unstable();
    Ok(TaxNotice { national_code, decisions, reference })
}

fn decision(element: &Element) -> Result<TaxDecision, Refusal> {
    Ok(TaxDecision {
        tax_code: Personal::new(scalar(element, wire::TAX_CODE)?),
        decision_number: scalar(element, wire::DECISION_NUMBER)?,
        decided_on: date(&needed(element, wire::DECISION_DATE)?).map_err(|refusal| at(wire::DECISION_DATE, refusal))?,
        item: scalar(element, wire::TAX_ITEM)?,
        amount: dong(&needed(element, wire::TAX_AMOUNT)?).map_err(|refusal| at(wire::TAX_AMOUNT, refusal))?,
    })
}

fn needed(element: &Element, name: &str) -> Result<String, Refusal> {
    let found = element.text_of(name).map(str::to_owned);
    found.ok_or_else(|| at(name, Refusal::new("required", "Thiếu.", "Missing.")))
}

fn scalar<T: Scalar>(element: &Element, name: &str) -> Result<T, Refusal> {
    T::parse(&needed(element, name)?).map_err(|refusal| at(name, refusal))
}

/// `dd-MM-yyyy`.
fn date(text: &str) -> Result<Date, Refusal> {
    let is_written = text.len() == 10
        && text.bytes().enumerate().all(|(n, byte)| match n {
            2 | 5 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let part = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<i16>().ok());
    let found = is_written.then(|| (part(6, 10), part(3, 5), part(0, 2)));
    let date = match found {
        Some((Some(year), Some(month), Some(day))) => Date::new(year, month as i8, day as i8).ok(),
        _ => None,
    };
    date.ok_or_else(|| Refusal::new("date", "Cần ngày dạng dd-MM-yyyy.", "A date like dd-MM-yyyy is needed."))
}

/// A refusal with the element's name.
fn at(name: &str, refusal: Refusal) -> Refusal {
    Refusal::new(refusal.code, format!("{name}: {}", refusal.message.vi), format!("{name}: {}", refusal.message.en))
}
