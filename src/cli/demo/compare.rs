//! What was accepted beside what the portal holds: every field, every step, every effect in its order.

use std::collections::{BTreeMap, HashMap};

use lienthong_sandbox::{Effect, Sandbox};
use serde_json::{Map, Value};

use super::day::Message;
use super::play::Accepted;

/// The differences, each with a few examples.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) dossiers: usize,
    pub(super) fields: usize,
    pub(super) steps: usize,
    /// Effects expected, in all.
    pub(super) effects: usize,
    pub(super) lost: usize,
    pub(super) doubled: usize,
    pub(super) out_of_order: usize,
    /// Repeats of a full state that changed nothing.
    pub(super) harmless_repeats: usize,
    pub(super) different: BTreeMap<String, Vec<String>>,
    /// Filled in from the portal's own catalogue and account register, not by the local system.
    pub(super) filled_in: BTreeMap<String, usize>,
}

impl Comparison {
    pub(super) fn is_equal(&self) -> bool {
        self.different.is_empty() && self.lost == 0 && self.doubled == 0 && self.out_of_order == 0
    }
}

/// Members that say something to the gateway only.
const OURS: &[&str] = &["transitionReason", "localStatus"];
/// Members that the gateway looks up at the portal where the local system leaves them out.
const LOOKED_UP: &[&str] = &["procedureName", "fieldCode", "fieldName", "owner.portalAccountId"];

pub(super) fn compare(accepted: &[Accepted], sandbox: &Sandbox) -> Comparison {
    let mut comparison = Comparison::default();
    let mut effects: HashMap<String, Vec<String>> = HashMap::new();
    for entry in sandbox.ledger() {
        if entry.operation == Effect::AppendStep || entry.changed {
            effects.entry(entry.code).or_default().push(entry.mark);
        } else {
            comparison.harmless_repeats += 1;
        }
    }
    for dossier in accepted {
        comparison.dossiers += 1;
        comparison.effects_of(dossier, effects.remove(&dossier.code).unwrap_or_default());
        let Some(held) = sandbox.dossier(&dossier.code) else {
            comparison.note("hồ sơ / dossier", &dossier.code);
            continue;
        };
        let held = lienthong_sandbox::plain(&held);
        comparison.contents_of(dossier, &held);
    }
    for code in effects.keys() {
        comparison.note("không ai gửi / never accepted", code);
    }
    comparison
}

impl Comparison {
    /// The marks of the effects are those of the accepted messages, in their order.
    fn effects_of(&mut self, dossier: &Accepted, found: Vec<String>) {
        let expected: Vec<&str> = dossier.messages.iter().map(mark_of).collect();
        self.effects += expected.len();
        let times = |mark: &str| found.iter().filter(|other| *other == mark).count();
        let lost = expected.iter().filter(|mark| times(mark) == 0).count();
        let doubled: usize = expected.iter().map(|mark| times(mark).saturating_sub(1)).sum();
        self.lost += lost;
        self.doubled += doubled;
        if lost == 0 && doubled == 0 && found != expected {
            self.out_of_order += 1;
        }
        if found != expected {
            self.note("hiệu lực / effects", &dossier.code);
        }
    }

    fn contents_of(&mut self, dossier: &Accepted, held: &Value) {
        let last = dossier.messages.iter().rev().find_map(|message| match message {
            Message::State(body) => Some(body),
            Message::Step(_) => None,
        });
        if let Some(last) = last {
            let mut last = last.clone();
            last["code"] = Value::from(dossier.code.clone());
            self.values(&dossier.code, "", &last, &held["dossier"]);
        }
        let steps = dossier.messages.iter().filter_map(|message| match message {
            Message::Step(body) => Some(body.clone()),
            Message::State(_) => None,
        });
        let (steps, held_steps) = (Value::Array(steps.collect()), &held["steps"]);
        self.steps += steps.as_array().map_or(0, Vec::len);
        self.values(&dossier.code, "steps", &steps, held_steps);
    }

    fn values(&mut self, code: &str, path: &str, accepted: &Value, held: &Value) {
        match (accepted, held) {
            (Value::Object(accepted), Value::Object(held)) => self.members(code, path, accepted, held),
            (Value::Array(accepted), Value::Array(held)) if accepted.len() == held.len() => {
                for (accepted, held) in accepted.iter().zip(held) {
                    self.values(code, path, accepted, held);
                }
            }
            (accepted, held) => {
                self.fields += 1;
                if accepted != held {
                    self.note(path, code);
                }
            }
        }
    }

    fn members(&mut self, code: &str, path: &str, accepted: &Map<String, Value>, held: &Map<String, Value>) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for (name, value) in accepted.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
            self.values(code, &below(name), value, held.get(name).unwrap_or(&Value::Null));
        }
        for name in held.keys().filter(|name| !accepted.contains_key(*name)) {
            let path = below(name);
            if LOOKED_UP.contains(&path.as_str()) {
                *self.filled_in.entry(path).or_default() += 1;
            } else {
                self.note(&path, code);
            }
        }
    }

    fn note(&mut self, what: &str, code: &str) {
        self.different.entry(what.to_owned()).or_default().push(code.to_owned());
    }
}

fn mark_of(message: &Message) -> &str {
    let (body, member) = match message {
        Message::State(body) => (body, "note"),
        Message::Step(body) => (body, "content"),
    };
    body[member].as_str().unwrap_or_default()
}
