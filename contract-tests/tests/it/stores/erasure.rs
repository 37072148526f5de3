//! The store of erasure: a content goes with its record or not at all, what is still to be sent stays, and what was erased
//! cannot be guessed.

use lienthong::audit::LegalGround;
use lienthong::erasure::store::Content;
use lienthong::erasure::{Eraser, NotErased, Order, Target};
use lienthong::outbox::Status;
use lienthong_domain::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::writes::{LEASE, at, put, settlement, steps};
use super::{Stores, on_both_engines};

fn eraser(stores: &Stores) -> Eraser {
    Eraser { store: lienthong::erasure::store::open(&stores.database), recorder: stores.recorder.clone() }
}

fn order() -> Order {
    Order { ground: LegalGround::OnRequest, document: Some("12/QĐ-UBND".into()), officer: Some("an operator".into()) }
}

async fn deliver_everything(stores: &Stores) {
    loop {
        let claimed = stores.outbox.claim(stores.replica, at(1), LEASE, 100).await.unwrap();
        if claimed.is_empty() {
            return;
        }
        for claimed in claimed {
            assert!(stores.outbox.settle(settlement(&claimed, Status::Delivered, None)).await.unwrap());
        }
    }
}

/// A dossier at its second revision with two steps: four contents.
pub(super) async fn dossier(stores: &Stores, code: &str) -> Vec<Uuid> {
    let (first, second) = (put(stores, code, None), put(stores, code, Some(1)));
    let steps = steps(stores, code, 0, 2, &format!("key-{code}"));
    let bodies = [first.body.id, second.body.id].into_iter().chain(steps.bodies.iter().map(|body| body.id)).collect();
    stores.dossiers.put(first).await.unwrap();
    stores.dossiers.put(second).await.unwrap();
    stores.dossiers.append_steps(steps).await.unwrap();
    bodies
}

fn bodies(contents: &[Content]) -> Vec<Uuid> {
    contents.iter().map(|content| content.body).collect()
}

async fn all_contents_of_a_dossier_go_each_with_its_record_and_no_other(stores: Stores) {
    let (mine, others) = (dossier(&stores, "a").await, dossier(&stores, "b").await);
    deliver_everything(&stores).await;
    let before = stores.log().await.len();
    let digest = stores.dossiers.find("a").await.unwrap().unwrap().digest;
    let eraser = eraser(&stores);
    let contents = eraser.find(&Target::Dossier("a".into())).await.unwrap();
    assert_eq!(bodies(&contents), mine);
    assert_eq!(eraser.erase(&contents, &order()).await.unwrap(), 4);

    for body in &mine {
        assert!(stores.outbox.body(*body).await.unwrap().is_none());
    }
    for body in &others {
        assert!(stores.outbox.body(*body).await.unwrap().is_some());
    }
    let row = stores.dossiers.find("a").await.unwrap().unwrap();
    assert_ne!(row.digest, digest, "by the digest a guess of the content could be tried");
    assert_eq!((row.revision, row.steps, row.body_id), (2, 2, mine[1]), "that there was a dossier stays known");
    let log = stores.log().await;
    assert_eq!(log.len(), before + 4);
    for (record, body) in log[before..].iter().zip(&mine) {
        assert_eq!((&record["kind"], &record["op"]), (&json!("erased"), &json!("content.erase")));
        assert_eq!((&record["ref"], &record["ground"]), (&json!(body.to_string()), &json!("on_request")));
        assert_eq!(record["document"], "12/QĐ-UBND");
        assert!(record["officer"].is_string() && !record.to_string().contains("an operator"), "{record}");
        let coming = log.iter().find(|other| other["id"] == record["ref"]);
        assert!(coming.is_none() || coming.unwrap()["kind"] == "accept");
    }
    // Once more: nothing is there, and nothing is recorded.
    assert_eq!(eraser.find(&Target::Dossier("a".into())).await.unwrap(), []);
    assert_eq!(eraser.erase(&contents, &order()).await.unwrap(), 0);
    assert_eq!(stores.log().await.len(), before + 4);
    // The next state of the dossier is a content like any other.
    stores.dossiers.put(put(&stores, "a", Some(2))).await.unwrap();
    assert_eq!(eraser.find(&Target::Dossier("a".into())).await.unwrap().len(), 1);
}

async fn one_content_goes_by_the_id_of_its_record(stores: Stores) {
    let mine = dossier(&stores, "a").await;
    deliver_everything(&stores).await;
    let eraser = eraser(&stores);
    let contents = eraser.find(&Target::Record(mine[2])).await.unwrap();
    assert_eq!(bodies(&contents), [mine[2]]);
    assert_eq!(eraser.erase(&contents, &order()).await.unwrap(), 1);
    assert_eq!(stores.count("SELECT count(*) FROM body").await, 3);
    assert_eq!(eraser.find(&Target::Record(Uuid::now_v7())).await.unwrap(), []);
}

async fn what_is_still_to_be_delivered_is_not_erased_and_nothing_beside_it(stores: Stores) {
    dossier(&stores, "a").await;
    let eraser = eraser(&stores);
    let contents = eraser.find(&Target::Dossier("a".into())).await.unwrap();
    let refused = eraser.erase(&contents, &order()).await;
    assert!(matches!(refused, Err(NotErased::Undelivered(4))), "{refused:?}");
    // Also when whoever asks does not know: the store looks again.
    let believed: Vec<Content> = contents.into_iter().map(|content| Content { is_open: false, ..content }).collect();
    let refused = eraser.erase(&believed, &order()).await;
    assert!(matches!(refused, Err(NotErased::Undelivered(_))), "{refused:?}");
    assert_eq!(stores.count("SELECT count(*) FROM body").await, 4);
    assert!(stores.log().await.iter().all(|record| record["kind"] != "erased"));
}

async fn what_was_kept_for_long_enough_goes_and_what_waits_stays(stores: Stores) {
    dossier(&stores, "a").await;
    deliver_everything(&stores).await;
    dossier(&stores, "waits").await;
    let eraser = eraser(&stores);
    let now =
        Timestamp::from_micros(i64::try_from(Uuid::now_v7().get_timestamp().unwrap().to_unix().0).unwrap() * 1_000_000);
    assert!(!eraser.keep_no_longer(now.plus_millis(-60_000)).await.unwrap());
    assert_eq!(stores.count("SELECT count(*) FROM body").await, 8, "none is that old");
    while eraser.keep_no_longer(now.plus_millis(60_000)).await.unwrap() {}
    assert_eq!(stores.count("SELECT count(*) FROM body").await, 4);
    assert_eq!(stores.count("SELECT count(*) FROM outbox").await, 4, "and the items that sent them");
    assert_eq!(eraser.find(&Target::Dossier("waits".into())).await.unwrap().len(), 4);
    let log = stores.log().await;
    let erased: Vec<_> = log.iter().filter(|record| record["kind"] == "erased").collect();
    assert_eq!(erased.len(), 4);
    assert!(erased.iter().all(|record| record["ground"] == "retention_over" && record.get("officer").is_none()));
    // What is known of the dossier and its lane stays: the next state is delivered as the next, not as the first.
    stores.dossiers.put(put(&stores, "a", Some(2))).await.unwrap();
}

on_both_engines! {
    all_contents_of_a_dossier_go_each_with_its_record_and_no_other,
    one_content_goes_by_the_id_of_its_record,
    what_is_still_to_be_delivered_is_not_erased_and_nothing_beside_it,
    what_was_kept_for_long_enough_goes_and_what_waits_stays,
}
