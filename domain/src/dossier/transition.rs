//! Which state may follow which: ONE table. The portal's own rule is not known, so a move that merely looks impossible
//! is accepted with a reason (audited, warned), and only what cannot be true of any dossier is refused.

use super::DossierState::{self, *};

/// What the table says about one move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Allowed,
    /// Accepted only with a reason given by the sender.
    NeedsReason,
    /// Cannot be true of any dossier.
    Refused,
}

/// Where a dossier stands before the move: the gateway has never been sent it, or its last accepted state.
type From = Option<DossierState>;

/// Every ordinary move. A move to the same state is always ordinary (the content changed, not the state). What is not
/// listed needs a reason. Rows follow the list of states.
#[rustfmt::skip]
pub const TABLE: &[(DossierState, &[DossierState])] = &[
    (Registered,             &[Received, NotAccepted, Processing, SupplementRequested, FinancialDutyRequested, WithdrawnByCitizen]),
    (Received,               &[NotAccepted, Processing, SupplementRequested, FinancialDutyRequested, WithdrawnByCitizen, Stopped, Finished, ResultReturned]),
    (NotAccepted,            &[]),
    (Processing,             &[SupplementRequested, FinancialDutyRequested, WithdrawnByCitizen, Stopped, Finished, ResultReturned]),
    (SupplementRequested,    &[Received, NotAccepted, Processing, FinancialDutyRequested, WithdrawnByCitizen, Stopped]),
    (FinancialDutyRequested, &[Received, Processing, SupplementRequested, WithdrawnByCitizen, Stopped, Finished, ResultReturned]),
    (WithdrawnByCitizen,     &[]),
    (Stopped,                &[Processing, WithdrawnByCitizen, ResultReturned]),
    (Finished,               &[ResultReturned, FinancialDutyRequested]),
    (ResultReturned,         &[]),
];

/// The edge for a full state sent by the local system. A dossier may be sent for the first time in any state: a local
/// system may have begun to synchronise late.
pub fn edge(from: From, to: DossierState) -> Edge {
    let Some(from) = from else { return Edge::Allowed };
    let is_ordinary = from == to || TABLE.iter().any(|(state, next)| *state == from && next.contains(&to));
    if is_ordinary { Edge::Allowed } else { Edge::NeedsReason }
}
