//! The adapter of the national portal over the wire of its simulator, which was written down a second time from the
//! reference: what both agree on was said twice. Never looks into either side.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lienthong_adapter_kit::{Tools, merge};
use lienthong_contract_tests::port_suites::dossier_portal::{OtherSide, Subject, dossier, step, suite};
use lienthong_domain::dossier::{Dossier, DossierCode, DossierState, Step};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::port::{DossierPortal, PortError, PortErrorKind};
use lienthong_domain::time::SystemClock;
use lienthong_portal_dvcqg::CARD;
use lienthong_sandbox::{
    DstcodePlacement, ExtraProcedure, FaultKind, FaultPlan, Operation, OperationFaults, PortalSettings, Sandbox,
    Settings, SuccessCode,
};
use serde_json::{Map, Value, json};

struct World {
    sandbox: Arc<Sandbox>,
    portal: Arc<dyn DossierPortal>,
}

impl World {
    async fn start(portal: PortalSettings, more: Value) -> Self {
        let sandbox = Sandbox::start(Settings { portal, ..Settings::default() }).await.unwrap();
        let portal = adapter(&sandbox.url(), more);
        Self { sandbox: Arc::new(sandbox), portal }
    }

    async fn healthy() -> Self {
        Self::start(PortalSettings::default(), json!({})).await
    }

    fn fault(&self, operation: Operation, kind: FaultKind) {
        self.sandbox.set_faults(FaultPlan::none().with(operation, OperationFaults::only(kind, 1.0)));
    }

    fn heal(&self) {
        self.sandbox.set_faults(FaultPlan::none());
    }
}

/// The adapter as the core builds it: defaults, the operator's settings over them, the card.
fn adapter(url: &str, more: Value) -> Arc<dyn DossierPortal> {
    let of_sandbox = PortalSettings::default();
    let mut settings = CARD.default_settings().unwrap();
    let operator = json!({
        "adapter_url": url, "madonvi": of_sandbox.agency,
        "account": { "username": of_sandbox.username, "password": of_sandbox.password },
        "integration_path": of_sandbox.integration_path, "share_path": of_sandbox.share_path,
        "http": { "connect_timeout_ms": 900, "total_timeout_ms": 1000 }
    });
    merge(&mut settings, operator);
    merge(&mut settings, more);
    (CARD.build)(&settings, &Tools::of_one_process(Arc::new(SystemClock))).unwrap().dossier_portal.unwrap()
}

struct Probe(Arc<Sandbox>);

#[async_trait]
impl OtherSide for Probe {
    async fn holds(&self, dossier: &DossierCode) -> bool {
        self.0.dossier(dossier.as_str()).is_some()
    }

    async fn steps(&self, dossier: &DossierCode) -> usize {
        self.0.dossier(dossier.as_str()).map_or(0, |held| held.steps.len())
    }

    async fn effects(&self) -> usize {
        self.0.ledger().len()
    }
}

fn kind(outcome: Result<(), PortError>) -> &'static str {
    outcome.map_or_else(|error| error.kind.name(), |()| "accepted")
}

async fn keeps_the_promises(portal: PortalSettings, more: Value) {
    let world = World::start(portal, more).await;
    suite(&Subject { portal: world.portal.clone(), other_side: Box::new(Probe(world.sandbox.clone())) }).await;
}

#[tokio::test]
async fn the_promises_of_the_port() {
    keeps_the_promises(PortalSettings::default(), json!({})).await;
}

#[tokio::test]
async fn the_promises_with_every_form_of_success_and_every_placement() {
    for (success_code, placement, prefix) in
        [(SuccessCode::Number, "query", "VXPAdapter/RestService/forward"), (SuccessCode::DoubleZero, "both", "")]
    {
        let only = if placement == "query" {
            vec![DstcodePlacement::Query]
        } else {
            PortalSettings::default().dstcode_placements
        };
        let portal = PortalSettings { success_code, dstcode_placements: only, ..PortalSettings::default() };
        keeps_the_promises(portal, json!({ "dstcode_placement": placement, "adapter_prefix": prefix })).await;
    }
}

