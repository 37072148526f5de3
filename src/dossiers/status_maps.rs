//! The status tables of the agencies, by the nearest agency up the tree.

use std::collections::HashMap;

use jiff::civil::Date;
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister};
use lienthong_domain::dossier::{LocalStatus, MappedState, StatusMap};

/// Status tables by agency.
#[derive(Debug, Default)]
pub struct StatusMaps {
    by_agency: HashMap<AgencyCode, StatusMap>,
}

impl StatusMaps {
    pub fn new(by_agency: HashMap<AgencyCode, StatusMap>) -> Self {
        Self { by_agency }
    }

    /// The state that the agency's own table gives, or that of the nearest agency above it that has a table.
    pub fn find(
        &self,
        agency: &AgencyCode,
        local: &LocalStatus,
        register: &AgencyRegister,
        day: Date,
    ) -> Option<MappedState> {
        let mut current = agency.clone();
        // As deep as a register may be.
        for _ in 0..16 {
            if let Some(map) = self.by_agency.get(&current) {
                return map.find(local);
            }
            current = register.find(&current, day)?.parent.clone()?;
        }
        None
    }
}
