//! Every event that the log tells: what there may be in a record of it. docs/audit-log.md explains the same list, and a test
//! holds the two equal. A record of something else is a mistake that every test with assertions finds.

use std::collections::BTreeSet;

use lienthong_domain::agreement::Class;
use lienthong_domain::scalar::Scalar;

use super::record::Kind;

/// One event of the specification: a kind and an operation.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    pub kind: Kind,
    pub op: &'static str,
    /// What may be decided in it.
    pub decisions: &'static [&'static str],
    /// Members that its record may have beside those that every record has.
    pub members: &'static [&'static str],
}

/// Members of every record.
pub const ALWAYS: &[&str] = &["at", "id", "kind", "mono", "op", "outcome", "shard", "v"];

const ACCEPT: &[&str] = &["agency", "body", "client", "dir", "person", "procedure", "purpose", "subject"];
const REFUSE: &[&str] = &["agency", "client", "dir", "subject"];
const DELIVERY: &[&str] = &["agency", "client", "dir", "key", "route", "subject"];
const DECISION: &[&str] = &["agency", "client", "key", "route", "subject"];
const ERASURE: &[&str] = &["agency", "document", "ground", "officer", "ref", "subject"];
const CLIENT: &[&str] = &["client"];

/// What may come of an attempt, and of a look at one whose outcome is unknown.
const OUTCOMES: &[&str] = &["dead", "delivered", "retry", "unknown"];

const fn event(
    kind: Kind,
    op: &'static str,
    decisions: &'static [&'static str],
    members: &'static [&'static str],
) -> Event {
    Event { kind, op, decisions, members }
}

