//! Settings as the tables that use cases work with.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
use lienthong_domain::catalogue::{Agency, AgencyCode, AgencyRegister, Procedure, ProcedureRegister};
use lienthong_domain::dossier::{StatusMap, StatusMapEntry};
use lienthong_domain::indicators::FormulaTerms;
use lienthong_domain::invalid::{InvalidFields, Refusal};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::WorkingCalendar;
use reqwest::Url;

use super::{
    AgreementSettings, CatalogueSettings, HttpSettings, InboxSettings, QuotaLine, ReportSettings, Settings,
    TimestampSettings, WitnessSettings, listed_twice,
};
use crate::access::idempotency::InMemory;
use crate::access::issuers::{KeyLimits, Terms};
use crate::access::quotas::{Quota, QuotaTable, UpstreamLimits};
use crate::agreement;
use crate::audit::anchors::agency::SignatureTerms;
use crate::audit::anchors::timestamps::TimestampTerms;
use crate::audit::anchors::token::TokenKey;
use crate::audit::anchors::witnesses::WitnessTerms;
use crate::audit::cms::{Certificate, Malformed, Roots, read_certificates};
use crate::audit::log::{KeyKind, VerifierKey};
use crate::catalogue::Pace;
use crate::dossiers::StatusMaps;
use crate::guarded_http::Allowed;
use crate::inbox::links::FetchLimits;
use crate::inbox::{Competence, Limits, MessageLimits, Senders};
use crate::storage::disk::LeastFree;
use crate::storage::hex;
use crate::telemetry::TraceSettings;

impl WitnessSettings {
    /// Where it is asked.
    pub(super) fn address(&self) -> Option<Url> {
        let url = Url::parse(&self.url).ok()?;
        let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        (url.scheme() == "https" || (url.scheme() == "http" && is_here)).then_some(url)
    }

    /// The key of its cosignatures.
    pub(super) fn verifier(&self) -> Option<VerifierKey> {
        VerifierKey::parse(&self.key).ok().filter(|key| key.kind() == KeyKind::Cosignature)
    }
}

impl TimestampSettings {
    /// Where it is asked. What it answers is signed: the way there need not be.
    pub(super) fn address(&self) -> Option<Url> {
        Url::parse(&self.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    }
}

/// An address, or a network.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

impl InboxSettings {
    /// Who may send what the portal sends.
    pub fn senders(&self) -> Senders {
        Senders {
            addresses: self.sender_addresses.iter().filter_map(|address| network(address)).collect(),
            certificates: self.sender_certificates.iter().filter_map(|text| hex::read(text)).collect(),
        }
    }

    /// Which agency a message is for.
    pub fn competence(&self) -> Competence {
        let otherwise = AgencyCode::parse(&self.agency).ok();
        let by_procedure = self.routes.iter().map(|route| (route.procedure.clone(), route.agency.clone())).collect();
        Competence { otherwise, by_procedure }
    }

    /// Where files that are at an address are fetched from; `None`: they are not.
    pub fn fetch_limits(&self) -> Option<FetchLimits> {
        let links = &self.links;
        let networks = links.networks.iter().filter_map(|text| network(text)).collect();
        let allowed = Allowed::hosts(&links.hosts).ok()?.with_networks(networks);
        (!links.hosts.is_empty()).then(|| FetchLimits {
            allowed: Arc::new(allowed),
            rewrite: links.rewrite.iter().map(|rewrite| (rewrite.from.clone(), rewrite.to.clone())).collect(),
            parallel: links.parallel_fetches,
            whole: Duration::from_millis(links.fetch_timeout_ms),
            pause: Duration::from_millis(links.pause_ms),
            file_bytes: self.file_bytes,
            file_types: self.file_types.clone(),
        })
    }

