//! What the reference says may differ between versions of the formulas: data, never code.

use super::Percent;
use crate::dossier::Database;

/// The terms of one version of the formulas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormulaTerms {
    /// Which version these terms are, in words for people; stands in every report.
    pub version: String,
    /// 3.3: from this share on, all points.
    pub online_share_full_at: Percent,
    /// 4.2: from this share on, all points.
    pub digitised_full_at: Percent,
    /// 4.3: from this share on, all points.
    pub reuse_full_at: Percent,
    /// 5.4: from this share on, all points.
    pub satisfaction_full_at: Percent,
    /// Codes that mean the national population database (CSDLQG về dân cư). Which one does is not public: while this is
    /// empty, a dossier with any connected database is not decided in 4.5.
    pub population_databases: Vec<Database>,
}

impl FormulaTerms {
    /// The thresholds of the working document on Quyết định 766/QĐ-TTg (23/6/2022).
    pub fn of_working_document() -> Self {
        Self {
            version: "Quyết định 766/QĐ-TTg (23/6/2022), tài liệu làm việc / working document".to_owned(),
            online_share_full_at: Percent::whole(50),
            digitised_full_at: Percent::whole(80),
            reuse_full_at: Percent::whole(80),
            satisfaction_full_at: Percent::whole(90),
            population_databases: Vec::new(),
        }
    }
}
