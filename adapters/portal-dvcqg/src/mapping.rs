//! From the gateway's words to the portal's: a dossier, a step. Total (whatever the types hold has its place on the
//! wire) and pure. Nothing is invented and nothing is cut; what is absent is an empty text.

use std::collections::BTreeMap;

use lienthong_domain::dossier::{
    Channel, Dossier, DossierCode, DossierState, Fee, OnlinePayment, OtherPaper, Owner, OwnerKind, ResultPaper,
    ReturnMethod, StatusReport, Step, SubmittedPaper, Supplement,
};
use lienthong_domain::link::FileLink;
use lienthong_domain::personal::Personal;
use lienthong_domain::text::Text;
use lienthong_domain::time::Timestamp;

use crate::catalogue::ProcedureNames;
use crate::codes::{Codes, PaperReuse, SupplementStatus};
use crate::config::WireSettings;
use crate::reason::PersonalTexts;
use crate::wire::{
    DatabaseItem, DossierItem, FeeItem, IdentityItem, OtherPaperItem, PaperItem, ReportItem, ReportedPaper, ResultItem,
    StepItem, SupplementItem,
};

/// What the profile decides about writing.
pub(crate) struct Mapping<'a> {
    pub(crate) codes: &'a Codes,
    pub(crate) wire: &'a WireSettings,
}

