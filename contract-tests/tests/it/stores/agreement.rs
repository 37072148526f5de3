//! Checks and cases: a page is written once and after the page before; a difference is one case until it is settled; what is sent again
//! is what stands here now, and nothing is on its way beside it.

use std::sync::Arc;

use lienthong::agreement::store::{AgreementStore, Candidate, CaseQuery, Decide, Page, Resend, Window};
use lienthong::agreement::{Case, CaseStatus, Found, Listed, Origin, Phase, Place, Run, Side};
use lienthong::audit::{Draft, Kind, LegalGround, Outcome, SealedRecord};
use lienthong::dossiers::{ROUTE, SYNC};
use lienthong::erasure::{Eraser, Order, Target};
use lienthong::outbox::store::Settlement;
use lienthong::outbox::{Learned, NewItem, Status};
use lienthong::storage::StoreError;
use lienthong_domain::agreement::{Class, Repair};
use lienthong_domain::dossier::DossierState;
use lienthong_domain::port::Presence;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::writes::{LEASE, at, new_item, put, settlement, steps};
use super::{Stores, on_both_engines};

on_both_engines!(
    a_page_is_written_once_and_after_the_page_before,
    the_schedule_asks_for_a_day_once,
    dossiers_are_walked_in_the_order_of_their_changes_with_all_that_is_compared,
    a_difference_is_one_case_until_it_is_settled,
    what_was_dismissed_comes_back_only_as_another_difference,
    only_an_unchanged_dossier_with_nothing_on_its_way_is_sent_again_and_once,
    codes_that_nobody_here_knows_are_told_from_those_that_somebody_does,
);

fn store(stores: &Stores) -> Arc<dyn AgreementStore> {
    lienthong::agreement::store::open(&stores.database, &stores.bodies)
}

const FOREVER: (i64, i64) = (i64::MIN / 4, i64::MAX / 4);

fn run(origin: Origin) -> Run {
    Run::new(origin, (Timestamp::from_micros(FOREVER.0), Timestamp::from_micros(FOREVER.1)), 100, at(0))
}

fn record(stores: &Stores) -> SealedRecord {
    stores.recorder.seal(&Draft::new(Kind::Operator, "agreement.run", Outcome::decided("done"))).unwrap()
}

fn page(run: &mut Run, found: Vec<Found>, cleared: Vec<(&str, Class)>) -> Page {
    run.pages += 1;
    let cleared = cleared.into_iter().map(|(code, class)| (code.to_owned(), class)).collect();
    Page { run: run.clone(), found, cleared, records: Vec::new(), now: at(run.pages), is_last: false }
}

fn found(code: &str, class: Class, observed: &str) -> Found {
    Found {
        code: code.into(),
        agency_id: "H15.50".into(),
        class,
        expected: "received".into(),
        observed: observed.into(),
        repair: class.repair(),
    }
}

/// A full state as topics write it: to the portal.
async fn dossier(stores: &Stores, code: &str, expected: Option<i64>) {
    let mut write = put(stores, code, expected);
    write.item.route = ROUTE;
    stores.dossiers.put(write).await.unwrap();
}

/// Delivers all that is due.
async fn deliver(stores: &Stores) {
    loop {
        let claimed = stores.outbox.claim(stores.replica, at(0), LEASE, 100).await.unwrap();
        if claimed.is_empty() {
            return;
        }
        for item in claimed {
            let acknowledged_revision = (item.item.kind == SYNC).then_some(item.item.ordinal);
            let learned = Learned { presence: Some(Presence::Present), acknowledged_revision };
            let settled = Settlement { learned, ..settlement(&item, Status::Delivered, None) };
            assert!(stores.outbox.settle(settled).await.unwrap());
        }
    }
}

async fn all(store: &dyn AgreementStore) -> Vec<Case> {
    store.cases(CaseQuery { limit: 100, ..CaseQuery::default() }).await.unwrap()
}

