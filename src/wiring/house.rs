//! Small duties of every replica that need the database: the outbox is counted, with what else an operator looks at; keys are made ahead.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_domain::agreement::Class;
use lienthong_domain::time::{Clock, Timestamp};
use metrics::gauge;
use tokio::sync::watch;

use super::Stores;
use super::parts::Lasting;
use crate::audit::anchors::Exposure;
use crate::inbox::links::LinkStatus;
use crate::keyring::store::ReplicaKeys;
use crate::outbox::Status;
use crate::replicas::Member;
use crate::telemetry::metrics::{
    AGREEMENT_CASES, INBOX_FILES, KEYS_MISSING, OUTBOX_ITEMS, OUTBOX_OVERDUE, WEBHOOK_DISABLED, WEBHOOK_NOTICES,
};
use crate::webhooks::NoticeStatus;

pub(super) async fn keep_house(lasting: Arc<Lasting>, member: Arc<Member>, mut stop: watch::Receiver<bool>) {
    let house = async {
        let (stores, clock) = (Arc::clone(&lasting.stores), Arc::clone(&lasting.clock));
        let exposure = lasting.exposure.clone();
        let mut house = House {
            stores,
            clock,
            exposure,
            member,
            next_due: None,
            keys_made: Instant::now(),
            told: None,
            told_notices: BTreeSet::new(),
        };
        loop {
            let started = Instant::now();
            if !house.take_up_keys().await {
                return;
            }
            house.measure_exposure().await;
            house.count().await;
            house.make_keys().await;
            // A count of much takes long: it must not become what the database is busy with.
            tokio::time::sleep((started.elapsed() * 20).clamp(Duration::from_secs(1), Duration::from_secs(60))).await;
        }
    };
    tokio::select! {
        () = house => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

struct House {
    stores: Arc<Stores>,
    clock: Arc<dyn Clock>,
    exposure: Option<Arc<Exposure>>,
    member: Arc<Member>,
    /// As it was last known.
    next_due: Option<Timestamp>,
    keys_made: Instant,
    /// Endpoints and statuses of which a number was told.
    told_notices: BTreeSet<(String, &'static str)>,
    /// Which keys this replica has, as it was told last.
    told: Option<ReplicaKeys>,
}

impl House {
    /// Keys may have been made, taken into use or retired by an operator, anywhere.
    /// `false` if one is missing without which this replica must not go on.
    async fn take_up_keys(&mut self) -> bool {
        let taken_up = match self.stores.take_up_keys().await {
            Ok(taken_up) => taken_up,
            Err(error) => {
                tracing::warn!(%error, "which keys are in use could not be looked up");
                return true;
            }
        };
        gauge!(KEYS_MISSING.name).set(u8::from(taken_up.is_err()));
        let told = match taken_up {
            Ok((keys, contents_key)) => ReplicaKeys { id: self.member.id(), keys, contents_key },
            Err(missing) => {
                tracing::error!(missing, "a key that is in use is not here: this replica ends");
                return false;
            }
        };
        if self.told.as_ref() != Some(&told) {
            match self.stores.keyring(&self.clock).store.tell(told.clone()).await {
                Ok(()) => self.told = Some(told),
                Err(error) => tracing::warn!(%error, "others could not be told which keys are here"),
            }
        }
        true
    }

    async fn measure_exposure(&self) {
        if let Some(exposure) = &self.exposure
            && let Err(error) = exposure.measure().await
        {
            tracing::warn!(%error, "for how long the audit log was known here alone could not be looked up");
        }
    }

    async fn count(&mut self) {
        match self.stores.outbox.counts().await {
            Ok(counts) => {
                for status in Status::ALL.iter().filter(|status| status.is_open()) {
                    let found = counts.by_status.iter().find(|(known, _)| known == status);
                    gauge!(OUTBOX_ITEMS.name, "status" => status.as_str()).set(found.map_or(0.0, |(_, n)| *n as f64));
                }
                self.stores.backlog.counted(counts.by_status.iter().map(|(_, count)| count.unsigned_abs()).sum());
            }
            Err(error) => tracing::warn!(%error, "the outbox could not be counted"),
        }
        if let Ok(due) = self.stores.outbox.next_due().await {
            self.next_due = due;
        }
        self.count_differences().await;
        self.count_notices().await;
        // Also while the database does not answer: what was due waits all the longer.
        let late = self.next_due.map_or(0, |due| self.clock.now().millis_since(due).max(0));
        gauge!(OUTBOX_OVERDUE.name).set(late as f64 / 1000.0);
    }

    async fn count_differences(&self) {
        if let Ok(open) = self.stores.agreement().open_by_class().await {
            for class in Class::ALL {
                let found = open.iter().find(|(known, _)| known == class);
                gauge!(AGREEMENT_CASES.name, "class" => class.as_str()).set(found.map_or(0.0, |(_, n)| *n as f64));
            }
        }
        let links = self.stores.links();
        for status in [LinkStatus::Waiting, LinkStatus::Refused] {
            if let Ok(count) = links.count(status).await {
                gauge!(INBOX_FILES.name, "status" => status.as_str()).set(count as f64);
            }
        }
    }

    async fn count_notices(&mut self) {
        let webhooks = self.stores.webhooks();
        for status in [NoticeStatus::Waiting, NoticeStatus::Dead] {
            let Ok(counts) = webhooks.counts(status).await else { continue };
            // One that has none any more is told so.
            self.told_notices.extend(counts.keys().map(|endpoint| (endpoint.clone(), status.as_str())));
            for (endpoint, status) in self.told_notices.iter().filter(|(_, known)| *known == status.as_str()) {
                let count = counts.get(endpoint).copied().unwrap_or_default();
                gauge!(WEBHOOK_NOTICES.name, "endpoint" => endpoint.clone(), "status" => *status).set(count as f64);
            }
        }
        if let Ok(disabled) = webhooks.disabled().await {
            gauge!(WEBHOOK_DISABLED.name).set(disabled.len() as f64);
        }
    }

    async fn make_keys(&mut self) {
        if self.keys_made.elapsed() < Duration::from_secs(3600) {
            return;
        }
        self.keys_made = Instant::now();
        if let Err(error) = self.stores.destroy_old_keys(&self.clock).await {
            tracing::error!(%error, "a key that is not needed any more could not be destroyed");
        }
        let [_, next] = self.stores.recorder.half_years();
        if let Err(error) = self.stores.check_keys(&next).await {
            tracing::error!(%error, "a key that will be needed from the next half-year on");
        }
    }
}