impl Mapping<'_> {
    /// `account` is the owner's account on the portal, found for this dossier if it does not name one.
    pub(crate) fn dossier(&self, dossier: &Dossier, names: ProcedureNames, account: Option<String>) -> DossierItem {
        let owner = &dossier.owner;
        DossierItem {
            code: dossier.code.as_str().to_owned(),
            procedure_code: dossier.procedure_code.original().to_owned(),
            procedure_name: names.name,
            field_code: names.field_code,
            field_name: names.field_name,
            channel: channel(dossier.channel),
            receipt_number: optional(dossier.receipt_number.as_ref()),
            owner_name: owner.name.expose().as_str().to_owned(),
            owner_kind: owner_kind(owner.kind),
            owner_account: account.unwrap_or_default(),
            identity_documents: self.identity_documents(owner),
            other_information: optional(dossier.other_information.as_ref()),
            email: personal(owner.email.as_ref()),
            fax: personal(owner.fax.as_ref()),
            phone: personal(owner.phone.as_ref()),
            summary: dossier.summary.as_str().to_owned(),
            submitted_at: self.wire.time_format.write(dossier.submitted_at),
            received_at: self.time(dossier.received_at),
            due_at: self.time(dossier.due_at),
            refused_at: self.time(dossier.refused_at),
            state: state(dossier.state),
            returned_at: self.time(dossier.returned_at),
            return_note: optional(dossier.return_note.as_ref()),
            return_method: return_method(dossier.return_method),
            finished_at: self.time(dossier.finished_at),
            handling_unit: dossier.handling_unit.as_str().to_owned(),
            note: optional(dossier.note.as_ref()),
            submitted_through: self.codes.submission_place.code(&dossier.submitted_through),
            has_digitised_components: zero_one(dossier.has_digitised_components),
            is_verified_by_vneid: zero_one(dossier.is_verified_by_vneid),
            online_payment: online_payment(dossier.online_payment),
            connected_databases: dossier.connected_databases.iter().map(database).collect(),
            papers: dossier.papers.iter().map(|paper| self.paper(paper)).collect(),
            fees: dossier.fees.iter().map(|fee| self.fee(fee)).collect(),
            other_papers: dossier.other_papers.iter().map(|paper| self.other_paper(paper)).collect(),
            supplements: dossier.supplements.iter().map(|round| self.supplement(round)).collect(),
            results: dossier.results.iter().map(result).collect(),
        }
    }

    pub(crate) fn step(&self, dossier: &DossierCode, step: &Step) -> StepItem {
        StepItem {
            dossier: dossier.as_str().to_owned(),
            handled_by: step.handled_by.expose().as_str().to_owned(),
            title: optional(step.title.as_ref()),
            handled_at: self.wire.time_format.write(step.handled_at),
            department: optional(step.department.as_ref()),
            content: step.content.as_str().to_owned(),
            state: state(step.state),
            started_at: self.time(step.started_at),
            due_at: self.time(step.due_at),
        }
    }

    pub(crate) fn report(&self, report: &StatusReport) -> ReportItem {
        ReportItem {
            national_code: report.national_code.as_str().to_owned(),
            local_code: report.local_code.as_ref().map(|code| code.as_str().to_owned()).unwrap_or_default(),
            note: optional(report.note.as_ref()),
            at: self.wire.time_format.write(report.at),
            state: self.codes.reported_state.code(&report.state),
            papers: report.results.iter().map(reported).collect(),
        }
    }

    fn identity_documents(&self, owner: &Owner) -> Vec<IdentityItem> {
        let item = |document: &lienthong_domain::dossier::IdentityDocument| IdentityItem {
            kind: self.codes.identity_kind.code(&document.kind),
            number: document.number.expose().as_str().to_owned(),
        };
        owner.identity_documents.iter().map(item).collect()
    }

    fn paper(&self, paper: &SubmittedPaper) -> PaperItem {
        let reuse = if paper.is_reused { PaperReuse::Reused } else { PaperReuse::NotReused };
        PaperItem {
            id: paper.id.as_str().to_owned(),
            name: paper.name.as_str().to_owned(),
            is_deleted: true_false(paper.is_deleted),
            component_code: optional(paper.component_code.as_ref()),
            link: link(paper.link.as_ref()),
            is_digitised: zero_one(paper.is_digitised),
            is_reused: self.codes.paper_reuse.code(&reuse),
            is_from_national_repository: zero_one(paper.is_from_national_repository),
            replacing_result_code: optional(paper.replacing_result_code.as_ref()),
        }
    }

    fn fee(&self, fee: &Fee) -> FeeItem {
        FeeItem {
            name: fee.name.as_str().to_owned(),
            code: optional(fee.code.as_ref()),
            collection: self.codes.fee_collection.code(&fee.collection),
            amount: fee.amount.amount().to_string(),
            kind: self.codes.fee_kind.code(&fee.kind),
        }
    }

    fn other_paper(&self, paper: &OtherPaper) -> OtherPaperItem {
        OtherPaperItem {
            name: paper.name.as_str().to_owned(),
            count: paper.count.to_string(),
            form: self.codes.paper_form.code(&paper.form),
        }
    }

    fn supplement_paper(&self, paper: &OtherPaper) -> BTreeMap<String, String> {
        let OtherPaperItem { name, count, form } = self.other_paper(paper);
        let names = &self.wire.supplement_paper_members;
        let members = [(&names.name, name), (&names.count, count), (&names.form, form)];
        let sent = members.into_iter().filter(|(name, _)| !name.is_empty());
        sent.map(|(name, value)| (name.clone(), value)).collect()
    }

    fn supplement(&self, round: &Supplement) -> SupplementItem {
        let status = if round.received_at.is_some() { SupplementStatus::Received } else { SupplementStatus::Awaited };
        SupplementItem {
            id: round.id.as_str().to_owned(),
            requested_by: round.requested_by.expose().as_str().to_owned(),
            content: round.content.as_str().to_owned(),
            requested_at: self.wire.time_format.write(round.requested_at),
            received_by: personal(round.received_by.as_ref()),
            receipt_note: optional(round.receipt_note.as_ref()),
            received_at: self.time(round.received_at),
            status: self.codes.supplement_status.code(&status),
            papers: round.papers.iter().map(|paper| self.supplement_paper(paper)).collect(),
            fees: round.fees.iter().map(|fee| self.fee(fee)).collect(),
            previous_due_at: self.time(round.previous_due_at),
            new_due_at: self.time(round.new_due_at),
        }
    }

    fn time(&self, instant: Option<Timestamp>) -> String {
        instant.map(|instant| self.wire.time_format.write(instant)).unwrap_or_default()
    }
}