/// The closed list.
pub const EVENTS: &[Event] = &[
    event(Kind::Accept, "dossier.sync", &["accepted"], ACCEPT),
    event(Kind::Accept, "dossier.step", &["accepted"], ACCEPT),
    event(Kind::Refuse, "dossier.sync", &["refused"], REFUSE),
    event(Kind::Refuse, "dossier.step", &["refused"], REFUSE),
    event(Kind::BodyRead, "dossier.view", &["shown"], &["agency", "client", "person", "subject"]),
    event(Kind::BodyRead, "report.qd766", &["shown"], &["agency", "client"]),
    event(
        Kind::Accept,
        "inbox.receive",
        &["accepted", "conflict", "repeated"],
        &["agency", "body", "dir", "person", "procedure", "route", "subject"],
    ),
    event(Kind::Refuse, "inbox.receive", &["refused"], &["dir", "route", "subject"]),
    event(Kind::BodyRead, "inbox.view", &["shown"], &["agency", "client", "subject"]),
    event(Kind::Outcome, "inbox.fetch", &["kept", "refused", "retry"], &["agency", "route", "subject"]),
    event(Kind::Operator, "inbox.fetch_again", &["done"], &[]),
    event(
        Kind::Outcome,
        "webhook.call",
        &["dead", "delivered", "retry"],
        &["agency", "client", "dir", "key", "subject"],
    ),
    event(Kind::Operator, "webhook.call_again", &["done"], &[]),
    event(Kind::Operator, "webhook.enable", &["done"], &["key"]),
    event(Kind::BodyRead, "inbox.file", &["shown"], &["agency", "client", "subject"]),
    event(Kind::Decide, "inbox.acknowledge", &["done"], &["agency", "client", "subject"]),
    event(Kind::Decide, "inbox.reject", &["done"], &["agency", "client", "subject"]),
    event(Kind::LogRead, "audit.records", &["shown"], &["client", "subject"]),
    event(Kind::LogRead, "audit.record", &["shown"], &["client", "ref"]),
    event(Kind::LogRead, "audit.person_view", &["shown"], &["client", "person"]),
    event(Kind::Erased, "content.erase", &["erased"], ERASURE),
    event(Kind::Epoch, "audit.continue", &["done"], &["epoch", "officer"]),
    event(Kind::Anchor, "audit.timestamp", &["done"], &["anchor", "route"]),
    event(Kind::Anchor, "audit.signature", &["done"], &["anchor", "route"]),
    event(Kind::Degraded, "audit.witness_away", &["done"], &["route"]),
    event(Kind::Degraded, "audit.witness_back", &["done"], &["route"]),
    event(Kind::Degraded, "audit.timestamp_away", &["done"], &["route"]),
    event(Kind::Degraded, "audit.timestamp_back", &["done"], &["route"]),
    event(Kind::Degraded, "audit.signature_away", &["done"], &["route"]),
    event(Kind::Degraded, "audit.signature_back", &["done"], &["route"]),
    event(Kind::Send, "outbox.send", &["sending"], DELIVERY),
    event(Kind::Outcome, "dossier.insert", OUTCOMES, DELIVERY),
    event(Kind::Outcome, "dossier.update", OUTCOMES, DELIVERY),
    event(Kind::Outcome, "dossier.append_step", OUTCOMES, DELIVERY),
    event(Kind::Outcome, "dossier.report", OUTCOMES, DELIVERY),
    event(Kind::Outcome, "outbox.attempt_timeout", &["unknown"], DELIVERY),
    event(Kind::Outcome, "outbox.lease_lost", &["unknown"], DELIVERY),
    event(Kind::Outcome, "outbox.unsent", &["retry"], DELIVERY),
    event(Kind::Outcome, "outbox.lease_ended", &["unknown"], DELIVERY),
    event(Kind::Lookup, "outbox.lease_ended", &["unknown"], DELIVERY),
    event(Kind::Outcome, "outbox.body_unreadable", &["dead"], DELIVERY),
    event(Kind::Outcome, "outbox.body_erased", &["dead"], DELIVERY),
    event(Kind::Lookup, "outbox.look_up", &["delivered", "retry", "unknown"], DELIVERY),
    event(Kind::Lookup, "outbox.resend", &["retry"], DELIVERY),
    event(Kind::Lookup, "outbox.park", &["unknown"], DELIVERY),
    event(Kind::Lookup, "outbox.quarantine", &["dead"], DELIVERY),
    event(Kind::Outcome, "outbox.supersede", &["cancelled"], DELIVERY),
    event(Kind::Operator, "outbox.decide", &["cancelled", "retry", "skipped"], DECISION),
    event(Kind::Operator, "client.add", &["done"], CLIENT),
    event(Kind::Operator, "client.rotate", &["done"], CLIENT),
    event(Kind::Operator, "client.revoke", &["done"], CLIENT),
    event(Kind::Operator, "client.revoke_credential", &["done"], CLIENT),
    event(Kind::Config, "config.start", &["done"], &["config"]),
    event(Kind::Config, "config.change", &["done"], &["config", "purpose"]),
    event(Kind::Config, "catalogue.change", &["done"], &["catalogue"]),
    event(Kind::Operator, "catalogue.run", &["done"], &[]),
    event(Kind::Operator, "agreement.run", &["done"], &[]),
    event(Kind::Lookup, "agreement.compare", &["done"], &["comparison", "route"]),
    event(Kind::Lookup, "agreement.difference", Class::SCHEMA.values, &["agency", "route", "subject"]),
    event(Kind::Decide, "agreement.repair", &["done"], &["agency", "purpose", "subject"]),
    event(Kind::Decide, "agreement.dismiss", &["done"], &["agency", "purpose", "subject"]),
    event(Kind::Shard, "audit.close", &["done"], &["closing"]),
    event(Kind::Shard, "audit.drop", &["done"], &["closing", "ground"]),
    event(Kind::Key, "key.use", &["done"], &["generation", "officer"]),
    event(Kind::Key, "key.retire", &["done"], &["generation", "officer"]),
    event(Kind::Config, "token_key.add", &["done"], &[]),
    event(Kind::Config, "token_key.remove", &["done"], &[]),
];

/// What is in a record and not in its event; nothing if it is as specified.
pub(super) fn not_specified(kind: Kind, op: &str, decision: &str, record: &[u8]) -> Option<String> {
    let Some(event) = EVENTS.iter().find(|event| event.kind == kind && event.op == op) else {
        return Some(format!("({kind:?}, {op}) is no event of src/audit/event.rs"));
    };
    if !event.decisions.contains(&decision) {
        return Some(format!("({kind:?}, {op}) decides nothing like {decision}"));
    }
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(record).ok()?;
    let may: BTreeSet<&str> = ALWAYS.iter().chain(event.members).copied().collect();
    let other = members.keys().find(|member| !may.contains(member.as_str()))?;
    Some(format!("({kind:?}, {op}) has no member {other}"))
}