async fn a_page_is_written_once_and_after_the_page_before(stores: Stores) {
    let (store, beside) = (store(&stores), store(&stores.beside().await));
    assert_eq!(store.under_way().await.unwrap(), None);
    let mut first = run(Origin::Operator);
    store.ask(first.clone(), Some(record(&stores))).await.unwrap();
    let mut second = run(Origin::Operator);
    store.ask(second.clone(), None).await.unwrap();
    assert_eq!(store.under_way().await.unwrap(), Some(first.clone()), "the oldest comes first");
    first.after = Place { at: 7, code: "ậ".into() };
    first.counts.equal = 3;
    first.counts.not_observable.insert(lienthong_domain::agreement::Aspect::State, 2);
    first.counts.different.insert(Class::DueAt, 1);
    let written = page(&mut first, vec![found("a", Class::DueAt, "x")], vec![]);
    store.save(written.clone()).await.unwrap();
    assert_eq!(beside.save(written).await, Err(StoreError::Conflict), "another leader has written it");
    assert_eq!(beside.under_way().await.unwrap(), Some(first.clone()));
    assert_eq!(all(&*store).await.len(), 1);
    first.enter(Phase::Done);
    store.save(Page { is_last: true, ..page(&mut first, vec![], vec![]) }).await.unwrap();
    assert_eq!(store.run(first.id).await.unwrap(), Some((first.clone(), Some(at(2)))));
    assert_eq!(store.under_way().await.unwrap(), Some(second.clone()));
    let ids = |runs: Vec<(Run, Option<Timestamp>)>| runs.into_iter().map(|(run, _)| run.id).collect::<Vec<_>>();
    assert_eq!(ids(store.runs(10).await.unwrap()), [second.id, first.id]);
    second.enter(Phase::Done);
    assert_eq!(stores.log().await.len(), 1);
}

async fn the_schedule_asks_for_a_day_once(stores: Stores) {
    let store = store(&stores);
    assert_eq!(store.scheduled_until().await.unwrap(), None);
    let of = |until: i64| Run::new(Origin::Schedule, (at(0), at(until)), 100, at(0));
    store.ask(of(1000), None).await.unwrap();
    assert_eq!(store.ask(of(1000), Some(record(&stores))).await, Err(StoreError::Conflict));
    store.ask(of(2000), None).await.unwrap();
    let by_operator = Run::new(Origin::Operator, (at(0), at(9000)), 100, at(0));
    store.ask(by_operator.clone(), None).await.unwrap();
    store.ask(Run { id: Uuid::now_v7(), ..by_operator }, None).await.unwrap();
    assert_eq!(store.scheduled_until().await.unwrap(), Some(at(2000)), "what an operator asks is no night");
    assert_eq!(stores.log().await.len(), 0);
}

async fn dossiers_are_walked_in_the_order_of_their_changes_with_all_that_is_compared(stores: Stores) {
    let store = store(&stores);
    for code in ["a", "b", "c", "d"] {
        dossier(&stores, code, None).await;
    }
    deliver(&stores).await;
    dossier(&stores, "b", Some(1)).await;
    let mut more = steps(&stores, "c", 0, 1, "key");
    more.items.iter_mut().for_each(|item| item.route = ROUTE);
    stores.dossiers.append_steps(more.clone()).await.unwrap();
    let eraser = Eraser { store: lienthong::erasure::store::open(&stores.database), recorder: stores.recorder.clone() };
    let contents = eraser.find(&Target::Dossier("d".into())).await.unwrap();
    let order = Order { ground: LegalGround::OnRequest, document: None, officer: None };
    assert_eq!(eraser.erase(&contents, &order).await.unwrap(), 1);
    let mut run = run(Origin::Operator);
    store.ask(run.clone(), None).await.unwrap();
    store.save(page(&mut run, vec![found("a", Class::State, "x")], vec![])).await.unwrap();
    assert_eq!(store.count(&run).await.unwrap(), 4);
    let mut seen: Vec<Candidate> = Vec::new();
    loop {
        let after = seen.last().map(|one| Place { at: one.updated_at, code: one.code.clone() }).unwrap_or_default();
        let window = Window { from: run.from, until: run.until, after, limit: 1 };
        let next = store.candidates(window).await.unwrap();
        assert!(next.len() <= 1);
        let Some(one) = next.into_iter().next() else { break };
        seen.push(one);
    }
    let codes: Vec<_> = seen.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["a", "d", "b", "c"]);
    let [a, d, b, c] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(a.content.as_ref().unwrap().as_slice(), b"a at 1");
    assert_eq!((a.revision, a.acknowledged_revision, &a.head, a.has_case), (1, Some(1), &None, true));
    assert_eq!((&d.content, d.has_case), (&None, false), "erased");
    assert_eq!((b.revision, b.acknowledged_revision), (2, Some(1)));
    let head = b.head.as_ref().unwrap();
    assert_eq!((head.status.as_str(), head.waits_for_person), ("accepted", false));
    assert_eq!((a.later_step, c.later_step), (None, Some(more.step_state)));
    assert_eq!(a.state, DossierState::Received);
    // A full state after the step says where the dossier stands.
    deliver(&stores).await;
    dossier(&stores, "c", Some(1)).await;
    let window = Window { from: run.from, until: run.until, after: Place::default(), limit: 10 };
    let all = store.candidates(window.clone()).await.unwrap();
    assert_eq!(all.iter().find(|one| one.code == "c").unwrap().later_step, None);
    // A time without changes.
    let early = Window { until: Timestamp::from_micros(a.updated_at), ..window };
    assert_eq!(store.candidates(early).await.unwrap().len(), 0);
}

