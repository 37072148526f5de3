//! What can be set at start: the address, the portal's habits, the faults, the province that the portal sends to.
//! It must never hold a real account or a real host: the sandbox calls nobody but the gateway under test.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::faults::FaultPlan;
use crate::outgoing::ProvinceSettings;
use crate::portal::agency;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Loopback; port 0 takes a free one.
    pub listen: SocketAddr,
    pub portal: PortalSettings,
    pub faults: FaultPlan,
    /// Where the portal's own messages go; without it, it sends none.
    pub province: Option<ProvinceSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            portal: PortalSettings::default(),
            faults: FaultPlan::none(),
            province: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortalSettings {
    pub username: String,
    pub password: String,
    /// Agency id of the connected account, either scheme. Each `madonvi` must have the same level-1 code.
    pub agency: String,
    pub dstcode: String,
    /// Where a `dstcode` is looked for; in any other place it is not seen.
    pub dstcode_placements: Vec<DstcodePlacement>,
    pub integration_path: String,
    pub share_path: String,
    /// Counted from the login, not from the last use.
    pub session_lifetime_ms: u64,
    /// A new login ends every earlier session.
    pub single_session: bool,
    /// Form of `error_code` in a good reply.
    pub success_code: SuccessCode,
    /// Kindness: `TraCuuHoSo` also tells the stored fields.
    pub rich_lookup: bool,
    /// Kindness: a step identical to one already held is acknowledged and not appended.
    pub dedup_steps: bool,
    pub extra_procedures: Vec<ExtraProcedure>,
    /// Most entries the ledger takes; beyond it, writes are refused.
    pub ledger_limit: u64,
    /// Longest silence of `effect_then_timeout` before the connection is cut.
    pub hold_ms: u64,
}

impl Default for PortalSettings {
    fn default() -> Self {
        Self {
            username: "sandbox".into(),
            password: "sandbox-password".into(),
            agency: "000.00.00.H15".into(),
            dstcode: "VN:GOV:000.00.00.G22:vpcpdvcprovider".into(),
            dstcode_placements: vec![DstcodePlacement::Header, DstcodePlacement::Query],
            integration_path: "/mapi/integration".into(),
            share_path: "/mapi/share".into(),
            session_lifetime_ms: 600_000,
            single_session: false,
            success_code: SuccessCode::String,
            rich_lookup: false,
            dedup_steps: false,
            extra_procedures: Vec::new(),
            ledger_limit: 5_000_000,
            hold_ms: 30_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DstcodePlacement {
    Header,
    Query,
}

/// `"0"`, `0` or `"00"`: all three are seen in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuccessCode {
    String,
    Number,
    DoubleZero,
}

/// A procedure the catalogue shall know besides the built-in ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraProcedure {
    pub code: String,
    pub name: String,
    pub field_code: String,
    pub field_name: String,
}

impl Settings {
    /// Every mistake at once, so that one start is enough to see them all.
    pub(crate) fn check(&self) -> Result<(), String> {
        let portal = &self.portal;
        let mut mistakes = Vec::new();
        if agency::level_one(&portal.agency).is_none() {
            mistakes.push(format!("portal.agency: `{}` is no agency id", portal.agency));
        }
        if portal.dstcode_placements.is_empty() {
            mistakes.push("portal.dstcode_placements: at least one is needed".into());
        }
        for (key, path) in [("integration_path", &portal.integration_path), ("share_path", &portal.share_path)] {
            let is_ours = path.starts_with("/_sandbox") || path.starts_with("/_files");
            if !path.starts_with('/') || is_ours || path == crate::wire::LOGIN_PATH {
                mistakes.push(format!("portal.{key}: `{path}` cannot be used"));
            }
        }
        if let Err(mistake) = self.faults.check() {
            mistakes.push(mistake);
        }
        mistakes.extend(self.province.iter().flat_map(ProvinceSettings::mistakes));
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("; ")) }
    }
}
