#![doc = include_str!("../README.md")]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what comes from outside ends in an answer, not in a panic"
)]

mod catalogue; // names and fields of procedures, asked once in a while
mod client; // one call: address, session, reply
mod codes; // code tables of the profile
mod config; // the profile
mod dictionaries; // short lists of the catalogue
mod error; // what can go wrong, as decisions
mod fields; // members of a message that came
mod inbound; // what the portal sends by itself
mod look_up; // what the portal tells of a dossier
mod mapping; // dossier and step -> wire, total
mod portal; // the port
mod procedures; // the catalogue of procedures as a whole
mod reason; // a refusal's words without personal data
mod reply; // reading and classifying replies
mod session; // one login at a time
mod shared; // one session for all replicas
mod tax_notice; // one kind of message: a file of XML
mod wire; // the other side's field names; nowhere else
mod xml; // XML from strangers

use std::sync::Arc;

use lienthong_adapter_kit::{Card, Ports, Tools, Words};
use lienthong_domain::invalid::InvalidFields;
use serde_json::Value;

/// The adapter's name, in the configuration, in errors and in metrics.
pub(crate) const NAME: &str = "portal-dvcqg";

/// How the adapter plugs in.
pub const CARD: Card = Card {
    name: NAME,
    summary: Words {
        vi: "Cổng Dịch vụ công quốc gia: đồng bộ hồ sơ", en: "National Public Service Portal: dossiers"
    },
    defaults: include_str!("../config.toml"),
    secrets: &["account.password", "inbound.security_key"],
    check: |settings| config::Profile::read(settings).map(drop),
    build,
};

fn build(settings: &Value, tools: &Tools) -> Result<Ports, InvalidFields> {
    let profile = config::Profile::read(settings)?;
    let inbound = inbound::Inbound { settings: profile.inbound.clone(), time_format: profile.wire.time_format };
    let portal = portal::NationalPortal::new(profile, tools).map_err(|refusal| InvalidFields::one("/http", refusal))?;
    let portal = Arc::new(portal);
    Ok(Ports {
        dossier_portal: Some(Arc::clone(&portal) as _),
        procedure_catalogue: Some(Arc::clone(&portal) as _),
        catalogue_source: Some(portal),
        portal_inbound: Some(Arc::new(inbound)),
    })
}
