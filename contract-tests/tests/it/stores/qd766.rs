//! What the report reads: every dossier that changed, with what was delivered of it and nothing else; and what the catalogue says of
//! its procedure.

use std::sync::Arc;

use lienthong::agreement::Place;
use lienthong::agreement::qd766::store::{Changed, HeldStore, StoredDossier, open};
use lienthong::audit::{Draft, Kind, LegalGround, Outcome};
use lienthong::catalogue::entry::{Change, EntryStanding, List, Summary, Version};
use lienthong::catalogue::store::{Add, NewVersion};
use lienthong::catalogue::{Copy, Facts};
use lienthong::dossiers::{ROUTE, STEP, SYNC};
use lienthong::erasure::{Eraser, Order, Target};
use lienthong::outbox::store::Settlement;
use lienthong::outbox::{Learned, Status};
use lienthong_domain::catalogue::{
    Method, ProcedureCode, ProcedureDetail, ProcessingTime, PublishedFee, PublishedFile, ResultPaper, TimeUnit,
};
use lienthong_domain::dossier::Channel;
use lienthong_domain::indicators::ProcedureFacts;
use lienthong_domain::port::{Presence, ProcedureFactsSource};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Duration, DurationUnit, Timestamp};

use super::writes::{LEASE, at, put, settlement, steps};
use super::{Stores, on_both_engines};

on_both_engines!(
    what_was_delivered_is_read_and_what_waits_is_not,
    pages_follow_one_another_and_are_of_the_agencies_that_are_asked_for,
    what_the_catalogue_says_in_numbers_is_known_and_the_rest_is_not,
);

fn store(stores: &Stores) -> Arc<dyn HeldStore> {
    open(&stores.database, &stores.bodies)
}

fn all() -> Changed {
    Changed { since: Timestamp::from_micros(0), agencies: None }
}

async fn read(stores: &Stores, changed: Changed) -> Vec<StoredDossier> {
    store(stores).page(changed, Place::default(), 100).await.unwrap()
}

async fn dossier(stores: &Stores, code: &str, agency: &str) {
    let mut write = put(stores, code, None);
    write.item.route = ROUTE;
    write.row.agency_id = agency.into();
    stores.dossiers.put(write).await.unwrap();
}

/// Delivers what is due, once.
async fn deliver(stores: &Stores) {
    for item in stores.outbox.claim(stores.replica, at(0), LEASE, 100).await.unwrap() {
        let acknowledged_revision = (item.item.kind == SYNC).then_some(item.item.ordinal);
        let learned = Learned { presence: Some(Presence::Present), acknowledged_revision };
        let settled = Settlement { learned, ..settlement(&item, Status::Delivered, None) };
        assert!(stores.outbox.settle(settled).await.unwrap());
    }
}

fn steps_of(dossier: &StoredDossier) -> Vec<String> {
    dossier.steps.delivered.iter().map(|step| String::from_utf8(step.to_vec()).unwrap()).collect()
}