#[tokio::test]
async fn the_promises_while_sessions_live_for_a_moment() {
    let portal = PortalSettings { session_lifetime_ms: 150, ..PortalSettings::default() };
    keeps_the_promises(portal, json!({})).await;
}

#[tokio::test]
async fn the_promises_with_everything_encoded_twice() {
    let world = World::healthy().await;
    let twice = Operation::ALL.into_iter().fold(FaultPlan::none(), |plan, operation| {
        plan.with(operation, OperationFaults::only(FaultKind::DoubleEncoded, 1.0))
    });
    world.sandbox.set_faults(twice);
    suite(&Subject { portal: world.portal.clone(), other_side: Box::new(Probe(world.sandbox.clone())) }).await;
}

macro_rules! adapter_fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../adapters/portal-dvcqg/fixtures/", $name))).unwrap()
    };
}

fn full_dossier() -> Dossier {
    deserr::deserialize::<_, _, InvalidFields>(adapter_fixture!("dossier.json")).unwrap()
}

async fn world_with_that_procedure() -> World {
    let extra = ExtraProcedure {
        code: "1.000656.000.00.00.H15".into(),
        name: "Thủ tục đăng ký khai tử".into(),
        field_code: "G15-HT02".into(),
        field_name: "Hộ tịch".into(),
    };
    let portal = PortalSettings { extra_procedures: vec![extra], ..PortalSettings::default() };
    World::start(portal, json!({})).await
}

/// An empty text means absent, so a member that holds one may be there or not.
fn without_absent(members: &Map<String, Value>) -> Map<String, Value> {
    let is_absent = |value: &Value| *value == json!("") || *value == json!([]);
    let kept = members.iter().filter(|(_, value)| !is_absent(value)).map(|(name, value)| {
        let value = match value {
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_object().map_or_else(|| item.clone(), |m| without_absent(m).into()))
                .collect(),
            other => other.clone(),
        };
        (name.clone(), value)
    });
    kept.collect()
}

#[tokio::test]
async fn a_full_dossier_is_held_field_by_field() {
    let world = world_with_that_procedure().await;
    let full = full_dossier();
    world.portal.insert(&full).await.unwrap();
    let full_step: Step = deserr::deserialize::<_, _, InvalidFields>(adapter_fixture!("step.json")).unwrap();
    world.portal.append_step(&full.code, &full_step).await.unwrap();

    let held = world.sandbox.dossier(full.code.as_str()).unwrap();
    let sent = adapter_fixture!("requests/insert.json")["data"][0].as_object().unwrap().clone();
    for (name, value) in without_absent(&sent) {
        assert_eq!(without_absent(&held.fields).get(&name), Some(&value), "{name}");
    }
    assert_eq!(without_absent(&held.fields).len(), without_absent(&sent).len());
    let sent_step = adapter_fixture!("requests/append-step.json")["data"][0].as_object().unwrap().clone();
    assert_eq!(held.steps.iter().map(without_absent).collect::<Vec<_>>(), [without_absent(&sent_step)]);
}

#[tokio::test]
async fn names_come_from_the_catalogue_and_accounts_from_the_register() {
    let world = World::healthy().await;
    let mut bare = dossier(2001, DossierState::Received);
    (bare.procedure_name, bare.field_code, bare.field_name) = (None, None, None);
    bare.channel = lienthong_domain::dossier::Channel::Online;
    world.portal.insert(&bare).await.unwrap();
    let held = world.sandbox.dossier(bare.code.as_str()).unwrap().fields;
    assert_eq!((&held["TenTTHC"], &held["MaLinhVuc"]), (&json!("Thủ tục đăng ký khai sinh"), &json!("G15-HT01")));
    assert_ne!(held["MaDoiTuong"], "");
}

#[tokio::test]
async fn an_owner_without_an_account_and_an_unknown_procedure_are_refused_unsent() {
    let world = World::healthy().await;
    let written = |change: Value| {
        let mut written = serde_json::to_value(dossier(2002, DossierState::Received)).unwrap();
        merge(&mut written, change);
        deserr::deserialize::<Dossier, _, InvalidFields>(written).unwrap()
    };
    let online = written(
        json!({ "channel": "online", "owner": { "identityDocuments": [{ "kind": "personal_number", "number": "001099010000" }] } }),
    );
    let mut unknown = written(json!({ "procedureCode": "9.999999" }));
    unknown.procedure_name = None;
    for refused in [online, unknown] {
        let error = world.portal.insert(&refused).await.unwrap_err();
        assert_eq!(error.kind.name(), "rejected", "{error}");
        assert!(!format!("{error:?}").contains("001099010000"));
    }
    assert!(world.sandbox.ledger().is_empty());
}