async fn a_difference_is_one_case_until_it_is_settled(stores: Stores) {
    let store = store(&stores);
    let mut run = run(Origin::Operator);
    store.ask(run.clone(), None).await.unwrap();
    let state = |observed: &str| found("a", Class::State, observed);
    store
        .save(page(&mut run, vec![state("x"), found("a", Class::DueAt, "none"), found("b", Class::State, "x")], vec![]))
        .await
        .unwrap();
    assert_eq!(all(&*store).await.len(), 3);
    store.save(page(&mut run, vec![state("y")], vec![("b", Class::State), ("zz", Class::State)])).await.unwrap();
    let cases = all(&*store).await;
    let of = |cases: &[Case], code: &str, class: Class| {
        cases.iter().find(|case| case.code == code && case.class == class).cloned().unwrap()
    };
    let one = of(&cases, "a", Class::State);
    assert_eq!((one.observed.as_str(), one.status, one.returns), ("y", CaseStatus::Open, 0));
    assert_eq!((one.found_at, one.seen_at), (at(1), at(2)));
    assert_eq!(of(&cases, "b", Class::State).status, CaseStatus::Settled);
    assert_eq!(store.open_by_class().await.unwrap(), [(Class::DueAt, 1), (Class::State, 1)]);
    // Repaired, and there again.
    store.decide(decide(&stores, one.id, CaseStatus::Repaired, None)).await.unwrap();
    store.save(page(&mut run, vec![state("y")], vec![])).await.unwrap();
    let again = store.case(one.id).await.unwrap().unwrap();
    assert_eq!((again.status, again.returns), (CaseStatus::Open, 1));
    // What comes after it was settled is another case.
    store.save(page(&mut run, vec![found("b", Class::State, "x")], vec![])).await.unwrap();
    let query =
        CaseQuery { class: Some(Class::State), status: Some(CaseStatus::Open), limit: 10, ..CaseQuery::default() };
    let open = store.cases(query.clone()).await.unwrap();
    assert_eq!(open.iter().map(|case| case.code.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(all(&*store).await.len(), 4);
    let rest = store.cases(CaseQuery { after: Some(open[0].id), run_id: Some(run.id), ..query }).await.unwrap();
    assert_eq!(rest, open[1..]);
}

fn decide(stores: &Stores, case: Uuid, to: CaseStatus, send: Option<Resend>) -> Decide {
    let words = (to == CaseStatus::Dismissed).then(|| "không phải".to_owned());
    Decide { case, to, by: "officer".into(), words, send, record: record(stores), now: at(50) }
}

async fn what_was_dismissed_comes_back_only_as_another_difference(stores: Stores) {
    let store = store(&stores);
    let mut run = run(Origin::Operator);
    store.ask(run.clone(), None).await.unwrap();
    store.save(page(&mut run, vec![found("a", Class::State, "x")], vec![])).await.unwrap();
    let id = all(&*store).await[0].id;
    store.decide(decide(&stores, id, CaseStatus::Dismissed, None)).await.unwrap();
    let case = store.case(id).await.unwrap().unwrap();
    assert_eq!((case.decided_by.as_deref(), case.words.as_deref()), (Some("officer"), Some("không phải")));
    store.save(page(&mut run, vec![found("a", Class::State, "x")], vec![])).await.unwrap();
    assert_eq!(store.case(id).await.unwrap().unwrap().status, CaseStatus::Dismissed);
    store.save(page(&mut run, vec![found("a", Class::State, "y")], vec![])).await.unwrap();
    assert_eq!(store.case(id).await.unwrap().unwrap().status, CaseStatus::Open);
    assert_eq!(all(&*store).await.len(), 1);
}

fn resend(code: &str, revision: i64) -> Resend {
    let item = NewItem { route: ROUTE, kind: SYNC, ..new_item(code, revision) };
    Resend {
        code: code.into(),
        expected_revision: revision,
        expected_steps: 0,
        operation_id: item.operation_id,
        items: vec![item],
    }
}

async fn only_an_unchanged_dossier_with_nothing_on_its_way_is_sent_again_and_once(stores: Stores) {
    let store = store(&stores);
    dossier(&stores, "a", None).await;
    let mut run = run(Origin::Operator);
    store.ask(run.clone(), None).await.unwrap();
    store.save(page(&mut run, vec![found("a", Class::State, "x")], vec![])).await.unwrap();
    let id = all(&*store).await[0].id;
    let records = stores.log().await.len();
    let repair = |send: Resend| store.decide(decide(&stores, id, CaseStatus::Repaired, Some(send)));
    assert_eq!(repair(resend("a", 1)).await, Err(StoreError::Conflict), "it is on its way");
    deliver(&stores).await;
    let delivered = stores.log().await.len();
    assert!(delivered > records);
    assert_eq!(repair(resend("a", 2)).await, Err(StoreError::Conflict), "it has another revision");
    let with_steps = Resend { expected_steps: 1, ..resend("a", 1) };
    assert_eq!(repair(with_steps).await, Err(StoreError::Conflict), "it has other steps");
    assert_eq!(store.case(id).await.unwrap().unwrap().status, CaseStatus::Open);
    assert_eq!((stores.log().await.len(), open_items(&stores).await), (delivered, 0), "and nothing was left of it");
    let send = resend("a", 1);
    let (operation, item) = (send.operation_id, send.items[0].id);
    repair(send).await.unwrap();
    let case = store.case(id).await.unwrap().unwrap();
    assert_eq!((case.status, case.operation_id), (CaseStatus::Repaired, Some(operation)));
    assert_eq!((stores.log().await.len(), open_items(&stores).await), (delivered + 1, 1));
    assert_eq!(stores.outbox.item(item).await.unwrap().unwrap().lane, "a");
    deliver(&stores).await;
    assert_eq!(repair(resend("a", 1)).await, Err(StoreError::NotApplicable), "once");
    let nothing = decide(&stores, Uuid::now_v7(), CaseStatus::Dismissed, None);
    assert_eq!(store.decide(nothing).await, Err(StoreError::NotApplicable));
}

async fn open_items(stores: &Stores) -> i64 {
    stores.count("SELECT count(*) FROM outbox WHERE is_open").await
}

async fn codes_that_nobody_here_knows_are_told_from_those_that_somebody_does(stores: Stores) {
    let store = store(&stores);
    dossier(&stores, "b", None).await;
    let mut run = run(Origin::Operator);
    let listed = |code: &str, side| Listed { code: code.into(), side };
    store.list(run.id, vec![listed("a", Side::National), listed("b", Side::National)]).await.unwrap();
    store
        .list(run.id, vec![listed("a", Side::Local), listed("c", Side::Local), listed("c", Side::Local)])
        .await
        .unwrap();
    store.ask(run.clone(), None).await.unwrap();
    assert_eq!(store.count(&run).await.unwrap(), 5, "one dossier, and four lines");
    let (mut after, mut unknown) = (String::new(), Vec::new());
    while let (more, Some(last)) = store.unknown_listed(run.id, after, 1).await.unwrap() {
        unknown.extend(more.into_iter().map(|one| (one.code, one.side)));
        after = last;
    }
    assert_eq!(unknown, [("a".to_owned(), Side::Local), ("c".to_owned(), Side::Local)]);
    let given = [found("b", Class::NeverGiven, "absent"), found("c", Class::NeverGiven, "absent")];
    store.save(page(&mut run, given.to_vec(), vec![])).await.unwrap();
    run.enter(Phase::Done);
    store.save(Page { is_last: true, ..page(&mut run, vec![], vec![]) }).await.unwrap();
    assert_eq!(stores.count("SELECT count(*) FROM agreement_listed").await, 0);
    let of = async |status| {
        let query = CaseQuery { status: Some(status), limit: 10, ..CaseQuery::default() };
        store.cases(query).await.unwrap().into_iter().map(|case| case.code).collect::<Vec<_>>()
    };
    assert_eq!(
        (of(CaseStatus::Settled).await, of(CaseStatus::Open).await),
        (vec!["b".to_owned()], vec!["c".to_owned()])
    );
    assert_eq!(all(&*store).await[0].repair, Repair::Ask);
}
