//! A notice of land tax (thông báo thuế đất): a file of XML with decisions of one dossier.

use jiff::civil::Date;
use lienthong_domain::inbox::{MOST_TAX_DECISIONS, NationalCode, TaxDecision};
use lienthong_domain::invalid::Refusal;
use lienthong_domain::personal::Personal;
use lienthong_domain::scalar::Scalar;

use crate::fields::{required, too_many};
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
    let lists = root.into_iter().flat_map(|root| root.children(outer)).flat_map(|outer| outer.children(list));
    if lists.count() == 0 {
        return Err(at(list, required()));
    }
    // Rows may be the list itself or stand in it, one or several: whatever there is, wherever it is, is counted and read.
    if document.all(list).len() > 1 {
        // Each would be a notice of its own.
        return Err(at(list, Refusal::new("several_lists", "Nhiều hơn một danh sách.", "More than one list.")));
    }
    let mut codes = document.all(wire::NOTICE_DOSSIER).into_iter().map(|code| code.text.trim());
    let national_code = codes.find(|code| !code.is_empty()).ok_or_else(|| at(wire::NOTICE_DOSSIER, required()))?;
    if codes.any(|code| !code.is_empty() && code != national_code) {
        let refusal = Refusal::new(
            "several_dossiers",
            "Thông báo của nhiều hồ sơ trong một tệp: cần mỗi hồ sơ một tệp.",
            "A notice of several dossiers in one file: one file a dossier is needed.",
        );
        return Err(at(wire::NOTICE_DOSSIER, refusal));
    }
    let national_code = NationalCode::parse(national_code).map_err(|refusal| at(wire::NOTICE_DOSSIER, refusal))?;
    let decisions = document.all(wire::DECISION);
    if decisions.is_empty() {
        return Err(at(wire::DECISION, required()));
    }
    if decisions.len() > MOST_TAX_DECISIONS {
        return Err(at(wire::DECISION, too_many(decisions.len(), MOST_TAX_DECISIONS)));
    }
    let decisions: Vec<_> = decisions.into_iter().map(decision).collect::<Result<_, _>>()?;
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
    let mut texts = element.children(name).map(|child| child.text.trim()).filter(|text| !text.is_empty());
    let text = texts.next().ok_or_else(|| at(name, required()))?;
    if texts.any(|other| other != text) {
        return Err(at(name, Refusal::new("several_values", "Nhiều giá trị khác nhau.", "Several different values.")));
    }
    Ok(text.to_owned())
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
