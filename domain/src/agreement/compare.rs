//! What is different between a dossier here and there.

use crate::dossier::DossierState;
use crate::scalar::Scalar;
use crate::time::Timestamp;

use super::{NationalDossier, Told};

crate::code_enum! {
    /// What is wrong with a dossier.
    pub enum Class: "Loại chênh lệch. / What is different." {
        /// A delivery waits for a person, or somebody let it go.
        NotSent = "not_sent" => "Chưa gửi được lên Cổng",
        /// It was delivered, and the nation does not have it.
        MissingNationally = "missing_nationally" => "Cổng không có hồ sơ",
        State = "state" => "Trạng thái khác nhau",
        DueAt = "due_at" => "Ngày hẹn trả khác nhau",
        ResultMissing = "result_missing" => "Thiếu liên kết kết quả trên Cổng",
        /// The nation has it, and no local system has given it to the gateway.
        MissingLocally = "missing_locally" => "Hệ thống địa phương không có hồ sơ",
        /// A local system should have given it, and neither the gateway nor the nation has it.
        NeverGiven = "never_given" => "Chưa bao giờ được gửi",
    }
}

crate::code_enum! {
    /// What would make it right.
    pub enum Repair: "Cách xử lý. / What would make it right." {
        /// The full state and every step once more.
        Resend = "resend" => "Gửi lại",
        /// The full state over what the nation holds.
        Correct = "correct" => "Gửi trạng thái đầy đủ để sửa",
        /// A person finds out.
        Ask = "ask" => "Hỏi lại",
    }
}

crate::code_enum! {
    /// What is compared of a dossier that both have.
    pub enum Aspect: "Điều được so sánh. / What is compared." {
        State = "state" => "Trạng thái",
        DueAt = "due_at" => "Ngày hẹn trả",
        Results = "results" => "Liên kết kết quả",
    }
}

impl Class {
    pub const fn repair(self) -> Repair {
        match self {
            Self::MissingNationally => Repair::Resend,
            Self::State | Self::DueAt | Self::ResultMissing => Repair::Correct,
            Self::NotSent | Self::MissingLocally | Self::NeverGiven => Repair::Ask,
        }
    }
}

/// A dossier as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDossier {
    pub state: DossierState,
    /// The state of a step that came after the full state. Whether steps move the state that the nation tells is not known:
    /// either is right.
    pub later_step: Option<DossierState>,
    /// `None` once they were erased.
    pub contents: Option<LocalContents>,
}

/// What stands in its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalContents {
    pub due_at: Option<Timestamp>,
    /// Results that have a link.
    pub results: usize,
}

/// One thing that is not the same. The texts are codes, times and numbers, never personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub class: Class,
    pub expected: String,
    pub observed: String,
}

/// What came of comparing a dossier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub differences: Vec<Difference>,
    /// What the nation does not tell.
    pub not_observable: Vec<Aspect>,
    /// What it tells in a way that nobody here can read.
    pub unreadable: Vec<Aspect>,
}

/// Compares what was delivered with what the nation holds; `None` if it has no such dossier.
pub fn compare(local: &LocalDossier, national: Option<&NationalDossier>) -> Findings {
    let mut findings = Findings::default();
    let Some(national) = national else {
        findings.differences.push(different(Class::MissingNationally, "present", "absent"));
        return findings;
    };
    if let Some(state) = findings.told(Aspect::State, national.state)
        && state != local.state
        && Some(state) != local.later_step
    {
        findings.differences.push(different(Class::State, local.state.as_str(), state.as_str()));
    }
    let Some(contents) = local.contents else {
        findings.not_observable.extend([Aspect::DueAt, Aspect::Results]);
        return findings;
    };
    if let Some(due_at) = findings.told(Aspect::DueAt, national.due_at) {
        // The nation's times have whole seconds.
        let second = |at: Option<Timestamp>| at.map(|at| at.micros().div_euclid(1_000_000));
        if second(due_at) != second(contents.due_at) {
            let text = |at: Option<Timestamp>| at.map_or_else(|| "none".to_owned(), |at| at.to_text());
            findings.differences.push(different(Class::DueAt, &text(contents.due_at), &text(due_at)));
        }
    }
    if let Some(results) = findings.told(Aspect::Results, national.results)
        && results < contents.results
    {
        let (expected, observed) = (contents.results.to_string(), results.to_string());
        findings.differences.push(different(Class::ResultMissing, &expected, &observed));
    }
    findings
}

impl Findings {
    fn told<T>(&mut self, aspect: Aspect, told: Told<T>) -> Option<T> {
        match told {
            Told::Value(value) => return Some(value),
            Told::Nothing => self.not_observable.push(aspect),
            Told::Unreadable => self.unreadable.push(aspect),
        }
        None
    }
}

fn different(class: Class, expected: &str, observed: &str) -> Difference {
    Difference { class, expected: expected.to_owned(), observed: observed.to_owned() }
}
