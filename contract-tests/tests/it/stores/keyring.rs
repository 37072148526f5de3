//! Which keys are in use, on which replicas they are, and what is wrapped anew.

use std::sync::{Arc, Mutex};

use lienthong::audit::{Draft, Kind, NewGeneration, Outcome, SealedRecord};
use lienthong::keyring::store::{KeyStore, ReplicaKeys, WrappedBody};
use lienthong::keyring::{Keyring, Standing};
use lienthong::storage::StoreError;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::generations::{Generation, KeyName, Purpose};
use lienthong::storage::keys::Keys;
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
use uuid::Uuid;

use super::writes::put;
use super::{Hand, Stores, on_both_engines};

fn key(purpose: Purpose, number: u32) -> KeyName {
    KeyName { purpose, number }
}

fn store(stores: &Stores) -> Arc<dyn KeyStore> {
    lienthong::keyring::store::open(&stores.database)
}

fn keyring(stores: &Stores) -> Keyring {
    let keys = Arc::new(Keys::open(&stores.folder.path().join("keys"), false, &[]).unwrap());
    Keyring {
        store: store(stores),
        database: stores.database.clone(),
        bodies: Arc::new(Bodies::new(Arc::clone(&keys))),
        keys,
        recorder: Arc::clone(&stores.recorder),
        clock: Arc::new(SystemClock),
    }
}

fn record(stores: &Stores, op: &'static str, name: KeyName) -> SealedRecord {
    let mut draft = Draft::new(Kind::Key, op, Outcome::decided("done"));
    draft.generation = Some(NewGeneration { name: name.to_string(), public: None });
    stores.recorder.seal(&draft).unwrap()
}

/// As many as this replica has told.
async fn tell(stores: &Stores, keys: &str, contents_key: Option<i64>) {
    let keys = ReplicaKeys { id: stores.replica, keys: keys.to_owned(), contents_key };
    store(stores).tell(keys.clone()).await.unwrap();
    assert!(store(stores).replicas().await.unwrap().contains(&keys));
}

async fn a_key_is_taken_into_use_once_and_retired_once_each_on_record(stores: Stores) {
    let (name, at) = (key(Purpose::Log, 2), Timestamp::from_micros(5));
    let used = Generation { key: name, used_from: at, retired_at: None, public: Some([7; 32]) };
    let retired = Generation { retired_at: Some(Timestamp::from_micros(9)), ..used.clone() };
    let store = store(&stores);
    tell(&stores, "audit-1", None).await;
    let lacking = store.take_into_use(used.clone(), record(&stores, "key.use", name)).await.unwrap();
    assert_eq!(lacking.map(|replica| replica.id), Some(stores.replica));
    assert_eq!(stores.database.generations().await.unwrap(), []);
    tell(&stores, "audit-1 audit-2", None).await;
    assert_eq!(store.take_into_use(used.clone(), record(&stores, "key.use", name)).await.unwrap(), None);
    let twice = store.take_into_use(used.clone(), record(&stores, "key.use", name)).await;
    assert!(matches!(twice, Err(StoreError::Conflict)), "{twice:?}");
    assert_eq!(stores.database.generations().await.unwrap(), [used]);
    store.retire(retired.clone(), record(&stores, "key.retire", name)).await.unwrap();
    let twice = store.retire(retired.clone(), record(&stores, "key.retire", name)).await;
    assert!(matches!(twice, Err(StoreError::Conflict)), "{twice:?}");
    assert_eq!(stores.database.generations().await.unwrap(), [retired]);
    let leadership = stores.lead().await;
    while stores.audit.place(leadership, 100).await.unwrap() > 0 {}
    let log = format!("test/audit/{}", stores.recorder.half_years()[0]);
    let records = stores.audit.records(&log, 0, 10).await.unwrap();
    assert_eq!(records.len(), 2, "what was not done is not recorded");
}