/// What each fault of a write must look like at the port, and whether the portal has the effect.
const FAULTS: &[(FaultKind, &[&str], Option<bool>)] = &[
    (FaultKind::EffectThenTimeout, &["outcome_unknown"], Some(true)),
    (FaultKind::Refuse, &["rejected"], Some(false)),
    (FaultKind::ResetBefore, &["outcome_unknown"], Some(false)),
    (FaultKind::ResetAfter, &["outcome_unknown"], Some(true)),
    (FaultKind::HalfReply, &["outcome_unknown", "unreadable"], Some(true)),
    (FaultKind::SlowDrip, &["outcome_unknown"], Some(true)),
    (FaultKind::ServerErrorBefore, &["unavailable"], Some(false)),
    (FaultKind::ServerErrorAfter, &["outcome_unknown"], Some(true)),
    // The second session is refused as well: nothing was taken.
    (FaultKind::SessionExpired, &["unavailable"], Some(false)),
    (FaultKind::DoubleEncoded, &["accepted"], Some(true)),
    (FaultKind::PhraseMissing, &["outcome_unknown", "unreadable"], Some(true)),
    (FaultKind::CodeAsNumber, &["accepted"], Some(true)),
    (FaultKind::CodeAs00, &["accepted"], Some(true)),
    (FaultKind::AdapterFault, &["outcome_unknown", "unreadable"], Some(false)),
    (FaultKind::Duplicate, &[], None),
    (FaultKind::LoginWithoutSession, &[], None),
];

#[tokio::test]
async fn a_call_that_the_exchange_hands_on_twice_shows_as_what_is_there_already() {
    let world = World::healthy().await;
    let sample = dossier(2500, DossierState::Received);
    world.fault(Operation::Insert, FaultKind::Duplicate);
    assert_eq!(kind(world.portal.insert(&sample).await), "already_exists");
    world.fault(Operation::Update, FaultKind::Duplicate);
    assert_eq!(kind(world.portal.update(&sample).await), "accepted");
    // The portal keeps repeated steps, and this repeat is not the caller's: nothing on this side can undo it.
    world.fault(Operation::AppendSteps, FaultKind::Duplicate);
    assert_eq!(
        kind(world.portal.append_step(&sample.code, &step("Thẩm tra", DossierState::Processing)).await),
        "accepted"
    );
    let held = world.sandbox.dossier(sample.code.as_str()).unwrap();
    assert_eq!((held.inserts, held.steps.len()), (1, 2));
}

#[tokio::test]
async fn each_fault_of_a_write_is_the_decision_it_should_be() {
    assert_eq!(FAULTS.iter().map(|row| row.0).collect::<Vec<_>>(), FaultKind::ALL, "every fault has its row");
    let world = World::healthy().await;
    let writes = FAULTS.iter().filter_map(|(fault, expected, effect)| effect.map(|effect| (fault, expected, effect)));
    for (number, (fault, expected, takes_effect)) in (2100..).zip(writes) {
        let mut sample = dossier(number, DossierState::Received);

        world.fault(Operation::Insert, *fault);
        let outcome = kind(world.portal.insert(&sample).await);
        assert!(expected.contains(&outcome), "insert, {fault:?}: {outcome}");
        assert_eq!(world.sandbox.dossier(sample.code.as_str()).is_some(), takes_effect, "insert, {fault:?}");

        world.heal();
        if !takes_effect {
            world.portal.insert(&sample).await.unwrap();
        }
        assert!(world.portal.look_up(&sample.code).await.unwrap().is_some());

        world.fault(Operation::Update, *fault);
        sample.state = DossierState::Processing;
        let outcome = kind(world.portal.update(&sample).await);
        assert!(expected.contains(&outcome), "update, {fault:?}: {outcome}");
        let held = world.sandbox.dossier(sample.code.as_str()).unwrap();
        assert_eq!(held.fields["TrangThaiHoSo"] == "4", takes_effect, "update, {fault:?}");

        world.fault(Operation::AppendSteps, *fault);
        let outcome = kind(world.portal.append_step(&sample.code, &step("Thẩm tra", DossierState::Processing)).await);
        assert!(expected.contains(&outcome), "append_step, {fault:?}: {outcome}");
        let steps = world.sandbox.dossier(sample.code.as_str()).unwrap().steps.len();
        assert_eq!(steps, usize::from(takes_effect), "append_step, {fault:?}: a call is never doubled");
    }
}

