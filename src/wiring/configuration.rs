//! The configuration in force, and how another one takes its place while the gateway runs: all that is new is made first,
//! then the change is recorded, and then nothing can fail any more. Whatever is wrong before that changes nothing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context;
use lienthong_adapter_kit::card::{Card, Tools};
use tokio::sync::{Mutex, watch};

use super::parts::{Before, Lasting, Parts};
use super::retry_schedule;
use crate::audit::{Draft, Kind, NewConfiguration, Outcome};
use crate::config::{Files, Loaded, Mistake, Settings};
use crate::dossiers::PortalDelivery;
use crate::http::front::Front;
use crate::outbox::Worker;
use crate::telemetry;

/// The configuration in force.
pub struct Configuration {
    lasting: Arc<Lasting>,
    tools: Tools,
    cards: Vec<Card>,
    front: Front,
    delivery: Arc<PortalDelivery>,
    worker: Arc<Worker>,
    settings: watch::Sender<Arc<Settings>>,
    /// One change at a time.
    in_force: Mutex<Parts>,
}

/// What brought a change about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Signal,
    File,
}

/// Why a configuration was not taken over: nothing has changed.
#[derive(Debug)]
pub enum NotTaken {
    Mistakes(Vec<Mistake>),
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for NotTaken {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Configuration {
    pub(super) fn new(
        (lasting, tools, cards): (Arc<Lasting>, Tools, Vec<Card>),
        (front, delivery, worker): (Front, Arc<PortalDelivery>, Arc<Worker>),
        parts: Parts,
    ) -> Self {
        let settings = watch::Sender::new(Arc::new(parts.loaded.settings.clone()));
        lasting.follow(&parts);
        Self { lasting, tools, cards, front, delivery, worker, settings, in_force: Mutex::new(parts) }
    }

    /// The settings in force, and those that will be.
    pub(super) fn settings(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// The files that what is in force was read from.
    pub async fn files(&self) -> Files {
        self.in_force.lock().await.loaded.files.clone()
    }

    /// How often the files are to be looked at; zero if never.
    pub fn reload_every(&self) -> Duration {
        Duration::from_millis(self.settings.borrow().configuration.reload_ms)
    }

    /// Takes another configuration over, whole or not at all. Returns the names of the settings that have changed.
    pub async fn replace(&self, loaded: Loaded, by: By) -> Result<Vec<String>, NotTaken> {
        let mut in_force = self.in_force.lock().await;
        let changed = loaded.changed_from(&in_force.loaded);
        if changed.is_empty() {
            in_force.loaded.files = loaded.files;
            return Ok(changed);
        }
        let needs_restart = loaded.needs_restart(&changed);
        if !needs_restart.is_empty() {
            return Err(NotTaken::Mistakes(needs_restart));
        }
        let filter = telemetry::filter(&loaded.settings.log.filter).context("log.filter")?;
        let before = Before { parts: &in_force, changed: &changed };
        let next = Parts::make(&self.lasting, &self.tools, &self.cards, loaded, Some(&before))?;
        let portal = next.portal()?;
        let is_same_portal = Arc::ptr_eq(&portal, &in_force.portal()?);
        let digests = [&in_force.loaded, &next.loaded].map(|loaded| digest(&self.lasting, loaded));
        let mut draft = Draft::new(Kind::Config, "config.change", Outcome::decided("done"));
        draft.config = Some(NewConfiguration::instead(digests[0], digests[1], &changed));
        draft.purpose = Some(by.as_str());
        record(&self.lasting, &draft).await.context("the change could not be written into the audit log")?;

        // Nothing below can fail.
        telemetry::apply(filter);
        self.front.replace(next.routes.clone());
        self.settings.send_replace(Arc::new(next.loaded.settings.clone()));
        *self.worker.retry.write().unwrap_or_else(PoisonError::into_inner) = retry_schedule(&next.loaded.settings);
        self.worker.breaker.follow(next.loaded.settings.outbox.breaker.clone());
        self.lasting.upstream_quotas.replace(&next.quotas);
        self.lasting.follow(&next);
        next.quotas.keep_only_these();
        if !is_same_portal {
            self.delivery.replace(portal);
            // If it rests because our account was refused: another one, or another password, may be taken.
            self.worker.rests_until.store(i64::MIN, Ordering::Relaxed);
            self.lasting.stores.bell.ring_here();
        }
        *in_force = next;
        Ok(changed)
    }
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::File => "file",
        }
    }
}

/// Writes down what a process starts with.
pub(super) async fn record_start(lasting: &Lasting, loaded: &Loaded) -> anyhow::Result<()> {
    let mut draft = Draft::new(Kind::Config, "config.start", Outcome::decided("done"));
    draft.config = Some(NewConfiguration::at_start(digest(lasting, loaded)));
    record(lasting, &draft).await
}

async fn record(lasting: &Lasting, draft: &Draft<'_>) -> anyhow::Result<()> {
    let record = lasting.stores.recorder.seal(draft)?;
    Ok(lasting.stores.audit.append_always(record).await?)
}

/// With the deployment's key: who has only the log cannot try out which passwords fit.
fn digest(lasting: &Lasting, loaded: &Loaded) -> [u8; 32] {
    lasting.stores.keys.digest(&[b"configuration", &loaded.fingerprint()])
}
