//! The running sandbox: starts and stops the server, and shows a test what the portal holds.
//! Nothing writes dossiers past the wire but [`Sandbox::tamper`]: what has happened to the portal's data is what an agreement check
//! is to find.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin;
use crate::counters::Counters;
use crate::dossiers::HeldDossier;
use crate::faults::FaultPlan;
use crate::files;
use crate::ledger::LedgerEntry;
use crate::locks::{read, write};
use crate::outgoing::Office;
use crate::portal::Portal;
use crate::portal::born::PortalBorn;
use crate::portal::catalogue::{Catalogue, CatalogueProcedure};
use crate::settings::Settings;
use crate::wire::{AdapterError, CuttableListener, Cutter, Road, adapter_error, deliver, door_of};

const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;
/// How long a stop waits for answers on their way.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

const TOO_LARGE: AdapterError = AdapterError {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    kind: "Client.RequestTooLarge",
    message: "The request is too large or was broken off",
};

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) portal: Arc<Portal>,
    pub(crate) office: Arc<Office>,
    pub(crate) stopping: watch::Receiver<bool>,
}

#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    portal: Arc<Portal>,
    pub(crate) office: Arc<Office>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Fails on settings that cannot be (`InvalidInput`, all mistakes in one text) and on an address that is taken.
    pub async fn start(settings: Settings) -> std::io::Result<Sandbox> {
        settings.check().map_err(|mistakes| std::io::Error::new(std::io::ErrorKind::InvalidInput, mistakes))?;
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the sandbox listens beyond this machine, and its control pages ask for no password");
        }
        let portal = Arc::new(Portal::new(settings.portal, settings.faults));
        let (stop, stopping) = watch::channel(false);
        let url = format!("http://{address}");
        let office = Arc::new(Office::new(Arc::clone(&portal), settings.province, url, stopping.clone()));
        let world = World { portal: Arc::clone(&portal), office: Arc::clone(&office), stopping: stopping.clone() };
        let server = tokio::spawn(serve(listener, world, stopping));
        Ok(Sandbox { address, portal, office, stop, server })
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the plan for all calls from now on; call numbers go on.
    ///
    /// # Panics
    /// If the plan does not pass [`FaultPlan::check`].
    pub fn set_faults(&self, plan: FaultPlan) {
        if let Err(mistakes) = plan.check() {
            panic!("the fault plan cannot be used: {mistakes}");
        }
        self.portal.set_plan(plan);
    }

    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.portal.dossiers.ledger().page(0, usize::MAX)
    }

    pub fn counters(&self) -> Counters {
        self.portal.tally.snapshot()
    }

    pub fn dossier(&self, code: &str) -> Option<HeldDossier> {
        self.portal.dossiers.get(code)
    }

    /// By code.
    pub fn dossiers(&self) -> Vec<HeldDossier> {
        self.portal.dossiers.page("", usize::MAX)
    }

    /// Something has happened to what the portal holds of a dossier: it is given what is there, and says what is there from now on.
    /// No rule of the portal applies, and the ledger tells nothing of it.
    pub fn tamper(&self, code: &str, change: impl FnOnce(Option<Map<String, Value>>) -> Option<Map<String, Value>>) {
        self.portal.dossiers.tamper(code, change);
    }

    /// What the catalogue holds, in the order of its list.
    pub fn catalogue(&self) -> Vec<CatalogueProcedure> {
        read(&self.portal.catalogue).all()
    }

    /// From now on the catalogue holds this and nothing else.
    pub fn set_catalogue(&self, procedures: Vec<CatalogueProcedure>) {
        *write(&self.portal.catalogue) = Catalogue::new(procedures);
    }

    /// A dossier that was made on the portal, by its national code.
    pub fn portal_born(&self, code: &str) -> Option<PortalBorn> {
        self.portal.born.get(code)
    }

    /// Forgets dossiers, ledger, counters, sessions, call numbers, messages and files; keeps settings and faults.
    pub fn reset(&self) {
        self.office.clear();
        self.portal.reset();
    }

    /// The switches that make this portal kinder than the real one is known to be.
    pub fn kindnesses(&self) -> Vec<&'static str> {
        let settings = &self.portal.settings;
        let switches = [("rich_lookup", settings.rich_lookup), ("dedup_steps", settings.dedup_steps)];
        switches.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect()
    }

    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_PATIENCE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

async fn serve(listener: TcpListener, world: World, mut stopping: watch::Receiver<bool>) {
    let routes = Router::new().merge(admin::routes()).merge(files::routes()).fallback(take).with_state(world);
    let served = axum::serve(CuttableListener(listener), routes.into_make_service_with_connect_info::<Cutter>())
        .with_graceful_shutdown(async move {
            // A dropped `Sandbox` ends it too.
            let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
        })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the sandbox has ended");
    }
}

async fn take(
    State(world): State<World>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let settings = &world.portal.settings;
    let door = match door_of(&parts, settings) {
        Ok(door) => door,
        Err(error) => {
            world.portal.tally.unreadable();
            return adapter_error(error);
        }
    };
    let Ok(body) = to_bytes(body, BODY_LIMIT_BYTES).await else {
        world.portal.tally.unreadable();
        return adapter_error(TOO_LARGE);
    };
    let hold = Duration::from_millis(settings.hold_ms);
    let _under_way = world.portal.tally.begun();
    let answer = world.portal.answer(door, &body);
    deliver(answer, Road { cutter, stopping: world.stopping, hold }).await
}
