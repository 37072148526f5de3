//! The promises of [`DossierPortal`], run against any adapter with a healthy other side behind it.
//! Never asks the adapter what the other side holds: that is what the probe is for.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::dossier::{Dossier, DossierCode, DossierState, Step};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::port::{AfterAmbiguity, DossierPortal, PortError, PortErrorKind, PortalOperation};
use lienthong_domain::scalar::Scalar;
use serde_json::json;

/// What the other side really holds, seen past the adapter.
#[async_trait]
pub trait OtherSide: Send + Sync {
    async fn holds(&self, dossier: &DossierCode) -> bool;
    /// How many steps it holds of a dossier.
    async fn steps(&self, dossier: &DossierCode) -> usize;
    /// How many times anything was created, replaced or appended.
    async fn effects(&self) -> usize;
}

/// The adapter under test. The other side starts empty and answers without faults.
pub struct Subject {
    pub portal: Arc<dyn DossierPortal>,
    pub other_side: Box<dyn OtherSide>,
}

/// All promises, one after the other, each on dossiers of its own.
pub async fn suite(subject: &Subject) {
    a_dossier_is_absent_until_it_is_inserted(subject).await;
    inserting_twice_changes_nothing(subject).await;
    an_update_needs_a_dossier(subject).await;
    an_update_may_be_repeated(subject).await;
    a_step_needs_a_dossier(subject).await;
    every_state_can_be_sent(subject).await;
    looking_up_changes_nothing(subject).await;
    dossiers_do_not_disturb_each_other(subject).await;
    a_call_that_is_given_up_disturbs_nothing(subject).await;
    a_step_is_never_resolved_by_a_look_up(subject);
}

/// A dossier that any portal can take: it names all that an adapter would have to ask for.
pub fn dossier(sequence: u32, state: DossierState) -> Dossier {
    let written = json!({
        "code": format!("H15.50.05-261008-{sequence:04}"),
        "procedureCode": "1.001193", "procedureName": "Thủ tục đăng ký khai sinh",
        "fieldCode": "G15-HT01", "fieldName": "Hộ tịch",
        "channel": "direct", "summary": "Đăng ký khai sinh cho con", "state": state,
        "owner": { "kind": "citizen", "name": "Nguyễn Thị Ánh Tuyết",
                   "identityDocuments": [{ "kind": "personal_number", "number": "001099012345" }] },
        "submittedAt": "2026-10-08T08:00:00+07:00", "receivedAt": "2026-10-08T08:05:00+07:00",
        "returnMethod": "counter", "handlingUnit": "UBND xã Bình Lợi", "submittedThrough": "local_system",
        "hasDigitisedComponents": false, "isVerifiedByVneid": false, "onlinePayment": "none"
    });
    deserr::deserialize::<Dossier, _, InvalidFields>(written).unwrap_or_else(|wrong| panic!("{wrong}"))
}

