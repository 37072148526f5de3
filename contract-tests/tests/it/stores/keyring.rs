//! Which keys are in use, on which replicas they are, and what is wrapped anew.

use std::sync::Arc;

use lienthong::audit::{Draft, Kind, NewGeneration, Outcome, SealedRecord};
use lienthong::keyring::Keyring;
use lienthong::keyring::store::{KeyStore, ReplicaKeys};
use lienthong::storage::StoreError;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::generations::{Generation, KeyName, Purpose};
use lienthong::storage::keys::Keys;
use lienthong_domain::time::{SystemClock, Timestamp};
use uuid::Uuid;

use super::{Stores, on_both_engines};

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
    store.take_into_use(used.clone(), record(&stores, "key.use", name)).await.unwrap();
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
    keyring.retire(key(Purpose::Contents, 1), "officer", &mut |_| {}).await.unwrap();
    assert_eq!(keyring.keys.files().unwrap(), [name, key(Purpose::Log, 1)]);
    assert!(!stores.database.known_keys().await.unwrap().contains(&"bodies-1.key".to_owned()));
    let again = keyring.take_into_use(key(Purpose::Contents, 1), "officer").await.unwrap_err().to_string();
    assert!(again.contains("retired"), "{again}");
    assert_eq!(keyring.add(Purpose::Contents).await.unwrap(), key(Purpose::Contents, 3), "no number is given twice");
}

async fn what_was_changed_meanwhile_is_not_wrapped_over(stores: Stores) {
    let store = store(&stores);
    let bodies = super::erasure::dossier(&stores, "H15.50-261122-0001").await;
    let page = store.wrapped_by(1, Uuid::nil(), 2).await.unwrap();
    assert_eq!(page.len(), 2);
    assert!(page[0].id < page[1].id);
    let rest = store.wrapped_by(1, page[1].id, 10).await.unwrap();
    assert_eq!(rest.len(), bodies.len() - 2);
    let other = lienthong::keyring::store::WrappedBody { wrapped: vec![1; 60], ..page[1].clone() };
    store.wrap(vec![(page[0].clone(), 2, vec![8; 60]), (other, 2, vec![9; 60])]).await.unwrap();
    let left: Vec<Uuid> = store.wrapped_by(1, Uuid::nil(), 10).await.unwrap().iter().map(|body| body.id).collect();
    assert_eq!(left, [&[page[1].id][..], &rest.iter().map(|body| body.id).collect::<Vec<_>>()].concat());
    assert_eq!(store.wrapped_by(2, Uuid::nil(), 10).await.unwrap()[0].wrapped, vec![8; 60]);
}

on_both_engines! {
    a_key_is_taken_into_use_once_and_retired_once_each_on_record,
    a_key_is_used_only_once_every_replica_has_it_and_destroyed_only_once_every_replica_uses_a_newer_one,
    what_was_changed_meanwhile_is_not_wrapped_over,
}