async fn a_key_is_used_only_once_every_replica_has_it_and_destroyed_only_once_every_replica_uses_a_newer_one(
    stores: Stores,
) {
    let keyring = keyring(&stores);
    let names = keyring.keys.names(&stores.recorder.half_years()[0]);
    stores.database.check_keys(&keyring.keys, &names).await.unwrap();
    let name = keyring.add(Purpose::Contents).await.unwrap();
    assert_eq!(name, key(Purpose::Contents, 2));
    tell(&stores, "audit-1 bodies-1", Some(1)).await;
    let refused = keyring.take_into_use(name, "officer").await.unwrap_err().to_string();
    assert!(refused.contains(&stores.replica.to_string()), "{refused}");
    tell(&stores, "audit-1 bodies-1 bodies-2", Some(1)).await;
    keyring.take_into_use(name, "officer").await.unwrap();
    let refused = keyring.retire(key(Purpose::Contents, 1), "officer", &mut |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("older key"), "{refused}");
    tell(&stores, "audit-1 bodies-1 bodies-2", Some(2)).await;
    std::fs::copy(keyring.keys.folder().join("bodies-1.key"), stores.folder.path().join("kept")).unwrap();
    keyring.retire(key(Purpose::Contents, 1), "officer", &mut |_| {}).await.unwrap();
    assert_eq!(keyring.keys.files().unwrap(), [name, key(Purpose::Log, 1)]);
    assert!(!stores.database.known_keys().await.unwrap().contains(&"bodies-1.key".to_owned()));
    // A copy of it on another replica goes too, in a while.
    let (file, kept) = (keyring.keys.folder().join("bodies-1.key"), stores.folder.path().join("kept"));
    std::fs::copy(&kept, &file).unwrap();
    keyring.destroy_retired().await.unwrap();
    assert!(file.exists(), "not at once");
    let later = SystemClock.now().plus_millis(601_000);
    let keyring = Keyring { clock: Arc::new(Hand(Mutex::new(later))), ..keyring };
    keyring.destroy_retired().await.unwrap();
    assert!(!file.exists());
    // An interruption before the last step.
    std::fs::copy(&kept, &file).unwrap();
    assert!(keyring.all().await.unwrap().contains(&(key(Purpose::Contents, 1), Standing::RetiredAndHere)));
    keyring.retire(key(Purpose::Contents, 1), "officer", &mut |_| {}).await.unwrap();
    assert!(!file.exists());
    let refused = keyring.retire(key(Purpose::Contents, 1), "officer", &mut |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("not in use"), "{refused}");
    // Whoever still believes in the old key, because he was away, can write nothing under it.
    let refused = stores.dossiers.put(put(&stores, "H15.50-261122-0001", None)).await;
    assert!(refused.is_err(), "the key of this content is destroyed");
    assert_eq!(keyring.store.bodies(Uuid::nil(), 10).await.unwrap(), []);
    let again = keyring.take_into_use(key(Purpose::Contents, 1), "officer").await.unwrap_err().to_string();
    assert!(again.contains("retired"), "{again}");
    assert_eq!(keyring.add(Purpose::Contents).await.unwrap(), key(Purpose::Contents, 3), "no number is given twice");
}

async fn what_was_changed_meanwhile_is_not_wrapped_over(stores: Stores) {
    let store = store(&stores);
    let bodies = super::erasure::dossier(&stores, "H15.50-261122-0001").await;
    let page = store.bodies(Uuid::nil(), 2).await.unwrap();
    assert_eq!((page.len(), page[0].key), (2, 1));
    assert!(page[0].id < page[1].id);
    assert_eq!(store.bodies(page[1].id, 10).await.unwrap().len(), bodies.len() - 2);
    let other = WrappedBody { wrapped: vec![1; 60], ..page[1].clone() };
    store.wrap(vec![(page[0].clone(), 2, vec![8; 60]), (other, 2, vec![9; 60])]).await.unwrap();
    let now = store.bodies(Uuid::nil(), 2).await.unwrap();
    assert_eq!(now[0], WrappedBody { id: page[0].id, key: 2, wrapped: vec![8; 60] });
    assert_eq!(now[1], page[1]);
    store.settle().await.unwrap();
}

on_both_engines! {
    a_key_is_taken_into_use_once_and_retired_once_each_on_record,
    a_key_is_used_only_once_every_replica_has_it_and_destroyed_only_once_every_replica_uses_a_newer_one,
    what_was_changed_meanwhile_is_not_wrapped_over,
}
