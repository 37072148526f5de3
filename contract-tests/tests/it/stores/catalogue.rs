//! The copy of the catalogue: versions are only added, one after the other, and never by two at a time.

use std::sync::Arc;

use lienthong::audit::{Draft, Kind, Outcome};
use lienthong::catalogue::entry::{Change, EntryStanding, List, Summary, Version};
use lienthong::catalogue::store::{Add, CatalogueStore, NewVersion};
use lienthong::catalogue::{Report, Run};
use lienthong::storage::StoreError;
use lienthong_domain::catalogue::Dictionary;
use lienthong_domain::time::Timestamp;

use super::writes::at;
use super::{Stores, on_both_engines};

on_both_engines!(
    what_was_added_is_read_as_it_was_and_the_newest_version_of_each_entry_stands,
    who_does_not_know_the_last_version_adds_nothing,
    of_several_who_add_at_a_time_one_does,
    changes_are_read_in_order_a_page_at_a_time,
    a_run_goes_on_as_it_was_left_and_what_an_operator_asks_is_not_lost,
);

fn catalogue(stores: &Stores) -> Arc<dyn CatalogueStore> {
    lienthong::catalogue::store::open(&stores.database)
}

fn version(number: i64, list: List, code: &str, content: &str) -> NewVersion {
    let version = Version {
        number,
        list,
        code: code.into(),
        name: (number % 2 == 0).then(|| format!("Thủ tục {number}")),
        standing: EntryStanding::InForce,
        change: Change::Added,
        since: at(number),
        summary: Summary { keywords: Some("từ khóa".into()), levels: vec!["commune".into()], ..Summary::default() },
        digest: [number as u8; 32],
    };
    NewVersion { version, content: content.into() }
}

fn add(stores: &Stores, after: i64, versions: Vec<NewVersion>) -> Add {
    let draft = Draft::new(Kind::Config, "catalogue.change", Outcome::decided("done"));
    Add { after, versions, record: stores.recorder.seal(&draft).unwrap() }
}

const FIELDS: List = List::Dictionary(Dictionary::Fields);

async fn what_was_added_is_read_as_it_was_and_the_newest_version_of_each_entry_stands(stores: Stores) {
    let catalogue = catalogue(&stores);
    assert_eq!((catalogue.last().await.unwrap(), catalogue.newest().await.unwrap()), (0, vec![]));
    let first = vec![
        version(1, List::Procedures, "1.000002", "{\"a\": \"đủ dấu\"}"),
        version(2, List::Procedures, "1.000001", "{}"),
        // The same code in another list is another entry.
        version(3, FIELDS, "1.000001", "[]"),
    ];
    catalogue.add(add(&stores, 0, first.clone())).await.unwrap();
    let again = version(4, List::Procedures, "1.000002", "{\"a\": 2}");
    catalogue.add(add(&stores, 3, vec![again.clone()])).await.unwrap();
    assert_eq!(catalogue.last().await.unwrap(), 4);
    let expected = [&first[2], &first[1], &again].map(|new| new.version.clone());
    assert_eq!(catalogue.newest().await.unwrap(), expected);
    for new in first.iter().chain([&again]) {
        assert_eq!(catalogue.content(new.version.number).await.unwrap().as_ref(), Some(&new.content));
    }
    assert_eq!(catalogue.content(5).await.unwrap(), None);
    let versions = async |before, limit| {
        let found = catalogue.versions(List::Procedures, "1.000002".into(), before, limit).await.unwrap();
        found.iter().map(|version| version.number).collect::<Vec<_>>()
    };
    assert_eq!(versions(i64::MAX, 10).await, [4, 1]);
    assert_eq!(versions(4, 10).await, [1]);
    assert_eq!(versions(i64::MAX, 1).await, [4]);
    assert_eq!(stores.log().await.len(), 2, "each addition with its record");
}

async fn who_does_not_know_the_last_version_adds_nothing(stores: Stores) {
    let catalogue = catalogue(&stores);
    catalogue.add(add(&stores, 0, vec![version(1, List::Procedures, "1.000001", "{}")])).await.unwrap();
    for after in [0, 2] {
        let late = add(&stores, after, vec![version(after + 1, List::Procedures, "1.000002", "{}")]);
        assert_eq!(catalogue.add(late).await, Err(StoreError::Conflict));
    }
    assert_eq!((catalogue.last().await.unwrap(), stores.log().await.len()), (1, 1));
}

async fn of_several_who_add_at_a_time_one_does(stores: Stores) {
    let (here, beside) = (catalogue(&stores), catalogue(&stores.beside().await));
    for round in 0..10 {
        let one =
            |n: i64| add(&stores, round, vec![version(round + 1, List::Procedures, &format!("1.00{n:04}"), "{}")]);
        let adding = (0..6).map(|n| if n % 2 == 0 { here.add(one(n)) } else { beside.add(one(n)) });
        let added = futures::future::join_all(adding).await;
        assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 1, "{added:?}");
        assert!(added.iter().all(|added| matches!(added, Ok(()) | Err(StoreError::Conflict))), "{added:?}");
    }
    assert_eq!(here.last().await.unwrap(), 10);
}

async fn changes_are_read_in_order_a_page_at_a_time(stores: Stores) {
    let catalogue = catalogue(&stores);
    let all = (1..=25).map(|n| version(n, List::Procedures, &format!("1.{:06}", n % 7), "{}")).collect();
    catalogue.add(add(&stores, 0, all)).await.unwrap();
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let page = catalogue.changes(after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.number;
        found.extend(page.iter().map(|version| version.number));
    }
    assert_eq!(found, (1..=25).collect::<Vec<_>>());
}

async fn a_run_goes_on_as_it_was_left_and_what_an_operator_asks_is_not_lost(stores: Stores) {
    let catalogue = catalogue(&stores);
    assert_eq!(catalogue.run().await.unwrap(), None);
    let mut report = Report { listed: 3, asked: 1, ..Report::default() };
    report.fail("procedures", Some("1.000001"), "không đọc được".into());
    let remaining =
        serde_json::from_value(serde_json::json!([{ "code": "1.000002", "name": "Hai" }, { "code": "1.000003" }]));
    let run = Run { began_at: Some(at(1)), remaining: remaining.unwrap(), report, ..Run::first(at(2)) };
    catalogue.save_run(run.clone(), true).await.unwrap();
    assert_eq!(catalogue.run().await.unwrap(), Some(run.clone()));
    let draft = Draft::new(Kind::Operator, "catalogue.run", Outcome::decided("done"));
    catalogue.ask_for_run(at(5), true, stores.recorder.seal(&draft).unwrap()).await.unwrap();
    let asked = Run { asked_at: Some(at(5)), may_shrink: true, ..run.clone() };
    assert_eq!(catalogue.run().await.unwrap(), Some(asked.clone()));
    // The run before it ends meanwhile.
    let ended = Run { ended_at: Some(at(6)), completed_at: Some(at(6)), remaining: Vec::new(), ..run };
    catalogue.save_run(ended.clone(), false).await.unwrap();
    let known = catalogue.run().await.unwrap().unwrap();
    assert_eq!((known.asked_at, known.may_shrink, known.ended_at), (Some(at(5)), true, Some(at(6))));
    // The one that was asked for.
    catalogue.save_run(Run { began_at: Some(at(7)), ..Run::first(at(7)) }, true).await.unwrap();
    let known = catalogue.run().await.unwrap().unwrap();
    assert_eq!((known.asked_at, known.may_shrink, known.began_at), (None, false, Some(at(7))));
    let none: Option<Timestamp> = None;
    assert_eq!((known.ended_at, known.completed_at), (none, none));
}
