//! The control pages, as another process or a person with curl uses them.

use lienthong_sandbox::{Counters, FaultPlan, Settings};
use serde_json::{Value, json};

use crate::caller::{CODE, Caller, assert_accepted, dossier, message, open, open_default, step};

async fn get(caller: &Caller, page: &str) -> Value {
    caller.client.get(format!("{}/_sandbox/{page}", caller.url)).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_index_lists_every_page() {
    let (_sandbox, caller) = open_default().await;
    let index = caller.client.get(format!("{}/_sandbox/", caller.url)).send().await.unwrap().text().await.unwrap();
    for page in [
        "ledger",
        "counters",
        "dossiers",
        "dossiers/{code}",
        "portal-born/{code}",
        "faults",
        "province",
        "outgoing",
        "outgoing/{id}",
        "outgoing/release",
        "reset",
    ] {
        assert!(index.contains(&format!("/_sandbox/{page}")), "{page}");
    }
}

#[tokio::test]
async fn the_ledger_and_the_dossiers_are_read_page_by_page() {
    let (sandbox, caller) = open_default().await;
    for number in 1..=3 {
        assert_accepted(&caller.insert(dossier(&format!("H15-261121-000{number}"))).await);
    }
    let first = get(&caller, "ledger?limit=2").await;
    assert_eq!(first["entries"].as_array().unwrap().len(), 2);
    assert_eq!(first["next"], 2);
    let last = get(&caller, "ledger?after=2&limit=2").await;
    assert_eq!(last["entries"][0]["seq"], 3);
    assert_eq!(last["entries"][0]["operation"], "insert");
    assert_eq!(last["next"], Value::Null);
    assert_eq!(last["entries"][0], serde_json::to_value(&sandbox.ledger()[2]).unwrap());

    let first = get(&caller, "dossiers?limit=2").await;
    assert_eq!(first["next"], "H15-261121-0002");
    let last = get(&caller, "dossiers?after=H15-261121-0002&limit=2").await;
    assert_eq!(last["dossiers"].as_array().unwrap().len(), 1);
    assert_eq!(last["dossiers"][0]["code"], "H15-261121-0003");
}

#[tokio::test]
async fn one_dossier_shows_its_fields_and_steps() {
    let (sandbox, caller) = open_default().await;
    caller.insert(dossier(CODE)).await;
    caller.append(json!([step(CODE, "Một"), step(CODE, "Hai")])).await;
    let shown = get(&caller, &format!("dossiers/{CODE}")).await;
    assert_eq!(shown["fields"], dossier(CODE));
    assert_eq!(shown["steps"], json!([step(CODE, "Một"), step(CODE, "Hai")]));
    assert_eq!(shown, serde_json::to_value(sandbox.dossier(CODE).unwrap()).unwrap());
    let absent = caller.client.get(format!("{}/_sandbox/dossiers/none", caller.url)).send().await.unwrap();
    assert_eq!(absent.status(), 404);
}

#[tokio::test]
async fn faults_are_replaced_while_running_and_a_wrong_plan_is_not_taken() {
    let (sandbox, caller) = open_default().await;
    let url = format!("{}/_sandbox/faults", caller.url);
    let put = async |plan: Value| caller.client.put(&url).json(&plan).send().await.unwrap().status().as_u16();
    let plan = json!({ "seed": 3, "operations": { "insert": { "refuse": 1.0 } } });
    assert_eq!(put(plan).await, 204);
    assert_eq!(caller.insert(dossier(CODE)).await["error_code"], "-1");
    for wrong in [
        json!({ "operations": { "inserts": {} } }),
        json!({ "operations": { "insert": { "refuse": 1.5 } } }),
        json!({ "operations": { "insert": { "refuse": 0.6, "reset_after": 0.6 } } }),
        json!({ "operations": { "insert": { "refused": 0.5 } } }),
        json!({ "operations": { "login": { "session_expired": 0.5 } } }),
        json!({ "operations": { "login": { "delay_ms": [9, 1] } } }),
        json!({ "sede": 1 }),
    ] {
        assert_eq!(put(wrong.clone()).await, 400, "{wrong}");
    }
    let kept: FaultPlan = serde_json::from_value(get(&caller, "faults").await).unwrap();
    assert_eq!((kept.seed, kept.operations["insert"].refuse), (3, 1.0));
    sandbox.set_faults(FaultPlan::none());
    assert_accepted(&caller.insert(dossier(CODE)).await);
}

#[tokio::test]
async fn counters_tell_calls_acceptances_and_refusals_by_reason() {
    let (sandbox, caller) = open_default().await;
    caller.insert(dossier(CODE)).await;
    caller.insert(dossier(CODE)).await;
    caller.update(dossier("H15-261121-0009")).await;
    caller.insert(json!({ "MaHoSo": 1 })).await;
    let counters: Counters = serde_json::from_value(get(&caller, "counters").await).unwrap();
    assert_eq!(counters, sandbox.counters());
    let insert = &counters.operations["insert"];
    assert_eq!((insert.calls, insert.accepted), (3, 1));
    assert_eq!(json!(insert.refused), json!({ "exists": 1, "field": 1 }));
    assert_eq!(json!(counters.operations["update"].refused), json!({ "missing": 1 }));
    assert_eq!(counters.operations["login"].accepted, 1);
}

#[tokio::test]
async fn a_reset_forgets_everything_but_settings_and_faults() {
    let mut settings = Settings::default();
    settings.faults.poison.insert(CODE.into(), "Không nhận".into());
    let (sandbox, mut caller) = open(settings).await;
    caller.insert(dossier("H15-261121-0009")).await;
    let reset = caller.client.post(format!("{}/_sandbox/reset", caller.url)).send().await.unwrap();
    assert_eq!(reset.status(), 204);
    assert!(sandbox.ledger().is_empty() && sandbox.dossiers().is_empty());
    assert_eq!(sandbox.counters().operations["insert"].calls, 0);
    assert_eq!(caller.look_up(CODE).await["error_code"], "401");
    caller.log_in().await;
    assert_eq!(message(&caller.insert(dossier(CODE)).await), "Không nhận");
    assert_accepted(&caller.insert(dossier("H15-261121-0009")).await);
}

#[test]
fn settings_are_written_in_part_and_a_misspelt_one_is_refused() {
    let some: Settings =
        serde_json::from_value(json!({ "portal": { "agency": "H56", "dstcode_placements": ["query"] } })).unwrap();
    assert_eq!(some.portal.username, "sandbox");
    assert_eq!(some.portal.agency, "H56");
    assert!(serde_json::from_value::<Settings>(json!({ "portal": { "agencies": "H56" } })).is_err());
    let whole = serde_json::to_value(&some).unwrap();
    assert_eq!(serde_json::from_value::<Settings>(whole).unwrap(), some);
}
