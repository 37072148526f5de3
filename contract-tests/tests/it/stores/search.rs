//! Records by what they are about: what is found is exactly what there is, whatever is asked, page by page.

use std::sync::{Arc, Mutex};

use lienthong::audit::memory::Memory;
use lienthong::audit::publish::Publisher;
use lienthong::audit::search::{Members, Question, search};
use lienthong::audit::signer::Signer;
use lienthong::audit::store::PlacedRecord;
use lienthong::audit::{Draft, Kind, Outcome, Recorder};
use lienthong::storage::keys::Keys;
use lienthong_domain::personal::Personal;
use lienthong_domain::time::{Clock, SystemClock};

use super::{Hand, Stores, instant, on_both_engines};

/// The end of a half-year of Vietnam time: there are two logs.
const NEW_YEAR: &str = "2026-12-31T17:00:00Z";
/// More than four zones.
const RECORDS: i64 = 1300;

fn person(n: u64) -> String {
    format!("00109901{n:04}")
}

/// Records of some clients about some dossiers and people, a minute apart, not quite in the order of their times.
pub(super) async fn fill(stores: &Stores) -> Recorder {
    let keys = Arc::new(Keys::open(&stores.folder.path().join("keys"), true, &[]).unwrap());
    for half_year in ["2026h2", "2027h1"] {
        keys.make(&keys.names(half_year)).unwrap();
    }
    let clock = Arc::new(Hand(Mutex::new(instant(NEW_YEAR))));
    let recorder = Recorder::new("test".into(), Arc::clone(&keys), Arc::clone(&clock) as Arc<dyn Clock>);
    let mut rng = fastrand::Rng::with_seed(3);
    let leadership = stores.lead().await;
    let publisher = Publisher::new(
        Arc::clone(&stores.audit),
        Arc::new(Signer::new(Arc::clone(&keys))),
        Arc::new(Memory::new(stores.folder.path())),
        Arc::new(SystemClock),
    );
    for n in 0..RECORDS {
        let minutes = n - RECORDS * 3 / 4 - rng.i64(0..3);
        *clock.0.lock().unwrap() = instant(NEW_YEAR).plus_millis(minutes * 60_000);
        let (client, code, someone) =
            (format!("c{}", rng.u8(0..4)), format!("d{}", rng.u8(0..40)), person(rng.u64(0..20)));
        let (kind, op, decision) = *rng
            .choice(&[
                (Kind::Accept, "dossier.sync", "accepted"),
                (Kind::Accept, "dossier.step", "accepted"),
                (Kind::Refuse, "dossier.sync", "refused"),
                (Kind::BodyRead, "dossier.view", "shown"),
            ])
            .unwrap();
        let mut draft = Draft::new(kind, op, Outcome::decided(decision)).client(&client, "H15.50").subject(&code);
        draft.person = (kind != Kind::Refuse).then_some(someone.as_str());
        stores.audit.append(recorder.seal(&draft).unwrap()).await.unwrap();
        if n == RECORDS - 40 {
            // What follows has no zone yet.
            while stores.audit.place(leadership, 1000).await.unwrap() > 0 {}
            publisher.turn(leadership).await.unwrap();
        }
    }
    while stores.audit.place(leadership, 1000).await.unwrap() > 0 {}
    recorder
}

fn random_question(rng: &mut fastrand::Rng) -> Question {
    let rarely = if rng.bool() { 3 } else { 40 };
    let mut maybe = |text: &str| (rng.u8(0..rarely) == 0).then(|| text.to_owned());
    let (client, dossier, kind) = (maybe("c1"), maybe("d7"), maybe("accept"));
    let (operation, decision) = (maybe("dossier.sync"), maybe("accepted"));
    let person = (rng.u8(0..rarely) == 0).then(|| Personal::new(person(rng.u64(0..21))));
    // Often where a zone ends: there a record is easily left out.
    let time = |rng: &mut fastrand::Rng| {
        let minutes = match rng.choice([-719, -463, -207, 256]) {
            Some(edge) if rng.bool() => edge + rng.i64(-12..12),
            _ => rng.i64(-1100..400),
        };
        rng.bool().then(|| instant(NEW_YEAR).plus_millis(minutes * 60_000))
    };
    Question { from: time(rng), until: time(rng), kind, operation, decision, client, dossier, person }
}

