//! Files that are fetched: each is somebody's for a while, ends once, and leaves nothing behind when its message is erased.

use std::sync::Arc;

use lienthong::audit::{Draft, Kind, Outcome, SealedRecord};
use lienthong::erasure::Target;
use lienthong::inbox::links::store::{LinkStore, Settle, Settled};
use lienthong::inbox::links::{KeptLink, LinkReason, LinkStatus};
use lienthong::inbox::store::{Decide, Receive};
use uuid::Uuid;

use super::inbox::{decision, dossier, eraser, inbox, order};
use super::writes::at;
use super::{Stores, on_both_engines};

on_both_engines!(
    a_file_is_fetched_by_one_at_a_time_and_again_when_that_one_was_not_heard_of,
    an_attempt_that_was_given_up_writes_nothing,
    what_was_fetched_goes_with_its_message,
    what_was_refused_waits_for_an_operator,
);

fn links(stores: &Stores) -> Arc<dyn LinkStore> {
    lienthong::inbox::links::store::open(&stores.database)
}

/// A message with files at these places that are to be fetched; its id and its body's.
async fn message(stores: &Stores, code: &str, places: &[i64]) -> (Uuid, Uuid) {
    let message = dossier(stores, code, 1);
    let ids = (message.item.id, message.body.id);
    inbox(stores).receive(Receive { links: places.to_vec(), ..message }).await.unwrap();
    ids
}

fn record(stores: &Stores, decision: &'static str) -> SealedRecord {
    let draft = Draft::new(Kind::Outcome, "inbox.fetch", Outcome::decided(decision));
    stores.recorder.seal(&draft).unwrap()
}

fn kept(file: Uuid) -> Settled {
    Settled::Kept(KeptLink { file, media_type: "application/pdf".into(), bytes: 5, sha256: [7; 32] })
}

fn end(stores: &Stores, item: Uuid, n: i64, attempts: i64, to: Settled) -> Settle {
    Settle { item, n, attempts, to, record: record(stores, "kept") }
}

/// Places and attempts of what is claimed at this time, and due again 100 ms later.
async fn claimed(links: &dyn LinkStore, now: i64, limit: usize) -> Vec<(i64, i64)> {
    let claimed = links.claim(at(now), at(now + 100), limit).await.unwrap();
    claimed.iter().map(|claimed| (claimed.file.n, claimed.file.attempts)).collect()
}

async fn a_file_is_fetched_by_one_at_a_time_and_again_when_that_one_was_not_heard_of(stores: Stores) {
    let links = links(&stores);
    let (item, body) = message(&stores, "A", &[1, 3]).await;
    assert_eq!(claimed(&*links, -1, 10).await, [], "it is not due");
    let first = links.claim(at(0), at(100), 1).await.unwrap();
    let one = &first[0];
    assert_eq!((one.file.item, one.file.body, one.portal.as_str()), (item, body, "portal"));
    assert_eq!((one.national_code.as_str(), one.agency_id.as_str(), one.file.since_at), ("A", "H15", at(0)));
    let mut both = vec![(one.file.n, one.file.attempts)];
    both.extend(claimed(&*links, 1, 10).await);
    both.sort_unstable();
    assert_eq!(both, [(1, 1), (3, 1)]);
    assert_eq!(claimed(&*links, 99, 10).await, []);
    assert_eq!(claimed(&*links, 101, 10).await.len(), 2);
    // One is tried again later, the other is there.
    let later = Settled::Again { at: at(500), reason: LinkReason::Unreachable };
    assert!(links.settle(end(&stores, item, 1, 2, later)).await.unwrap());
    let file = Uuid::now_v7();
    assert!(links.settle(end(&stores, item, 3, 2, kept(file))).await.unwrap());
    assert_eq!(claimed(&*links, 499, 10).await, []);
    assert_eq!(claimed(&*links, 500, 10).await, [(1, 3)]);
    let all = links.of_item(item).await.unwrap();
    assert_eq!(
        all.iter().map(|file| (file.n, file.status)).collect::<Vec<_>>(),
        [(1, LinkStatus::Waiting), (3, LinkStatus::Kept)]
    );
    assert_eq!((all[0].reason, &all[0].kept), (Some(LinkReason::Unreachable), &None));
    let found = all[1].kept.as_ref().unwrap();
    assert_eq!(
        (found.file, found.media_type.as_str(), found.bytes, found.sha256),
        (file, "application/pdf", 5, [7; 32])
    );
    assert_eq!((links.count(LinkStatus::Kept).await.unwrap(), links.count(LinkStatus::Refused).await.unwrap()), (1, 0));
    assert_eq!(links.of_item(Uuid::nil()).await.unwrap(), []);
}