    pub fn limits(&self, http: &HttpSettings) -> Limits {
        Limits {
            message: MessageLimits {
                message_bytes: self.message_bytes,
                text_bytes: self.text_bytes,
                file_bytes: self.file_bytes,
                files: self.files,
                pause: Duration::from_millis(http.body_read_timeout_ms),
            },
            file_types: self.file_types.clone(),
            fetches: !self.links.hosts.is_empty(),
            hold_ms: self.hold_ms.into(),
            page_items: self.page_items,
            poll: Duration::from_millis(self.poll_ms),
            longest_wait: Duration::from_secs(self.longest_wait_s)
                .min(Duration::from_millis(http.request_timeout_ms / 2)),
        }
    }
}

impl AgreementSettings {
    pub fn pace(&self) -> agreement::Pace {
        agreement::Pace {
            nightly: self.nightly,
            hour: self.hour,
            calls_per_second: self.calls_per_second,
            parallel: self.parallel_calls,
            sample_percent: self.sample_percent,
            retry_ms: i64::from(self.retry_s) * 1_000,
            repair: self.repair.clone(),
            most_repairs_percent: self.most_repairs_percent,
        }
    }
}

impl ReportSettings {
    pub fn terms(&self) -> FormulaTerms {
        let population_databases = self.population_databases.clone();
        FormulaTerms { population_databases, ..FormulaTerms::of_working_document() }
    }

    /// An error if the file cannot be read.
    pub fn calendar(&self) -> anyhow::Result<WorkingCalendar> {
        let table = match self.holidays_file.as_str() {
            "" => HOLIDAYS.to_owned(),
            file => std::fs::read_to_string(file).with_context(|| file.to_owned())?,
        };
        let days = WorkingCalendar::parse_days(&table).with_context(|| self.holidays_file.clone())?;
        Ok(WorkingCalendar::new(days, WorkingCalendar::office_hours())?)
    }
}

/// What this version of the program knows.
const HOLIDAYS: &str = include_str!("../../../config/holidays.csv");

impl CatalogueSettings {
    pub fn pace(&self) -> Pace {
        Pace {
            every_ms: i64::from(self.every_hours) * 3_600_000,
            retry_ms: i64::from(self.retry_s) * 1_000,
            parallel: self.parallel_calls,
            most_shrink_percent: self.most_shrink_percent,
        }
    }
}

impl Settings {
    /// Of each disk.
    pub fn least_free(&self) -> LeastFree {
        LeastFree { bytes: self.storage.least_free_bytes, percent: self.storage.least_free_percent }
    }

    /// Where files are kept.
    pub fn files_folder(&self) -> PathBuf {
        match self.storage.files_folder.as_str() {
            "" => Path::new(&self.storage.sqlite.data_folder).join("files"),
            folder => PathBuf::from(folder),
        }
    }

    /// Who stamps the audit log; an error if their certificates cannot be read.
    pub fn timestamp_authorities(&self) -> Result<Vec<TimestampTerms>, Malformed> {
        let every = Duration::from_millis(self.audit.timestamp_ms);
        let terms = |authority: &TimestampSettings| {
            let url = authority.address()?;
            let roots = Roots::read(Path::new(&authority.roots_file));
            Some(roots.map(|roots| TimestampTerms { name: authority.name.clone(), url, roots, every }))
        };
        self.audit.timestamp_authorities.iter().filter_map(terms).collect()
    }

    /// The agency's own signature, if there is to be one; an error if its certificates cannot be read.
    pub fn agency_signature(&self) -> Result<Option<SignatureTerms>, Malformed> {
        let signature = &self.audit.agency_signature;
        if signature.module.is_empty() {
            return Ok(None);
        }
        let certificates = read_certificates(Path::new(&signature.certificate_file))?;
        Ok(Some(SignatureTerms {
            key: TokenKey {
                module: PathBuf::from(&signature.module),
                token: signature.token.clone(),
                label: signature.key.clone(),
            },
            pin: signature.pin.clone(),
            certificates: certificates.iter().map(|der| Certificate::parse(der)).collect::<Result<_, _>>()?,
            roots: Roots::read(Path::new(&signature.roots_file))?,
        }))
    }

    /// Who cosigns the audit log.
    pub fn witnesses(&self) -> Vec<WitnessTerms> {
        let terms =
            |witness: &WitnessSettings| Some(WitnessTerms { url: witness.address()?, key: witness.verifier()? });
        self.audit.witnesses.iter().filter_map(terms).collect()
    }