/// What a question means, without zones, pages or budgets.
fn answers(question: &Question, recorder: &Recorder, shard: &str, record: &PlacedRecord) -> bool {
    let members: Members<'_> = serde_json::from_slice(&record.bytes).unwrap();
    let pseudonym = |text: &str| recorder.pseudonym(shard, text).unwrap();
    question.from.is_none_or(|from| record.at >= from)
        && question.until.is_none_or(|until| record.at < until)
        && question.kind.as_deref().is_none_or(|kind| members.kind == kind)
        && question.operation.as_deref().is_none_or(|op| members.op == op)
        && question.decision.as_deref().is_none_or(|decision| members.outcome.decision == decision)
        && question.client.as_deref().is_none_or(|client| members.client == Some(client))
        && question.dossier.as_deref().is_none_or(|code| members.subject == pseudonym(code).as_deref())
        && question.person.as_ref().is_none_or(|person| members.person == pseudonym(person.expose()).as_deref())
}

async fn what_is_found_is_what_there_is_newest_first_page_by_page(stores: Stores) {
    let recorder = fill(&stores).await;
    let mut everything = Vec::new();
    for shard in stores.audit.shards().await.unwrap().into_iter().rev() {
        let mut records = stores.audit.records(&shard, 0, 10_000).await.unwrap();
        records.reverse();
        everything.extend(records.into_iter().map(|record| (shard.clone(), record)));
    }
    assert_eq!(everything.len() as i64, RECORDS);
    assert!(stores.audit.zones("test/audit/2026h2", 0, 10).await.unwrap().len() >= 3, "some have zones");
    let (mut rng, mut found_at_all) = (fastrand::Rng::with_seed(7), 0);
    for round in 0..200 {
        let question = random_question(&mut rng);
        let expected: Vec<(String, u64)> = everything
            .iter()
            .filter(|(shard, record)| answers(&question, &recorder, shard, record))
            .map(|(shard, record)| (shard.clone(), record.index))
            .collect();
        let (limit, mut after, mut found) = (rng.usize(10..200), None, Vec::new());
        loop {
            let page = search(&*stores.audit, &recorder, &question, after.as_ref(), limit, |_| true).await.unwrap();
            assert!(page.found.len() <= limit && page.without_key.is_empty());
            found.extend(page.found.into_iter().map(|found| (found.shard, found.record.index)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "round {round}: {question:?}");
        found_at_all += expected.len();
    }
    assert!(found_at_all > 1000, "the questions find nothing");
}

async fn what_the_asker_may_not_see_is_not_found_and_costs_no_place_on_the_page(stores: Stores) {
    let recorder = fill(&stores).await;
    let may_see = |members: &Members<'_>| members.client == Some("c2");
    let page = search(&*stores.audit, &recorder, &Question::default(), None, 50, may_see).await.unwrap();
    assert_eq!(page.found.len(), 50);
    for found in &page.found {
        assert!(serde_json::from_slice::<Members<'_>>(&found.record.bytes).unwrap().client == Some("c2"));
    }
}

async fn a_log_whose_key_was_destroyed_tells_of_no_dossier_and_no_person_and_is_named(stores: Stores) {
    fill(&stores).await;
    std::fs::remove_file(stores.folder.path().join("keys/shard-2026h2.key")).unwrap();
    // As after the next start: the key is in no memory either.
    let keys = Arc::new(Keys::open(&stores.folder.path().join("keys"), false, &[]).unwrap());
    let recorder = Recorder::new("test".into(), keys, Arc::new(SystemClock));
    let of = |question: Question| {
        let (store, recorder) = (Arc::clone(&stores.audit), &recorder);
        async move { search(&*store, recorder, &question, None, 1000, |_| true).await.unwrap() }
    };
    let by_dossier = of(Question { dossier: Some("d7".into()), ..Question::default() }).await;
    assert_eq!(by_dossier.without_key, ["test/audit/2026h2"]);
    assert!(!by_dossier.found.is_empty());
    assert!(by_dossier.found.iter().all(|found| found.shard == "test/audit/2027h1"));
    let by_client = of(Question { client: Some("c1".into()), ..Question::default() }).await;
    assert_eq!(by_client.without_key, Vec::<String>::new());
    assert!(by_client.found.iter().any(|found| found.shard == "test/audit/2026h2"), "what is no pseudonym is found");
}

on_both_engines! {
    what_is_found_is_what_there_is_newest_first_page_by_page,
    what_the_asker_may_not_see_is_not_found_and_costs_no_place_on_the_page,
    a_log_whose_key_was_destroyed_tells_of_no_dossier_and_no_person_and_is_named,
}
