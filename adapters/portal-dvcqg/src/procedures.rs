//! The catalogue as a whole: its list, and what it publishes of one procedure. Every member of the reference (§4.2) is taken
//! over as it is; what cannot be kept makes the procedure unreadable, with its places, and is not left out in silence.

use async_trait::async_trait;
use lienthong_domain::catalogue::{
    Agencies, CodedName, Component, ComponentGroup, Dictionary, DictionaryEntry, LegalBasis, Method, ProcedureCode,
    ProcedureDetail, ProcessingTime, PublishedFee, PublishedFile, ResultPaper, Sequence,
};
use lienthong_domain::dossier::Channel;
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::port::{CatalogueSource, ListedProcedure, PortError, PortErrorKind};
use lienthong_domain::scalar::Scalar;
use serde::Serialize;
use serde_json::Value;

use crate::client::Service;
use crate::codes::Codes;
use crate::config::Endpoint;
use crate::dictionaries;
use crate::error::CallFailure;
use crate::fields::Fields;
use crate::portal::NationalPortal;
use crate::reason::PersonalTexts;
use crate::wire::{self, catalogue as name};

/// Places of what is unreadable that are told.
const MOST_PLACES: usize = 5;

#[derive(Serialize)]
struct Nothing {}

#[async_trait]
impl CatalogueSource for NationalPortal {
    async fn procedures(&self) -> Result<Vec<ListedProcedure>, PortError> {
        let at = self.client.profile.services.procedures_at;
        let lines = self.list(at, wire::LIST_PROCEDURES, &Nothing {}).await?;
        let listed = |line| {
            let line = Fields::new(line, String::new());
            Some(ListedProcedure { code: line.text(name::CODE)?, name: line.published(name::NAME) })
        };
        Ok(lines.iter().filter_map(listed).collect())
    }

    async fn detail(&self, code: &str) -> Result<Option<ProcedureDetail>, PortError> {
        let at = self.client.profile.services.procedure_at;
        let query = wire::ProcedureQuery { procedure: code.to_owned() };
        let found = self.list(at, wire::READ_PROCEDURE, &query).await?;
        let Some(found) = found.first() else { return Ok(None) };
        let fields = Fields::new(found, String::new());
        if fields.text(name::CODE).is_some_and(|named| !is_same(&named, code)) {
            return Err(unreadable("another procedure than the one that was asked for".to_owned()));
        }
        let read = detail(&fields, &self.client.profile.codes);
        fields.into_wrong().into_result(read).map(Some).map_err(|wrong| unreadable(places(&wrong)))
    }

    fn dictionaries(&self) -> Vec<Dictionary> {
        self.client.profile.catalogue.dictionaries.all().collect()
    }

    async fn dictionary(&self, dictionary: Dictionary) -> Result<Vec<DictionaryEntry>, PortError> {
        let profile = &self.client.profile;
        let Some(service) = profile.catalogue.dictionaries.of(dictionary) else { return Ok(Vec::new()) };
        let lines = self.list(profile.services.dictionaries_at, service, &Nothing {}).await?;
        let all = Value::from(lines);
        let lines = Fields::of_list(&all, dictionary.as_str());
        let read = lines.iter().filter_map(|line| dictionaries::entry(line, &profile.catalogue, &profile.codes));
        let read = read.collect();
        let mut wrong = InvalidFields::default();
        lines.into_iter().for_each(|line| wrong.append(line.into_wrong()));
        wrong.into_result(read).map_err(|wrong| unreadable(places(&wrong)))
    }
}

impl NationalPortal {
    async fn list<T: Serialize>(&self, endpoint: Endpoint, name: &str, query: &T) -> Result<Vec<Value>, PortError> {
        let service = Service { endpoint, name, is_read: true };
        self.client.ask(service, query, &PersonalTexts::default()).await.map_err(CallFailure::of_read)
    }
}

/// Whether both name the same procedure: with or without its owner.
fn is_same(one: &str, other: &str) -> bool {
    let national = |code: &str| ProcedureCode::parse(code).ok().and_then(|code| code.national().map(str::to_owned));
    one == other || national(one).is_some_and(|one| Some(one) == national(other))
}

