//! What the nation holds of one dossier, as far as the formulas read it. No person is in it.

use crate::catalogue::{AgencyCode, ProcedureCode};
use crate::dossier::{Channel, Database, Dossier, DossierCode, DossierState, OnlinePayment, Step};
use crate::money::Dong;
use crate::time::{Duration, Timestamp};

/// One dossier as it was synchronised: its last full state, the states it went through, and facts of its procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDossier {
    pub code: DossierCode,
    pub agency: AgencyCode,
    pub procedure: ProcedureCode,
    pub procedure_facts: ProcedureFacts,
    /// `None` counts as direct.
    pub channel: Option<Channel>,
    pub submitted_at: Option<Timestamp>,
    /// Without it the dossier is not counted.
    pub received_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// The states it was told to be in (from steps and full states), in any order.
    pub history: Vec<StateAt>,
    pub supplements: Vec<SupplementRound>,
    pub online_payment: Option<OnlinePayment>,
    /// The price of each fee line.
    pub fees: Vec<Dong>,
    /// Papers that were submitted and not taken out again.
    pub papers: Vec<HeldPaper>,
    pub results: Vec<HeldResult>,
    pub has_digitised_components: bool,
    pub is_verified_by_vneid: bool,
    pub connected_databases: Vec<Database>,
    /// Whether there was a complaint (phản ánh, kiến nghị) or a dislike; `None` if nobody told.
    pub has_complaint: Option<bool>,
}

/// A state and when the dossier was told to be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateAt {
    pub state: DossierState,
    pub at: Timestamp,
}

/// When a supplement was asked for, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SupplementRound {
    pub requested_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HeldPaper {
    pub has_attachment: bool,
    pub is_digitised: bool,
    pub is_from_national_repository: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HeldResult {
    /// Whether the result's code is told.
    pub has_code: bool,
    /// Whether there is a link to the electronic result.
    pub has_link: bool,
}

/// What the catalogue says of a dossier's procedure; `None` where it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcedureFacts {
    pub returns_paper: Option<bool>,
    pub bears_fees: Option<bool>,
    /// The longest time limit of any of its cases and channels.
    pub longest_legal_time: Option<Duration>,
}

impl HeldDossier {
    /// From a full state and the steps that were delivered. Whether there was a complaint is not known by it.
    ///
    /// A state that the full state tells joins the history if no step tells it, or if it is the dossier's state and came after all
    /// steps: one request for a supplement that a step and a full state tell, some seconds apart, is not two. Where no step tells a
    /// request, several rounds of supplements are as many. Full states before the last one are not read: add to `history` what they
    /// told.
    pub fn of(agency: AgencyCode, dossier: &Dossier, steps: &[Step], procedure_facts: ProcedureFacts) -> Self {
        let mut history: Vec<StateAt> =
            steps.iter().map(|step| StateAt { state: step.state, at: step.handled_at }).collect();
        let told = states_of(dossier).into_iter().filter(|told| is_news(*told, dossier.state, steps));
        history.extend(told);
        if steps.iter().all(|step| step.state != DossierState::SupplementRequested) && dossier.supplements.len() > 1 {
            let requests = dossier.supplements.iter().map(|round| round.requested_at);
            history.extend(requests.map(|at| StateAt { state: DossierState::SupplementRequested, at }));
        }
        let papers = dossier.papers.iter().filter(|paper| !paper.is_deleted).map(|paper| HeldPaper {
            has_attachment: paper.link.is_some(),
            is_digitised: paper.is_digitised,
            is_from_national_repository: paper.is_from_national_repository,
        });
        let results = dossier
            .results
            .iter()
            .map(|result| HeldResult { has_code: result.result_code.is_some(), has_link: result.link.is_some() });
        let rounds = dossier
            .supplements
            .iter()
            .map(|round| SupplementRound { requested_at: round.requested_at, completed_at: round.received_at });
        Self {
            code: dossier.code.clone(),
            agency,
            procedure: dossier.procedure_code.clone(),
            procedure_facts,
            channel: Some(dossier.channel),
            submitted_at: Some(dossier.submitted_at),
            received_at: dossier.received_at,
            due_at: dossier.due_at,
            finished_at: dossier.finished_at,
            history,
            supplements: rounds.collect(),
            online_payment: Some(dossier.online_payment),
            fees: dossier.fees.iter().map(|fee| fee.amount).collect(),
            papers: papers.collect(),
            results: results.collect(),
            has_digitised_components: dossier.has_digitised_components,
            is_verified_by_vneid: dossier.is_verified_by_vneid,
            connected_databases: dossier.connected_databases.to_vec(),
            has_complaint: None,
        }
    }
}

/// Whether no step tells what the full state does.
fn is_news(told: StateAt, now: DossierState, steps: &[Step]) -> bool {
    let last = steps.iter().max_by_key(|step| step.handled_at);
    let is_after_all = told.state == now && last.is_some_and(|last| last.state != now && last.handled_at < told.at);
    is_after_all || steps.iter().all(|step| step.state != told.state)
}

/// The states that a full state tells the time of. Of some it does not.
fn states_of(dossier: &Dossier) -> Vec<StateAt> {
    use DossierState::*;
    let told: &[(DossierState, Option<Timestamp>)] = match dossier.state {
        Registered => &[(Registered, Some(dossier.submitted_at))],
        Received => &[(Received, dossier.received_at)],
        NotAccepted => &[(NotAccepted, dossier.refused_at)],
        SupplementRequested => {
            &[(SupplementRequested, dossier.supplements.iter().map(|round| round.requested_at).max())]
        }
        Processing | FinancialDutyRequested => &[],
        WithdrawnByCitizen | Stopped => &[(dossier.state, dossier.finished_at)],
        Finished => &[(Finished, dossier.finished_at)],
        // What was handed over had been finished before.
        ResultReturned => &[(Finished, dossier.finished_at), (ResultReturned, dossier.returned_at)],
    };
    told.iter().filter_map(|(state, at)| Some(StateAt { state: *state, at: (*at)? })).collect()
}
