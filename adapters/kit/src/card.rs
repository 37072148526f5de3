//! The card by which an adapter plugs in: its name, its settings and their check, and the ports it offers.
//! The core works with cards alone and never learns an adapter's fields.

use std::sync::Arc;

use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::port::{CatalogueSource, DossierPortal, PortalInbound, ProcedureCatalogue};
use lienthong_domain::time::Clock;
use serde_json::Value;

use crate::shared_session::{InMemory, SharedSessions};
use crate::standing::{self, Standing};
use crate::upstream_quota::{self, UpstreamQuotas};

/// The same words in both languages, known at compile time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    pub vi: &'static str,
    pub en: &'static str,
}

/// One adapter, as the core sees it.
///
/// Settings arrive as one JSON value: [`Card::default_settings`] with the operator's overrides laid over it by
/// [`merge`]. `check` and `build` read that value and report *all* mistakes, each with its JSON pointer.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// The folder's name, for example `portal-dvcqg`; also the section of the configuration.
    pub name: &'static str,
    /// One sentence: which outside system this is.
    pub summary: Words,
    /// The adapter's `config.toml`, compiled in: every setting, with its unit and where its value comes from.
    pub defaults: &'static str,
    /// Dotted names of the settings that are secret: never printed, and readable from secret files.
    pub secrets: &'static [&'static str],
    /// Whether these settings would do. Opens nothing, calls nobody.
    pub check: fn(&Value) -> Result<(), InvalidFields>,
    /// The ports, ready to use. Calls nobody yet.
    pub build: fn(&Value, &Tools) -> Result<Ports, InvalidFields>,
}

impl Card {
    /// `defaults` as a JSON value. The error is a mistake in the compiled-in file; a test reads every card's.
    pub fn default_settings(&self) -> Result<Value, String> {
        toml::from_str(self.defaults).map_err(|mistake| format!("{}: {mistake}", self.name))
    }
}

/// Lays the operator's settings over the defaults: tables are joined, anything else (lists too) is replaced whole.
/// Members that the defaults do not have are kept, so that the adapter's own check names them.
pub fn merge(settings: &mut Value, overrides: Value) {
    match (settings, overrides) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                merge(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// What the core lends to an adapter.
#[derive(Clone)]
pub struct Tools {
    pub clock: Arc<dyn Clock>,
    /// Whether this replica may still act: for the adapter's [`HttpClient`](crate::http::HttpClient).
    pub standing: Arc<dyn Standing>,
    /// For an adapter whose other side allows an account one session at a time.
    pub sessions: Arc<dyn SharedSessions>,
    /// What other systems allow: for the adapter's HTTP client.
    pub quotas: Arc<dyn UpstreamQuotas>,
}

impl Tools {
    /// For a process without replicas: it may always act, its sessions end with it, and nobody has set it quotas.
    pub fn of_one_process(clock: Arc<dyn Clock>) -> Self {
        Self {
            standing: standing::always(),
            sessions: Arc::new(InMemory::new(clock.clone())),
            quotas: upstream_quota::unlimited(),
            clock,
        }
    }
}

/// What an adapter offers. An adapter fills in its own and leaves the others alone.
#[derive(Clone, Default)]
pub struct Ports {
    pub dossier_portal: Option<Arc<dyn DossierPortal>>,
    pub procedure_catalogue: Option<Arc<dyn ProcedureCatalogue>>,
    pub catalogue_source: Option<Arc<dyn CatalogueSource>>,
    pub portal_inbound: Option<Arc<dyn PortalInbound>>,
}
