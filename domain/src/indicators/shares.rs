//! Indicators 3.3 to 5.4 of one dossier: whether it is in the numerator, costs points, cannot be decided, or is not
//! concerned. Choices are named at each.

use super::{FormulaTerms, HeldDossier, Reason, Verdict};
use crate::dossier::{Channel, DossierState, OnlinePayment};
use crate::money::Dong;

fn met_or(is_met: bool, reason: Reason) -> Verdict {
    if is_met { Verdict::Met } else { Verdict::Costs(reason) }
}

/// 3.3: online if the channel is online and, where the procedure returns a paper, a result has both code and link. (Choice:
/// unfinished dossiers are counted like any other. One that has such a result needs no fact of its procedure.)
pub(super) fn online(dossier: &HeldDossier) -> Verdict {
    match dossier.channel {
        None => return Verdict::Costs(Reason::ChannelMissing),
        Some(Channel::Direct) => return Verdict::Costs(Reason::DirectChannel),
        Some(Channel::Postal) => return Verdict::Costs(Reason::PostalChannel),
        Some(Channel::Online) => {}
    }
    let has_result = dossier.results.iter().any(|result| result.has_code && result.has_link);
    match dossier.procedure_facts.returns_paper {
        _ if has_result => Verdict::Met,
        Some(false) => Verdict::Met,
        None => Verdict::Undecided(Reason::PaperResultUnknown),
        Some(true) if has_result_link(dossier) => Verdict::Costs(Reason::ResultCodeMissing),
        Some(true) => Verdict::Costs(Reason::ElectronicResultMissing),
    }
}

/// 3.6: paid online ÷ (of fee-bearing procedures − those whose every price is 0). (Choices: paid online counts only within
/// the denominator; a dossier that tells no price is not one whose every price is 0.)
pub(super) fn paid_online(dossier: &HeldDossier) -> Verdict {
    match dossier.procedure_facts.bears_fees {
        None => return Verdict::Undecided(Reason::FeesOfProcedureUnknown),
        Some(false) => return Verdict::NotConcerned,
        Some(true) => {}
    }
    if !dossier.fees.is_empty() && dossier.fees.iter().all(|price| *price == Dong::ZERO) {
        return Verdict::NotConcerned;
    }
    let is_paid = matches!(dossier.online_payment, Some(OnlinePayment::NationalPortal | OnlinePayment::LocalGateway));
    met_or(is_paid, if dossier.fees.is_empty() { Reason::FeeNotTold } else { Reason::NotPaidOnline })
}

/// 4.1: a link to a result file is present. (Choice, as the reference tells no denominator: dossiers that were finished or
/// whose result was returned, but not of a procedure that is known to return no paper.)
pub(super) fn electronic_result(dossier: &HeldDossier) -> Verdict {
    if !is_resolved(dossier) || !may_return_paper(dossier) {
        return Verdict::NotConcerned;
    }
    met_or(has_result_link(dossier), Reason::ResultLinkMissing)
}

/// 4.2: attachments are present in the submitted papers and in the result. (Choices: one attachment is enough; the
/// denominator is that of all resolved dossiers; a procedure that is known to return no paper needs none in the result.)
pub(super) fn digitised(dossier: &HeldDossier) -> Verdict {
    if !is_resolved(dossier) {
        return Verdict::NotConcerned;
    }
    let has_attachment = dossier.papers.iter().any(|paper| paper.has_attachment);
    let has_result = !may_return_paper(dossier) || has_result_link(dossier);
    match (has_attachment, has_result) {
        (true, true) => Verdict::Met,
        (true, false) => Verdict::Costs(Reason::ResultLinkMissing),
        (false, true) => Verdict::Costs(Reason::AttachmentMissing),
        (false, false) => Verdict::Costs(Reason::AttachmentAndResultLinkMissing),
    }
}

/// 4.3: it says that it has digitised components, or one of its papers is digitised. (Choice for this and the next two: of
/// all dossiers that are counted.)
pub(super) fn reuse(dossier: &HeldDossier) -> Verdict {
    let is_digitised = dossier.papers.iter().any(|paper| paper.is_digitised);
    met_or(dossier.has_digitised_components || is_digitised, Reason::NothingDigitised)
}

/// 4.4: a paper was taken from the national repository.
pub(super) fn national_repository(dossier: &HeldDossier) -> Verdict {
    let is_taken = dossier.papers.iter().any(|paper| paper.is_from_national_repository);
    met_or(is_taken, Reason::NothingFromRepository)
}

/// 4.5: verified with VNeID, or the population database is among those that were consulted.
pub(super) fn population_data(dossier: &HeldDossier, terms: &FormulaTerms) -> Verdict {
    if dossier.is_verified_by_vneid {
        return Verdict::Met;
    }
    if terms.population_databases.is_empty() && !dossier.connected_databases.is_empty() {
        return Verdict::Undecided(Reason::PopulationDatabaseUnknown);
    }
    let is_consulted = dossier.connected_databases.iter().any(|code| terms.population_databases.contains(code));
    met_or(is_consulted, Reason::NoPopulationData)
}

/// 5.4: 100 % − (late % + % with complaint or dislike). (Choices: both shares are of the dossiers of which both are known; a
/// dossier that is late and disliked counts twice, as the sum says.)
pub(super) fn satisfaction(dossier: &HeldDossier, on_time: Verdict) -> Verdict {
    let is_late = match on_time {
        Verdict::Met => false,
        Verdict::Costs(_) => true,
        Verdict::Undecided(_) | Verdict::NotConcerned => return Verdict::Undecided(Reason::PunctualityUnknown),
    };
    match (is_late, dossier.has_complaint) {
        (_, None) => Verdict::Undecided(Reason::ComplaintsUnknown),
        (false, Some(false)) => Verdict::Met,
        (true, Some(false)) => Verdict::Costs(Reason::Late),
        (false, Some(true)) => Verdict::Costs(Reason::Complaint),
        (true, Some(true)) => Verdict::Costs(Reason::LateAndComplaint),
    }
}

fn has_result_link(dossier: &HeldDossier) -> bool {
    dossier.results.iter().any(|result| result.has_link)
}

fn may_return_paper(dossier: &HeldDossier) -> bool {
    dossier.procedure_facts.returns_paper != Some(false)
}

fn is_resolved(dossier: &HeldDossier) -> bool {
    let ends = [DossierState::Finished, DossierState::ResultReturned];
    dossier.history.iter().any(|entry| ends.contains(&entry.state))
}