async fn what_was_delivered_is_read_and_what_waits_is_not(stores: Stores) {
    dossier(&stores, "a", "H15").await;
    let mut more = steps(&stores, "a", 0, 2, "k1");
    more.items.iter_mut().for_each(|item| (item.route, item.kind) = (ROUTE, STEP));
    stores.dossiers.append_steps(more).await.unwrap();
    let one = &read(&stores, all()).await[0];
    assert_eq!((one.revision, one.acknowledged_revision, steps_of(one), one.steps.some_wait), (1, None, vec![], true));
    assert_eq!(one.content.as_ref().unwrap().as_slice(), b"a at 1");
    // The full state, then a step at a time.
    deliver(&stores).await;
    let one = &read(&stores, all()).await[0];
    assert_eq!((one.acknowledged_revision, steps_of(one)), (Some(1), vec![]));
    deliver(&stores).await;
    let one = &read(&stores, all()).await[0];
    assert_eq!((steps_of(one), one.steps.some_wait), (vec!["a step 1".to_owned()], true));
    deliver(&stores).await;
    let one = &read(&stores, all()).await[0];
    assert_eq!((steps_of(one), one.steps.some_wait), (vec!["a step 1".to_owned(), "a step 2".to_owned()], false));
    assert!(!one.steps.some_are_erased);
    // A newer state is on its way.
    let mut newer = put(&stores, "a", Some(1));
    newer.item.route = ROUTE;
    stores.dossiers.put(newer).await.unwrap();
    let one = &read(&stores, all()).await[0];
    assert_eq!((one.revision, one.acknowledged_revision), (2, Some(1)));
    deliver(&stores).await;
    let eraser = Eraser { store: lienthong::erasure::store::open(&stores.database), recorder: stores.recorder.clone() };
    let contents = eraser.find(&Target::Dossier("a".into())).await.unwrap();
    let order = Order { ground: LegalGround::OnRequest, document: None, officer: None };
    eraser.erase(&contents, &order).await.unwrap();
    let one = &read(&stores, all()).await[0];
    assert!(one.content.is_none() && one.steps.delivered.is_empty(), "{one:?}");
    assert!(one.steps.some_are_erased && !one.steps.some_wait, "{one:?}");
    assert_eq!(one.acknowledged_revision, Some(2));
}