/// The personal texts of a dossier, which must not come back to people in the portal's words.
pub(crate) fn personal_texts(dossier: &Dossier) -> PersonalTexts {
    let owner = &dossier.owner;
    let mut texts = PersonalTexts::default();
    texts.add(owner.name.expose().as_str());
    for document in owner.identity_documents.iter() {
        texts.add(document.number.expose().as_str());
    }
    let contacts = [
        owner.phone.as_ref().map(|text| text.expose().as_str()),
        owner.email.as_ref().map(|text| text.expose().as_str()),
    ];
    let more = [
        owner.fax.as_ref().map(|text| text.expose().as_str()),
        owner.tax_code.as_ref().map(|code| code.expose().as_str()),
    ];
    contacts.into_iter().chain(more).flatten().for_each(|text| texts.add(text));
    for round in dossier.supplements.iter() {
        texts.add(round.requested_by.expose().as_str());
        round.received_by.iter().for_each(|name| texts.add(name.expose().as_str()));
    }
    texts
}

fn database(code: &lienthong_domain::dossier::Database) -> DatabaseItem {
    DatabaseItem { code: code.as_str().to_owned() }
}

fn result(paper: &ResultPaper) -> ResultItem {
    ResultItem {
        name: paper.name.as_str().to_owned(),
        component_code: optional(paper.component_code.as_ref()),
        id: paper.id.as_str().to_owned(),
        link: link(paper.link.as_ref()),
        result_code: optional(paper.result_code.as_ref()),
    }
}

/// A result, as it is told of a dossier that was born on the portal.
fn reported(paper: &ResultPaper) -> ReportedPaper {
    ReportedPaper {
        id: paper.id.as_str().to_owned(),
        name: paper.name.as_str().to_owned(),
        is_deleted: true_false(false),
        component_code: optional(paper.component_code.as_ref()),
        link: link(paper.link.as_ref()),
    }
}

fn optional<const MIN: usize, const MAX: usize>(text: Option<&Text<MIN, MAX>>) -> String {
    text.map(|text| text.as_str().to_owned()).unwrap_or_default()
}

fn personal<const MIN: usize, const MAX: usize>(text: Option<&Personal<Text<MIN, MAX>>>) -> String {
    optional(text.map(Personal::expose))
}

fn link(link: Option<&FileLink>) -> String {
    link.map(|link| link.as_str().to_owned()).unwrap_or_default()
}

const fn zero_one(answer: bool) -> &'static str {
    if answer { "1" } else { "0" }
}

pub(crate) const fn true_false(answer: bool) -> &'static str {
    if answer { "True" } else { "False" }
}

/// Trạng thái: the same ten codes in every product seen. Fixed, so that no profile can make a
/// dossier look further than it is.
const fn state(state: DossierState) -> &'static str {
    match state {
        DossierState::Registered => "1",
        DossierState::Received => "2",
        DossierState::NotAccepted => "3",
        DossierState::Processing => "4",
        DossierState::SupplementRequested => "5",
        DossierState::FinancialDutyRequested => "6",
        DossierState::WithdrawnByCitizen => "7",
        DossierState::Stopped => "8",
        DossierState::Finished => "9",
        DossierState::ResultReturned => "10",
    }
}

/// The state that has this code.
pub(crate) fn state_of(code: &str) -> Option<DossierState> {
    DossierState::ALL.iter().copied().find(|known| state(*known) == code)
}

/// Kênh thực hiện.
pub(crate) const fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Direct => "1",
        Channel::Online => "2",
        Channel::Postal => "3",
    }
}

/// Loại đối tượng. Other systems use the same digits for other kinds.
const fn owner_kind(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::Citizen => "1",
        OwnerKind::Enterprise => "2",
        OwnerKind::StateAgency => "3",
        OwnerKind::Organisation => "4",
    }
}

/// Hình thức trả kết quả: how the result is returned.
const fn return_method(method: ReturnMethod) -> &'static str {
    match method {
        ReturnMethod::Counter => "0",
        ReturnMethod::Postal => "1",
    }
}

/// Thanh toán trực tuyến, as the working document on Quyết định 766/QĐ-TTg counts it.
const fn online_payment(payment: OnlinePayment) -> &'static str {
    match payment {
        OnlinePayment::None => "0",
        OnlinePayment::NationalPortal => "1",
        OnlinePayment::LocalGateway => "2",
    }
}
