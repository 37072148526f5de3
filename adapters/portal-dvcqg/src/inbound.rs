//! What the portal sends by itself: where, and what it says. Reads leniently (number or text, any case) what it needs, passes
//! on the rest as it is, and answers in the words of the reference. Opens nothing and calls nobody.

use deserr::Deserr;
use lienthong_adapter_kit::Secret;
use lienthong_adapter_kit::wire_time::WireTime;
use lienthong_domain::catalogue::ProcedureCode;
use lienthong_domain::dossier::IdentityNumber;
use lienthong_domain::inbox::{Incoming, IncomingFile, IncomingKind, NationalCode, SetAside, Source, TaxPayment};
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::money::Dong;
use lienthong_domain::personal::Personal;
use lienthong_domain::port::{InboundPath, NotRead, PortalInbound, Taken};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::text::Text;
use lienthong_domain::time::Timestamp;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::fields::{Fields, required, shape};
use crate::reply::{member, text};
use crate::tax_notice;
use crate::wire::inbound as wire;
use crate::xml::{self, XmlLimits};

const DOSSIERS: &str = "dossiers";
const TAX_NOTICES: &str = "tax_notices";
const PROMOTIONS: &str = "promotions";
/// Papers of one message.
const MOST_PAPERS: usize = 200;

#[derive(Debug, Clone, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct InboundSettings {
    #[deserr(try_from(Vec<String>) = path_prefixes -> Refusal)]
    prefixes: Vec<String>,
    #[deserr(try_from(String) = path -> Refusal)]
    dossiers_path: String,
    #[deserr(try_from(String) = path -> Refusal)]
    tax_notices_path: String,
    #[deserr(try_from(String) = path -> Refusal)]
    promotions_path: String,
    security_key: Secret,
    dossier_services: Vec<String>,
    supplement_reference: Vec<String>,
    xml_bytes: usize,
    xml_depth: usize,
    xml_elements: usize,
}

/// The reader of the portal's messages.
pub(crate) struct Inbound {
    pub(crate) settings: InboundSettings,
    pub(crate) time_format: WireTime,
}

impl Inbound {
    fn has_key(&self, message: &Value) -> bool {
        let expected = self.settings.security_key.expose();
        let given = member(message, wire::SHARED_KEY).and_then(text).unwrap_or_default();
        expected.is_empty() || bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
    }

    /// A dossier or a supplement to one.
    fn dossier(&self, fields: &Fields<'_>, is_updating: bool) -> Option<Incoming> {
        let name = fields.personal(wire::FILE_NAME);
        let link = fields.scalar(wire::FILE_LINK);
        let files =
            link.map(|link| IncomingFile { name, source: Source::Link(link), known_type: None }).into_iter().collect();
        let change_reason = fields.scalar(wire::CHANGE_REASON);
        let mut reference = Vec::new();
        let kind = match is_updating {
            true => {
                let names = self.settings.supplement_reference.iter();
                reference.extend(names.map(|name| fields.glance(&[name]).unwrap_or_default()));
                IncomingKind::DossierSupplemented
            }
            false => IncomingKind::DossierSubmitted,
        };
        let incoming = self.message(kind, fields, reference, files)?;
        Some(Incoming { change_reason, ..incoming })
    }

    fn tax_paid(&self, fields: &Fields<'_>) -> Option<Incoming> {
        let payment = fields.inside(wire::PAYMENT);
        let notice_code = payment.needed::<Text<1, 200>>(wire::NOTICE_CODE);
        let amount = payment.needed_text(wire::AMOUNT).and_then(|text| payment.read(wire::AMOUNT, dong(&text)));
        let paid_at = self.time(&payment, wire::PAID_AT);
        let content = payment.scalar(wire::PAYMENT_CONTENT);
        let status = payment.glance(wire::PAYMENT_STATUS);
        let is_paid = status.as_deref() == Some(wire::PAID);
        if is_paid {
            payment.text(wire::PAYMENT_STATUS);
        }
        fields.pass_on(wire::PAYMENT, payment.rest().into());
        fields.include(payment);
        let link = fields.scalar(wire::RECEIPT_LINK);
        let files = link
            .map(|link| IncomingFile { name: None, source: Source::Link(link), known_type: None })
            .into_iter()
            .collect();
        // Passed on with the rest, too: it need not be a number of a form that we know.
        let person = fields.glance(wire::PAYER_NUMBER);
        let person = person.and_then(|number| IdentityNumber::parse(&number).ok()).map(Personal::new);
        // A notice may be paid in several parts, and a payment that failed may be made again.
        let reference = vec![
            notice_code.as_ref().map(|code| code.as_str().to_owned()).unwrap_or_default(),
            paid_at.map(|at| at.to_text()).unwrap_or_default(),
            status.unwrap_or_default(),
            amount.map(|amount| amount.amount().to_string()).unwrap_or_default(),
        ];
        let incoming = self.message(IncomingKind::TaxPaid, fields, reference, files)?;
        let tax_payment = TaxPayment { notice_code: notice_code?, paid_at, amount: amount?, is_paid, content };
        Some(Incoming { tax_payment: Some(tax_payment), person, ..incoming })
    }