pub fn step(content: &str, state: DossierState) -> Step {
    let written = json!({
        "handledBy": "Lê Văn Cảnh", "handledAt": "2026-10-08T15:30:00+07:00", "content": content, "state": state
    });
    deserr::deserialize::<Step, _, InvalidFields>(written).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn fails_as(outcome: Result<(), PortError>, expected: &PortErrorKind) {
    match outcome {
        Err(error) => assert_eq!(error.kind, *expected, "{error}"),
        Ok(()) => panic!("accepted, not {}", expected.name()),
    }
}

async fn a_dossier_is_absent_until_it_is_inserted(Subject { portal, other_side }: &Subject) {
    let dossier = dossier(1001, DossierState::Received);
    assert_eq!(portal.look_up(&dossier.code).await.unwrap(), None);
    portal.insert(&dossier).await.unwrap();
    assert!(other_side.holds(&dossier.code).await);
    assert!(portal.look_up(&dossier.code).await.unwrap().is_some());
}

async fn inserting_twice_changes_nothing(Subject { portal, other_side }: &Subject) {
    let dossier = dossier(1002, DossierState::Received);
    portal.insert(&dossier).await.unwrap();
    let effects = other_side.effects().await;
    fails_as(portal.insert(&dossier).await, &PortErrorKind::AlreadyExists);
    assert_eq!(other_side.effects().await, effects);
}

async fn an_update_needs_a_dossier(Subject { portal, other_side }: &Subject) {
    let dossier = dossier(1003, DossierState::Received);
    fails_as(portal.update(&dossier).await, &PortErrorKind::NotFound);
    assert!(!other_side.holds(&dossier.code).await);
}

async fn an_update_may_be_repeated(Subject { portal, other_side }: &Subject) {
    let mut dossier = dossier(1004, DossierState::Received);
    portal.insert(&dossier).await.unwrap();
    dossier.state = DossierState::Processing;
    for _ in 0..2 {
        portal.update(&dossier).await.unwrap();
    }
    assert!(other_side.holds(&dossier.code).await);
}

async fn a_step_needs_a_dossier(Subject { portal, other_side }: &Subject) {
    let dossier = dossier(1005, DossierState::Received);
    let first = step("Tiếp nhận hồ sơ", DossierState::Received);
    fails_as(portal.append_step(&dossier.code, &first).await, &PortErrorKind::NotFound);
    portal.insert(&dossier).await.unwrap();
    assert_eq!(other_side.steps(&dossier.code).await, 0);
    portal.append_step(&dossier.code, &first).await.unwrap();
    portal.append_step(&dossier.code, &step("Thẩm tra hồ sơ", DossierState::Processing)).await.unwrap();
    assert_eq!(other_side.steps(&dossier.code).await, 2);
}

async fn every_state_can_be_sent(Subject { portal, other_side }: &Subject) {
    let mut dossier = dossier(1006, DossierState::Registered);
    portal.insert(&dossier).await.unwrap();
    let before = other_side.effects().await;
    for state in DossierState::ALL {
        dossier.state = *state;
        portal.update(&dossier).await.unwrap_or_else(|error| panic!("{state}: {error}"));
        portal.append_step(&dossier.code, &step(state.vietnamese(), *state)).await.unwrap();
    }
    assert_eq!(other_side.effects().await - before, 2 * DossierState::ALL.len());
}

async fn looking_up_changes_nothing(Subject { portal, other_side }: &Subject) {
    let before = other_side.effects().await;
    let code = DossierCode::parse("H15.50.05-261008-1007").unwrap_or_else(|wrong| panic!("{}", wrong.message.en));
    for _ in 0..3 {
        assert_eq!(portal.look_up(&code).await.unwrap(), None);
    }
    assert_eq!(other_side.effects().await, before);
}

async fn dossiers_do_not_disturb_each_other(Subject { portal, other_side }: &Subject) {
    let calls: Vec<_> = (1100..1130)
        .map(|sequence| {
            let portal = portal.clone();
            tokio::spawn(async move {
                let dossier = dossier(sequence, DossierState::Received);
                portal.insert(&dossier).await.map(|()| dossier.code)
            })
        })
        .collect();
    for call in calls {
        let code = call.await.unwrap_or_else(|lost| panic!("{lost}")).unwrap();
        assert!(other_side.holds(&code).await);
    }
}

/// A worker may drop a call at any instant (shutdown, lost lease): the next must work all the same.
async fn a_call_that_is_given_up_disturbs_nothing(Subject { portal, other_side }: &Subject) {
    for (sequence, patience_micros) in (1200..1210).zip([0, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800]) {
        let dossier = dossier(sequence, DossierState::Received);
        let patience = std::time::Duration::from_micros(patience_micros);
        let _ = tokio::time::timeout(patience, portal.insert(&dossier)).await;
        match portal.insert(&dossier).await {
            Ok(()) => {}
            other => fails_as(other, &PortErrorKind::AlreadyExists),
        }
        assert!(other_side.holds(&dossier.code).await);
    }
}

fn a_step_is_never_resolved_by_a_look_up(Subject { portal, .. }: &Subject) {
    assert_ne!(portal.after_ambiguity(PortalOperation::AppendStep), AfterAmbiguity::LookUp);
}