#[tokio::test]
async fn a_fault_of_a_read_is_never_an_answer() {
    let world = World::healthy().await;
    let sample = dossier(2300, DossierState::Received);
    world.portal.insert(&sample).await.unwrap();
    for fault in FaultKind::ALL.iter().filter(|fault| fault.applies_to(Operation::LookUp)) {
        world.fault(Operation::LookUp, *fault);
        match world.portal.look_up(&sample.code).await {
            Ok(presence) => assert!(presence.is_some(), "{fault:?}"),
            Err(error) => assert_eq!(error.kind, PortErrorKind::Unavailable, "{fault:?}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_login_sends_nothing() {
    for fault in FaultKind::ALL.iter().filter(|fault| fault.applies_to(Operation::Login)) {
        let world = World::healthy().await;
        world.fault(Operation::Login, *fault);
        let outcome = kind(world.portal.insert(&dossier(2400, DossierState::Received)).await);
        assert!(["accepted", "unavailable", "our_credential_refused"].contains(&outcome), "{fault:?}: {outcome}");
        assert_eq!(world.sandbox.ledger().len(), usize::from(outcome == "accepted"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_our_credential() {
    let world = World::start(PortalSettings::default(), json!({ "account": { "password": "wrong" } })).await;
    assert_eq!(kind(world.portal.insert(&dossier(2500, DossierState::Received)).await), "our_credential_refused");
}

#[tokio::test]
async fn a_session_that_ends_in_between_is_renewed() {
    let portal = PortalSettings { session_lifetime_ms: 300, ..PortalSettings::default() };
    let world = World::start(portal, json!({})).await;
    for number in 2600..2603 {
        world.portal.insert(&dossier(number, DossierState::Received)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(world.sandbox.ledger().len(), 3);
}

#[tokio::test]
async fn two_gateways_that_end_each_other_s_sessions_both_get_through() {
    let portal = PortalSettings { single_session: true, ..PortalSettings::default() };
    let world = World::start(portal, json!({})).await;
    let other = adapter(&world.sandbox.url(), json!({}));
    for number in 2700..2705 {
        world.portal.insert(&dossier(number, DossierState::Received)).await.unwrap();
        other.update(&dossier(number, DossierState::Processing)).await.unwrap();
    }
    assert_eq!(world.sandbox.ledger().len(), 10);
}

#[tokio::test]
async fn a_poisoned_dossier_is_refused_with_the_portal_s_reason() {
    let world = World::healthy().await;
    let sample = dossier(2800, DossierState::Received);
    let mut plan = FaultPlan::none();
    plan.poison
        .insert(sample.code.as_str().to_owned(), "Nguyễn Thị Ánh Tuyết, số 001099012345: sai địa bàn".to_owned());
    world.sandbox.set_faults(plan);
    let error = world.portal.insert(&sample).await.unwrap_err();
    let PortErrorKind::Rejected { reason } = &error.kind else { panic!("{error}") };
    assert_eq!(reason.vi, "Cổng Dịch vụ công quốc gia từ chối: […], số […]: sai địa bàn");
}

#[tokio::test]
async fn a_portal_that_is_gone_is_unavailable() {
    let world = World::healthy().await;
    world.portal.insert(&dossier(2900, DossierState::Received)).await.unwrap();
    let World { sandbox, portal } = world;
    Arc::into_inner(sandbox).unwrap().stop().await;
    assert_eq!(kind(portal.insert(&dossier(2901, DossierState::Received)).await), "unavailable");
    assert_eq!(kind(portal.look_up(&dossier(2901, DossierState::Received).code).await.map(drop)), "unavailable");
}