    fn promotion(&self, fields: &Fields<'_>, aside: &SetAside) -> Option<Incoming> {
        let registration = fields.text(wire::REGISTRATION_FILE);
        let registration =
            registration.map(|content| IncomingFile { name: None, source: aside.source(&content), known_type: None });
        let mut files: Vec<_> = registration.into_iter().collect();
        let mut left = Vec::new();
        for paper in fields.each(wire::PAPERS, MOST_PAPERS) {
            let name = paper.personal(wire::PAPER_NAME);
            let content = paper.needed_text(wire::PAPER_CONTENT);
            files.extend(content.map(|content| IncomingFile {
                name,
                source: aside.source(&content),
                known_type: None,
            }));
            left.push(Value::Object(paper.rest()));
            fields.include(paper);
        }
        if left.iter().any(|left| left.as_object().is_some_and(|left| !left.is_empty())) {
            fields.pass_on(wire::PAPERS, left.into());
        }
        self.message(IncomingKind::PromotionNotified, fields, Vec::new(), files)
    }

    /// A notice is a file of XML; which dossier it is about is said in there.
    fn tax_notice(&self, fields: &Fields<'_>, aside: &SetAside) -> Option<Incoming> {
        let content = fields.needed_text(wire::NOTICE)?;
        let source = aside.source(&content);
        let settings = &self.settings;
        let limits =
            XmlLimits { bytes: settings.xml_bytes, depth: settings.xml_depth, elements: settings.xml_elements };
        let notice = match &source {
            Source::Written(base64) => tax_notice::read(base64, limits),
            Source::SetAside(_) | Source::Link(_) => Err(xml::too_long(limits.bytes)),
        };
        let notice = fields.read(wire::NOTICE, notice)?;
        let files = vec![IncomingFile { name: None, source, known_type: Some("text/xml") }];
        let incoming = Incoming::new(IncomingKind::TaxNotice, notice.national_code, fields.rest());
        Some(Incoming { reference: notice.reference, tax_decisions: notice.decisions, files, ..incoming })
    }

    /// What most messages say. Last of all, because what nobody has asked for is passed on as it is.
    fn message(
        &self,
        kind: IncomingKind,
        fields: &Fields<'_>,
        reference: Vec<String>,
        files: Vec<IncomingFile>,
    ) -> Option<Incoming> {
        let national_code = fields.needed::<NationalCode>(wire::NATIONAL_CODE);
        let procedure_code = fields.scalar::<ProcedureCode>(wire::PROCEDURE);
        let document_number = fields.scalar(wire::DOCUMENT_NUMBER);
        let submitted_at = self.time(fields, wire::SUBMITTED_AT);
        let incoming = Incoming::new(kind, national_code?, fields.rest());
        Some(Incoming { procedure_code, document_number, submitted_at, reference, files, ..incoming })
    }

    fn time(&self, fields: &Fields<'_>, names: &[&str]) -> Option<Timestamp> {
        let text = fields.text(names)?;
        let read = self.time_format.read(&text);
        fields.read(
            names,
            read.map_err(|form| {
                Refusal::new(
                    "time",
                    format!("Cần thời điểm dạng {}.", form.0),
                    format!("A time like {} is needed.", form.0),
                )
            }),
        )
    }
}

impl PortalInbound for Inbound {
    fn paths(&self) -> Vec<InboundPath> {
        let settings = &self.settings;
        let ends = [
            (&settings.dossiers_path, DOSSIERS),
            (&settings.tax_notices_path, TAX_NOTICES),
            (&settings.promotions_path, PROMOTIONS),
        ];
        let served = ends.into_iter().filter(|(end, _)| !end.is_empty());
        served
            .flat_map(|(end, endpoint)| {
                // A notice as base64, broken into lines.
                let longest_text = if endpoint == TAX_NOTICES { settings.xml_bytes / 2 * 3 } else { 0 };
                settings.prefixes.iter().map(move |prefix| {
                    let path = if prefix.is_empty() { format!("/{end}") } else { format!("/{prefix}/{end}") };
                    InboundPath { path, endpoint, longest_text }
                })
            })
            .collect()
    }