fn detail(fields: &Fields<'_>, codes: &Codes) -> ProcedureDetail {
    ProcedureDetail {
        is_public: fields.text(name::STANDING).is_none_or(|standing| standing == name::PUBLIC),
        name: fields.published(name::NAME),
        decision: fields.published(name::DECISION),
        decision_id: fields.published(name::DECISION_ID),
        issuer_code: fields.published(name::ISSUER),
        kind: fields.published(name::KIND),
        description: fields.published(name::DESCRIPTION),
        requirements: fields.published(name::REQUIREMENTS),
        keywords: fields.published(name::KEYWORDS),
        reception_address: fields.published(name::RECEPTION_ADDRESS),
        fields: coded(fields, wire::reply::FIELDS, wire::reply::FIELD_CODE, wire::reply::FIELD_NAME),
        levels: fields.map(name::LEVELS, |line| {
            let code = line.text(name::LEVEL)?;
            line.read(name::LEVEL, codes.level.member(&code))
        }),
        subjects: coded(fields, name::SUBJECTS, name::SUBJECT_CODE, name::SUBJECT_NAME),
        subjects_text: fields.published(name::SUBJECTS_TEXT),
        sequences: fields.map(name::SEQUENCES, |line| {
            let steps = line.map(name::STEPS, |step| step.published(name::STEP));
            Some(Sequence { case: line.published(name::CASE), steps })
        }),
        methods: fields.map(name::METHODS, |line| method(line, codes)),
        components: fields.map(name::COMPONENTS, |line| {
            Some(ComponentGroup { case: line.published(name::CASE), papers: line.map(name::PAPERS, component) })
        }),
        results: fields.map(name::RESULTS, |line| {
            let file = file(line, name::FILE_NAME);
            Some(ResultPaper { code: line.published(name::RESULT_CODE), name: line.published(name::RESULT_NAME), file })
        }),
        legal_bases: fields.map(name::LEGAL_BASES, legal_basis),
        agencies: agencies(fields),
        related: coded(fields, name::RELATED, name::CODE, name::NAME),
        linked: coded(fields, name::LINKED, name::CODE, name::NAME),
    }
}

fn coded(fields: &Fields<'_>, list: &[&str], code: &[&str], name: &[&str]) -> Vec<CodedName> {
    let line = |line: &Fields<'_>| {
        let read = CodedName { code: line.published(code), name: line.published(name) };
        (read != CodedName::default()).then_some(read)
    };
    fields.map(list, line)
}

fn method(line: &Fields<'_>, codes: &Codes) -> Option<Method> {
    let code = line.needed_text(name::CHANNEL)?;
    let channel = line.read(name::CHANNEL, channel(&code))?;
    Some(Method { channel, times: line.map(name::TIMES, |line| Some(time(line, codes))) })
}

/// Kênh thực hiện.
fn channel(code: &str) -> Result<Channel, Refusal> {
    Channel::ALL.iter().copied().find(|known| crate::mapping::channel(*known) == code).ok_or_else(|| {
        Refusal::new("unknown_value", "Kênh không có trong bảng mã: 1, 2, 3.", "Not a known channel: 1, 2, 3.")
    })
}

fn time(line: &Fields<'_>, codes: &Codes) -> ProcessingTime {
    let unit = line.text(name::TIME_UNIT);
    ProcessingTime {
        value: line.published(name::TIME),
        unit: unit.and_then(|code| line.read(name::TIME_UNIT, codes.time_unit.member(&code))),
        note: line.published(name::NOTE),
        fees: line.map(name::FEES, |line| {
            let fee = PublishedFee {
                code: line.published(name::FEE_CODE),
                amount: line.published(name::AMOUNT),
                currency: line.published(name::CURRENCY),
                note: line.published(name::NOTE),
                file: file(line, name::FILE_NAME),
            };
            (fee != PublishedFee::default()).then_some(fee)
        }),
    }
}

fn component(line: &Fields<'_>) -> Option<Component> {
    Some(Component {
        code: line.published(name::PAPER_CODE),
        name: line.published(name::PAPER_NAME),
        originals: line.published(name::ORIGINALS),
        copies: line.published(name::COPIES),
        form: file(line, name::FORM_NAME),
        replaced_by_result: line.published(name::REPLACED_BY),
    })
}

fn file(line: &Fields<'_>, file_name: &[&str]) -> Option<PublishedFile> {
    let read = PublishedFile { name: line.published(file_name), url: line.published(name::URL) };
    (read != PublishedFile::default()).then_some(read)
}

fn legal_basis(line: &Fields<'_>) -> Option<LegalBasis> {
    Some(LegalBasis {
        number: line.published(name::DOCUMENT_NUMBER),
        title: line.published(name::DOCUMENT_NAME),
        issued: line.published(name::ISSUED),
        effective: line.published(name::EFFECTIVE),
        issuer: line.published(name::ISSUED_BY),
        url: line.published(name::DOCUMENT_URL),
    })
}

fn agencies(fields: &Fields<'_>) -> Agencies {
    let agencies = |list| coded(fields, list, name::AGENCY_CODE, name::AGENCY_NAME);
    Agencies {
        implementing: agencies(name::IMPLEMENTING),
        implementing_text: fields.published(name::IMPLEMENTING_TEXT),
        competent: agencies(name::COMPETENT),
        competent_text: fields.published(name::COMPETENT_TEXT),
        delegated: agencies(name::DELEGATED),
        coordinating: agencies(name::COORDINATING),
    }
}

fn places(wrong: &InvalidFields) -> String {
    let all = wrong.fields();
    let told = all.iter().take(MOST_PLACES).map(|field| format!("{}: {}", field.pointer, field.code));
    let more = (all.len() > MOST_PLACES).then(|| format!("and {} more", all.len() - MOST_PLACES));
    told.chain(more).collect::<Vec<_>>().join(", ")
}

fn unreadable(note: String) -> PortError {
    PortError::new(crate::NAME, PortErrorKind::Unreadable).with_note(note)
}