async fn pages_follow_one_another_and_are_of_the_agencies_that_are_asked_for(stores: Stores) {
    // Codes the other way round than changes.
    for n in 0..7 {
        dossier(&stores, &format!("d{}", 9 - n), ["H15", "H15.50"][n % 2]).await;
    }
    let store = store(&stores);
    let (mut after, mut found) = (Place::default(), Vec::new());
    loop {
        let page = store.page(all(), after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Place { at: last.updated_at, code: last.code.clone() };
        found.extend(page);
    }
    let codes = |found: Vec<StoredDossier>| found.into_iter().map(|dossier| dossier.code).collect::<Vec<_>>();
    let changed: Vec<i64> = found.iter().map(|dossier| dossier.updated_at).collect();
    assert_eq!(codes(found), ["d9", "d8", "d7", "d6", "d5", "d4", "d3"]);
    let of = |since: i64, agencies: &[&str]| Changed {
        since: Timestamp::from_micros(since),
        agencies: Some(agencies.iter().map(|agency| (*agency).to_owned()).collect()),
    };
    let last = changed[6];
    for (changed, expected) in [
        (of(0, &["H15.50", "H99"]), vec!["d8", "d6", "d4"]),
        (of(changed[3], &["H15.50"]), vec!["d6", "d4"]),
        (of(changed[4], &["H15", "H15.50"]), vec!["d5", "d4", "d3"]),
        (of(0, &[]), vec![]),
        (Changed { since: Timestamp::from_micros(last), agencies: None }, vec!["d3"]),
        (Changed { since: Timestamp::from_micros(last + 1), agencies: None }, vec![]),
    ] {
        assert_eq!(store.count(changed.clone()).await.unwrap(), expected.len() as u64, "{changed:?}");
        assert_eq!(codes(read(&stores, changed).await), expected);
    }
}

fn text<T: Scalar>(text: &str) -> Option<T> {
    Some(T::parse(text).unwrap())
}

/// Times as `5 working_day` with amounts, one time limit a line.
fn procedure(times: &[(&str, &[&str])], returns: bool) -> ProcedureDetail {
    let time = |(limit, fees): &(&str, &[&str])| {
        let (value, unit) = limit.split_once(' ').unwrap_or((limit, ""));
        ProcessingTime {
            value: text(value),
            unit: TimeUnit::parse(unit).ok(),
            note: None,
            fees: fees.iter().map(|amount| PublishedFee { amount: text(amount), ..Default::default() }).collect(),
        }
    };
    // Half of them in person, half online: all count.
    let method = |channel, times: &[(&str, &[&str])]| Method { channel, times: times.iter().map(time).collect() };
    let (direct, online) = times.split_at(times.len() / 2);
    ProcedureDetail {
        methods: vec![method(Channel::Direct, direct), method(Channel::Online, online)],
        results: if returns { vec![ResultPaper::default()] } else { vec![] },
        ..ProcedureDetail::default()
    }
}

async fn what_the_catalogue_says_in_numbers_is_known_and_the_rest_is_not(stores: Stores) {
    let working_days = |amount| Some(Duration { amount, unit: DurationUnit::WorkingDay });
    let facts = |returns_paper: Option<bool>, bears_fees, longest_legal_time| ProcedureFacts {
        returns_paper,
        bears_fees,
        longest_legal_time,
    };
    let free = || PublishedFee { amount: text("0"), ..Default::default() };
    let with_fee = |fee: PublishedFee| {
        let mut procedure = procedure(&[("3 working_day", &[])], true);
        procedure.methods[1].times[0].fees = vec![fee];
        procedure
    };
    let table = [
        (
            procedure(&[("3 working_day", &["50.000"]), ("5 working_day", &["0"])], true),
            facts(Some(true), Some(true), working_days(5)),
        ),
        (
            procedure(&[("3 working_day", &["0"]), ("1 working_day", &["0 đồng"])], true),
            facts(Some(true), None, working_days(3)),
        ),
        (
            procedure(&[("3 working_day", &["0"]), ("1 working_day", &["0,0"])], false),
            facts(None, Some(false), working_days(3)),
        ),
        (procedure(&[("3 working_day", &[])], true), facts(Some(true), Some(false), working_days(3))),
        (procedure(&[("3 working_day", &["Theo quy định"])], true), facts(Some(true), None, working_days(3))),
        (with_fee(PublishedFee { note: text("Theo Nghị quyết"), ..free() }), facts(Some(true), None, working_days(3))),
        (
            with_fee(PublishedFee { file: Some(PublishedFile::default()), ..free() }),
            facts(Some(true), None, working_days(3)),
        ),
        (with_fee(free()), facts(Some(true), Some(false), working_days(3))),
        (
            procedure(&[("3 working_day", &["Theo quy định", "1"])], true),
            facts(Some(true), Some(true), working_days(3)),
        ),
        (procedure(&[("3 working_day", &["0"]), ("1 month", &["0"])], true), facts(Some(true), Some(false), None)),
        (procedure(&[("3 working_day", &["0"]), ("Trong ngày", &["0"])], true), facts(Some(true), Some(false), None)),
        (procedure(&[("0 day", &["0"])], true), facts(Some(true), Some(false), None)),
        (procedure(&[], true), facts(Some(true), None, None)),
        (ProcedureDetail::default(), facts(None, None, None)),
    ];
    let catalogue = lienthong::catalogue::store::open(&stores.database);
    let versions = (1..).zip(&table).map(|(number, (detail, _))| NewVersion {
        version: Version {
            number,
            list: List::Procedures,
            code: format!("1.{number:06}"),
            name: None,
            standing: EntryStanding::Withdrawn,
            change: Change::Added,
            since: at(number),
            summary: Summary::default(),
            digest: [0; 32],
        },
        content: serde_json::to_string(detail).unwrap(),
    });
    let draft = Draft::new(Kind::Config, "catalogue.change", Outcome::decided("done"));
    let record = stores.recorder.seal(&draft).unwrap();
    catalogue.add(Add { after: 0, versions: versions.collect(), record }).await.unwrap();
    let copy = Arc::new(Copy::open(Arc::clone(&catalogue)).await.unwrap());
    let source = Facts { copy, store: catalogue };
    for (n, (detail, expected)) in (1..).zip(table) {
        // The same procedure, whoever is written behind it.
        for code in [format!("1.{n:06}"), format!("1.{n:06}.H15")] {
            let found = source.facts(&ProcedureCode::parse(&code).unwrap()).await.unwrap();
            assert_eq!(found, expected, "{detail:?}");
        }
    }
    let unknown = source.facts(&ProcedureCode::parse("9.999999").unwrap()).await.unwrap();
    assert_eq!(unknown, ProcedureFacts::default());
}