    /// The quotas, without those that allow everything.
    pub fn quota_table(&self) -> QuotaTable {
        let quota = |requests: u32, window_s: u32| Quota { requests, window: Duration::from_secs(window_s.into()) };
        let given = |line: &QuotaLine| (line.requests > 0).then(|| quota(line.requests, line.window_s));
        let quotas = &self.quotas;
        let of_operation =
            quotas.operations.iter().map(|line| (line.operation.clone(), quota(line.requests, line.window_s)));
        let of_client = quotas.clients.iter().map(|line| (line.client.clone(), quota(line.requests, line.window_s)));
        let strict = |requests: u32, at_once: u32, window_s: u32| {
            Quota::strict(requests, at_once, Duration::from_secs(window_s.into()))
        };
        let upstreams = quotas.upstreams.iter().map(|line| {
            let agency = line.agency.as_ref().map(|line| strict(line.requests, line.at_once, line.window_s));
            let all = strict(line.requests, line.at_once, line.window_s);
            (line.upstream.clone(), UpstreamLimits { all, agency, wait: Duration::from_millis(line.wait_ms) })
        });
        QuotaTable {
            upstreams: upstreams.collect(),
            all: given(&quotas.all),
            client: given(&quotas.client),
            token: given(&quotas.token),
            of_client: of_client.filter(|(_, quota)| quota.requests > 0).collect(),
            of_operation: of_operation.filter(|(_, quota)| quota.requests > 0).collect(),
        }
    }

    pub fn traces(&self) -> TraceSettings {
        TraceSettings {
            otlp_url: self.trace.otlp_url.clone(),
            sample_percent: self.trace.sample_percent,
            timeout: Duration::from_millis(self.trace.timeout_ms),
            deployment: self.deployment.name.clone(),
        }
    }

    pub fn replies_in_memory(&self) -> InMemory {
        InMemory {
            keep: Duration::from_secs(u64::from(self.idempotency.memory_minutes) * 60),
            most_bytes: self.idempotency.memory_bytes,
        }
    }

    /// What is accepted of other issuers.
    pub fn issuer_terms(&self) -> Vec<Terms> {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let terms = self.access.issuers.iter().map(|issuer| Terms {
            url: issuer.url.clone(),
            audience: given(&issuer.audience).unwrap_or_else(|| self.server.public_url.clone()),
            algorithms: issuer.algorithms.iter().filter_map(|name| name.parse().ok()).collect(),
            token_types: issuer.token_types.clone(),
            client_claim: issuer.client_claim.clone(),
            scope_claim: given(&issuer.scope_claim),
        });
        terms.collect()
    }

    pub fn issuer_key_limits(&self) -> KeyLimits {
        let keys = &self.access.issuer_keys;
        KeyLimits {
            fresh: Duration::from_millis(keys.fresh_ms),
            keep: Duration::from_millis(keys.keep_ms),
            least_interval: Duration::from_millis(keys.least_interval_ms),
            timeout: Duration::from_millis(keys.timeout_ms),
            most_bytes: keys.most_bytes,
            most_keys: keys.most_keys,
        }
    }

    pub fn agency_register(&self) -> AgencyRegister {
        AgencyRegister::new(self.agencies.iter().map(|agency| Agency {
            code: agency.code.clone(),
            name: agency.name.clone(),
            parent: agency.parent.clone(),
            valid_from: agency.valid_from.map(|day| day.0),
            valid_to: agency.valid_to.map(|day| day.0),
        }))
    }

    pub fn procedure_register(&self) -> ProcedureRegister {
        ProcedureRegister::new(self.procedures.iter().map(|procedure| Procedure {
            code: procedure.code.clone(),
            name: procedure.name.clone(),
            withdrawn_from: procedure.withdrawn_from.map(|day| day.0),
            successor: procedure.successor.clone(),
        }))
    }

    pub fn status_maps(&self) -> Result<StatusMaps, InvalidFields> {
        let mut wrong = InvalidFields::default();
        let mut by_agency = HashMap::new();
        for (n, map) in self.status_maps.iter().enumerate() {
            let lines = map.entries.iter().map(|line| StatusMapEntry {
                status: line.status.clone(),
                sub_status: line.sub_status.clone(),
                means: line.means,
                sent_as: line.sent_as,
                override_reason: line.override_reason.clone(),
            });
            match StatusMap::new(lines) {
                Ok(table) => {
                    if by_agency.insert(map.agency.clone(), table).is_some() {
                        wrong.push(format!("/status_maps/{n}/agency"), listed_twice());
                    }
                }
                Err(mistakes) => {
                    for mistake in mistakes {
                        let pointer = format!("/status_maps/{n}/entries/{}", mistake.entry);
                        wrong.push(pointer, Refusal { code: "status_map", message: mistake.message });
                    }
                }
            }
        }
        wrong.into_result(StatusMaps::new(by_agency))
    }
}
