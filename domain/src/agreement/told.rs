//! What the nation tells of one dossier.

use crate::dossier::DossierState;
use crate::time::Timestamp;

/// One thing that an answer may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<T> {
    Value(T),
    /// The answer has no such member.
    Nothing,
    /// It has one that cannot be read.
    Unreadable,
}

/// A dossier as the nation holds it. That there is one is what its being here says; the rest it may tell or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NationalDossier {
    pub state: Told<DossierState>,
    /// In whole seconds; `None` if it has none.
    pub due_at: Told<Option<Timestamp>>,
    /// Results that have a link.
    pub results: Told<usize>,
}

impl NationalDossier {
    /// One of which nothing is told but that it is there.
    pub const PRESENT: Self = Self { state: Told::Nothing, due_at: Told::Nothing, results: Told::Nothing };
}