async fn an_attempt_that_was_given_up_writes_nothing(stores: Stores) {
    let links = links(&stores);
    let (item, _) = message(&stores, "A", &[1]).await;
    claimed(&*links, 0, 1).await;
    // It took so long that another one has begun.
    assert_eq!(claimed(&*links, 200, 1).await, [(1, 2)]);
    for late in [kept(Uuid::now_v7()), Settled::Refused(LinkReason::Empty)] {
        assert!(!links.settle(end(&stores, item, 1, 1, late)).await.unwrap());
    }
    assert!(!links.settle(end(&stores, item, 2, 2, kept(Uuid::now_v7()))).await.unwrap(), "there is no such file");
    assert!(links.settle(end(&stores, item, 1, 2, kept(Uuid::now_v7()))).await.unwrap());
    assert!(!links.settle(end(&stores, item, 1, 2, kept(Uuid::now_v7()))).await.unwrap(), "it has ended");
    assert_eq!(stores.count("SELECT count(*) FROM kept_file").await, 1);
}

async fn what_was_fetched_goes_with_its_message(stores: Stores) {
    let (links, inbox) = (links(&stores), inbox(&stores));
    let (item, _) = message(&stores, "A", &[1, 2]).await;
    claimed(&*links, 0, 10).await;
    let file = Uuid::now_v7();
    assert!(links.settle(end(&stores, item, 1, 1, kept(file))).await.unwrap());
    assert_eq!(inbox.known_files(vec![file]).await.unwrap().len(), 1);
    inbox.decide(Decide { tell: None, ..decision(&stores, item, at(1)) }).await.unwrap();
    let contents = eraser(&stores).find(&Target::Dossier("A".into())).await.unwrap();
    assert_eq!(eraser(&stores).erase(&contents, &order()).await.unwrap(), 1);
    assert_eq!(inbox.gone_files(10).await.unwrap(), [file]);
    // The other was under way.
    assert!(!links.settle(end(&stores, item, 2, 1, kept(Uuid::now_v7()))).await.unwrap());
    assert_eq!(links.of_item(item).await.unwrap(), []);
    assert_eq!(claimed(&*links, 10_000, 10).await, []);
}

async fn what_was_refused_waits_for_an_operator(stores: Stores) {
    let links = links(&stores);
    let mut items = Vec::new();
    for code in ["A", "B", "C"] {
        let (item, _) = message(&stores, code, &[1, 2]).await;
        items.push(item);
    }
    claimed(&*links, 0, 10).await;
    for item in &items {
        for n in [1, 2] {
            let refused = Settled::Refused(LinkReason::HostNotAllowed);
            assert!(links.settle(end(&stores, *item, n, 1, refused)).await.unwrap());
        }
    }
    assert_eq!(claimed(&*links, 10_000, 10).await, []);
    let (mut after, mut found) = ((Uuid::nil(), 0), Vec::new());
    loop {
        let page = links.list(LinkStatus::Refused, after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = (last.item, last.n);
        found.extend(page.iter().map(|file| (file.item, file.n)));
    }
    let all: Vec<_> = items.iter().flat_map(|item| [(*item, 1), (*item, 2)]).collect();
    assert_eq!(found, all);
    let again = |item| links.open_again(item, at(20_000), record(&stores, "retry"));
    assert_eq!(again(Some(items[1])).await.unwrap(), 2);
    assert_eq!(links.count(LinkStatus::Waiting).await.unwrap(), 2);
    let begun = links.claim(at(20_000), at(20_100), 10).await.unwrap();
    assert!(
        begun.iter().all(|claimed| claimed.file.item == items[1] && claimed.file.since_at == at(20_000)),
        "{begun:?}"
    );
    assert_eq!(begun.len(), 2);
    assert_eq!(again(None).await.unwrap(), 4);
    assert_eq!(again(None).await.unwrap(), 0);
}