    fn read(&self, endpoint: &str, message: &Value, aside: &SetAside) -> Result<Incoming, NotRead> {
        if !self.has_key(message) {
            return Err(NotRead::WrongKey);
        }
        let envelope = Fields::new(message, String::new());
        let data = match envelope.take(wire::DATA) {
            Some(Value::Array(items)) if items.len() == 1 => items.first(),
            other => other,
        };
        let Some(data) = data.filter(|data| data.is_object()) else {
            let refusal = if data.is_some() { shape("một đối tượng", "an object") } else { required() };
            return Err(NotRead::Invalid(InvalidFields::one(envelope.place_of(wire::DATA), refusal)));
        };
        let fields = Fields::new(data, envelope.place_of(wire::DATA));
        let service = envelope.text(wire::SERVICE).unwrap_or_default();
        let is_updating = envelope.text(wire::IS_UPDATING);
        let is_updating = is_updating.and_then(|said| envelope.read(wire::IS_UPDATING, yes_or_no(&said)));
        let is_updating = is_updating.unwrap_or_default();
        let read = match endpoint {
            TAX_NOTICES => self.tax_notice(&fields, aside),
            PROMOTIONS => self.promotion(&fields, aside),
            _ if service == wire::TAX_PAID => self.tax_paid(&fields),
            _ => {
                let known = &self.settings.dossier_services;
                if !known.is_empty() && !known.contains(&service) {
                    envelope.read::<()>(wire::SERVICE, Err(unknown_service()));
                }
                self.dossier(&fields, is_updating)
            }
        };
        let mut wrong = fields.into_wrong();
        let mut rest = envelope.rest();
        wrong.append(envelope.into_wrong());
        rest.retain(|name, _| !name.eq_ignore_ascii_case(wire::SHARED_KEY[0]));
        if !service.is_empty() {
            rest.insert(wire::SERVICE[0].to_owned(), service.clone().into());
        }
        let read = read.map(|mut read| {
            // What is called otherwise is something else, whatever we take it for.
            read.reference.push(service);
            Incoming { is_update: is_updating, envelope: Personal::new(rest), ..read }
        });
        read.filter(|_| wrong.is_empty()).ok_or(NotRead::Invalid(wrong))
    }

    fn answer(&self, message: Option<&Incoming>, taken: &Taken) -> Vec<u8> {
        let code = message.map_or("", |message| message.national_code.as_str());
        let (error_code, words) = match taken {
            Taken::Now => (0, "Đã tiếp nhận"),
            Taken::Before => (1, "Đã tiếp nhận trước đó"),
            Taken::Refused(reason) => (-1, reason.as_str()),
        };
        let answer = wire::Answer { error_code, message: format!("{code}| {words}") };
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}

/// As the wire writes it: `true`, `"True"`, `"1"`.
fn yes_or_no(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Refusal::new("value", "Cần True hoặc False.", "True or False is needed.")),
    }
}

fn unknown_service() -> Refusal {
    Refusal::new(
        "unknown_value",
        "Không có trong inbound.dossier_services của hồ sơ kết nối.",
        "It is not in inbound.dossier_services of the profile.",
    )
}

/// Whole đồng, as the portal writes them.
pub(crate) fn dong(text: &str) -> Result<Dong, Refusal> {
    // A number that is no amount is refused with the amount's own words.
    Dong::new(text.parse().unwrap_or(-1))
}

/// The last part of an address: one or more plain segments, or nothing.
fn path(text: String) -> Result<String, Refusal> {
    let is_plain = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
    };
    if text.is_empty() || text.split('/').all(is_plain) {
        return Ok(text);
    }
    Err(Refusal::new(
        "value",
        "Cần phần đường dẫn gồm chữ, số, “-”, “_”, “.”, không có “/” ở đầu và cuối.",
        "A part of a path is needed: letters, digits, “-”, “_”, “.”, without “/” at its ends.",
    ))
}

fn path_prefixes(texts: Vec<String>) -> Result<Vec<String>, Refusal> {
    texts.into_iter().map(path).collect()
}
