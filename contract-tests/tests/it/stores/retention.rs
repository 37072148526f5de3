//! A log that is over is closed, and its records are dropped once they were kept for long enough: on record, and so that what is
//! left can be verified.

use std::sync::{Arc, Mutex};

use lienthong::audit::export::Folder;
use lienthong::audit::log::VerifierKey;
use lienthong::audit::memory::Memory;
use lienthong::audit::publish::Publisher;
use lienthong::audit::retention::{Retention, unexplained};
use lienthong::audit::signer::Signer;
use lienthong::audit::store::LogReader;
use lienthong::audit::verify::{Trust, Verdict, verify};
use lienthong::audit::{Draft, Kind, Outcome, Recorder, read};
use lienthong::replicas::Leadership;
use lienthong::storage::keys::Keys;
use lienthong_domain::time::Clock;

use super::{Hand, Stores, instant, on_both_engines};

const LOG: &str = "test/audit/2026h2";
/// More than are dropped in one transaction.
const RECORDS: usize = 5300;

struct Setting {
    clock: Arc<Hand>,
    keys: Arc<Keys>,
    recorder: Arc<Recorder>,
    publisher: Publisher,
    retention: Retention,
    leadership: Leadership,
}

impl Setting {
    async fn new(stores: &Stores) -> Self {
        let keys = Arc::new(Keys::open(&stores.folder.path().join("keys"), true, &[]).unwrap());
        for half_year in ["2026h2", "2027h1", "2028h2", "2029h1"] {
            keys.make(&keys.names(half_year)).unwrap();
        }
        let clock = Arc::new(Hand(Mutex::new(instant("2026-12-01T00:00:00Z"))));
        let as_clock = || Arc::clone(&clock) as Arc<dyn Clock>;
        let recorder = Arc::new(Recorder::new("test".into(), Arc::clone(&keys), as_clock()));
        let (signer, memory) = (Arc::new(Signer::new(Arc::clone(&keys))), Arc::new(Memory::new(stores.folder.path())));
        let publisher = Publisher::new(Arc::clone(&stores.audit), Arc::clone(&signer), memory, as_clock());
        let (store, leadership) = (Arc::clone(&stores.audit), stores.lead().await);
        let retention = Retention { store, recorder: Arc::clone(&recorder), signer, clock: as_clock() };
        Self { clock, keys, recorder, publisher, retention, leadership }
    }

    fn at(&self, text: &str) {
        *self.clock.0.lock().unwrap() = instant(text);
    }

    async fn record(&self, stores: &Stores, count: usize) {
        let draft = Draft::new(Kind::Accept, "dossier.sync", Outcome::decided("accepted"));
        let records: Vec<_> = (0..count).map(|_| self.recorder.seal(&draft).unwrap()).collect();
        let appends = records.into_iter().map(|record| stores.audit.append_always(record));
        futures::future::join_all(appends).await.into_iter().for_each(|result| result.unwrap());
        self.sign(stores).await;
    }

    async fn sign(&self, stores: &Stores) {
        while stores.audit.place(self.leadership, 1000).await.unwrap() > 0 {}
        self.publisher.turn(self.leadership).await.unwrap();
    }

    fn keys_of(&self, log: &str) -> Vec<VerifierKey> {
        self.publisher.signer.verifiers(log).unwrap()
    }

    async fn verify(&self, log: &dyn LogReader) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for shard in log.shards().await.unwrap() {
            let trust = Trust { keys: self.keys_of(&shard), ..Trust::default() };
            let verdict = verify(log, &shard, &trust, &mut |_| {}).await.unwrap();
            assert_eq!(verdict.wrong, None, "{shard}");
            verdicts.push(verdict);
        }
        verdicts
    }
}

async fn a_log_that_is_over_is_closed_and_dropped_on_record_when_its_time_has_come(stores: Stores) {
    let setting = Setting::new(&stores).await;
    setting.record(&stores, RECORDS).await;
    let record = stores.audit.records(LOG, 77, 1).await.unwrap().pop().unwrap();
    let proof = read::prove(&*stores.audit, LOG, record, |log| Ok(setting.keys_of(log))).await.unwrap().unwrap();
    setting.at("2026-12-31T17:30:00Z");
    assert!(!setting.retention.turn(12).await.unwrap());
    assert_eq!(stores.audit.closed().await.unwrap(), [], "it is over for half an hour");
    setting.at("2026-12-31T18:00:01Z");
    for _ in 0..2 {
        assert!(!setting.retention.turn(12).await.unwrap());
    }
    let closed = stores.audit.closed().await.unwrap();
    assert_eq!((closed.len(), closed[0].shard.as_str(), closed[0].size), (1, LOG, RECORDS as u64));
    setting.sign(&stores).await;
    assert_eq!(stores.audit.head("test/audit/2027h1").await.unwrap().unwrap().size(), 1, "the record that closes it");

    // Two years later.
    setting.at("2028-12-31T16:59:59Z");
    while setting.retention.turn(24).await.unwrap() {}
    assert_eq!(stores.audit.records(LOG, 0, 10_000).await.unwrap().len(), RECORDS);
    setting.at("2028-12-31T17:00:00Z");
    assert!(!setting.retention.turn(0).await.unwrap(), "kept for ever");
    let mut turns = 0;
    while setting.retention.turn(24).await.unwrap() {
        turns += 1;
        // Whoever verifies meanwhile finds nothing wrong.
        setting.sign(&stores).await;
        let verdicts = setting.verify(&*stores.audit).await;
        assert_eq!(unexplained(&*stores.audit, &verdicts).await.unwrap(), Vec::<String>::new());
    }
    assert!(turns >= 3, "{turns}");
    assert_eq!(stores.audit.records(LOG, 0, 10).await.unwrap(), []);
    assert_eq!(stores.audit.checkpoints(LOG, 0, 10).await.unwrap().len(), 1, "what was signed last stays");
    let known = stores.database.known_keys().await.unwrap();
    assert!(!known.contains(&"shard-2026h2.key".to_owned()), "nobody is to miss it: {known:?}");
    setting.keys.destroy_shard(LOG).unwrap();
    assert!(setting.keys.known_shard("2026h2").unwrap().is_none());
    proof.verify(&setting.keys_of(LOG)).expect("a proof from before verifies for ever");

    let verdicts = setting.verify(&*stores.audit).await;
    assert!(verdicts[0].dropped.is_some());
    // That it was to be dropped must be on record in a log that is verified itself.
    let mut others = verdicts.clone();
    others.iter_mut().for_each(|verdict| verdict.proved = 0);
    assert_eq!(unexplained(&*stores.audit, &others).await.unwrap(), [LOG]);
    let mut others = verdicts.clone();
    others[0].dropped.as_mut().unwrap().0.size += 1;
    assert_eq!(unexplained(&*stores.audit, &others).await.unwrap(), [LOG], "the record says another thing");

    let outside = tempfile::tempdir().unwrap();
    let folder = Folder::new(&outside.path().join("export"));
    for shard in stores.audit.shards().await.unwrap() {
        folder.write(&*stores.audit, &shard, None, &mut |_| {}).await.unwrap();
    }
    let exported = setting.verify(&folder).await;
    assert!(exported[0].dropped.is_some());
    assert_eq!(unexplained(&folder, &exported).await.unwrap(), Vec::<String>::new());
}

on_both_engines! {
    a_log_that_is_over_is_closed_and_dropped_on_record_when_its_time_has_come
}
