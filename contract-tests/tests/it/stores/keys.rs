//! The key folder and the database belong together: other keys than those the database was written with are refused.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use lienthong::audit::Recorder;
use lienthong::storage::keys::{Keys, check_value};
use lienthong_domain::time::{Clock, Timestamp};
use tempfile::TempDir;

use super::{Stores, on_both_engines, only_on_postgres};

const HALF_YEARS: [&str; 2] = ["2026h2", "2027h1"];

fn names() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path(), true, &[]).unwrap();
    let mut names: Vec<String> = HALF_YEARS.iter().flat_map(|half_year| keys.names(half_year)).collect();
    names.sort();
    names.dedup();
    names
}

/// A folder with every key.
fn keys_in(folder: &Path) -> Keys {
    let keys = Keys::open(folder, true, &[]).unwrap();
    for half_year in HALF_YEARS {
        keys.make(&keys.names(half_year)).unwrap();
    }
    keys
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

struct TwoFolders {
    one: TempDir,
    other: TempDir,
    /// Of `one`, which the database knows.
    keys: Keys,
}

async fn known_to(stores: &Stores) -> TwoFolders {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keys = keys_in(one.path());
    assert_eq!(stores.database.known_keys().await.unwrap(), [] as [&str; 0]);
    stores.database.check_keys(&keys, &names()).await.unwrap();
    TwoFolders { one, other, keys }
}

async fn the_keys_that_the_database_was_written_with_are_accepted_again_wherever_they_lie(stores: Stores) {
    let folders = known_to(&stores).await;
    stores.database.check_keys(&folders.keys, &names()).await.unwrap();
    copy(folders.one.path(), folders.other.path());
    let beside = stores.beside().await;
    let known = beside.database.known_keys().await.unwrap();
    let mut expected = names();
    expected.sort();
    assert_eq!(known, expected);
    beside.database.check_keys(&Keys::open(folders.other.path(), false, &[]).unwrap(), &known).await.unwrap();
}

async fn any_other_key_is_refused_with_its_name_and_the_remedy(stores: Stores) {
    let folders = known_to(&stores).await;
    for name in names() {
        let strange = tempfile::tempdir().unwrap();
        keys_in(strange.path());
        copy(folders.one.path(), folders.other.path());
        std::fs::copy(strange.path().join(&name), folders.other.path().join(&name)).unwrap();
        let keys = Keys::open(folders.other.path(), false, &[]).unwrap();
        let error = stores.database.check_keys(&keys, &names()).await.unwrap_err().to_string();
        assert!(error.contains(&name) && error.contains("storage.keys_folder"), "{error}");
        assert!(error.contains("copy the key folder of a replica that works"), "{error}");
    }
    // Being refused changed nothing.
    stores.database.check_keys(&folders.keys, &names()).await.unwrap();
}

async fn a_known_key_that_is_missing_is_refused_and_not_made_anew(stores: Stores) {
    let folders = known_to(&stores).await;
    for name in names() {
        let file = folders.one.path().join(&name);
        let kept = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let known = stores.database.known_keys().await.unwrap();
        let error = stores.database.check_keys(&folders.keys, &known).await.unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()) && error.contains("backup"), "{error}");
        assert!(!file.exists());
        std::fs::write(&file, kept).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    stores.database.check_keys(&folders.keys, &names()).await.unwrap();
}

struct At(&'static str);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }
}

fn half_years(now: &'static str) -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::open(folder.path(), true, &[]).unwrap());
    Recorder::new("test".into(), keys, Arc::new(At(now))).half_years()
}

#[test]
fn the_key_of_the_next_half_year_is_named_ahead() {
    for (now, expected) in [
        ("2026-07-01T00:00:00Z", ["2026h2", "2027h1"]),
        ("2026-12-31T16:59:59Z", ["2026h2", "2027h1"]),
        ("2026-12-31T17:00:00Z", ["2027h1", "2027h2"]),
        ("2027-01-01T00:00:00Z", ["2027h1", "2027h2"]),
        ("2027-06-30T16:59:59Z", ["2027h1", "2027h2"]),
        ("2028-02-29T12:00:00Z", ["2028h1", "2028h2"]),
    ] {
        assert_eq!(half_years(now), expected, "at {now}");
    }
    assert_eq!(names()[4..], ["shard-2026h2.key", "shard-2027h1.key"]);
}

async fn a_key_that_is_made_later_becomes_known_beside_the_others(stores: Stores) {
    let folders = known_to(&stores).await;
    let next = folders.keys.names("2027h2");
    let error = stores.database.check_keys(&folders.keys, &next).await.unwrap_err().to_string();
    assert!(error.contains("shard-2027h2.key"), "{error}");
    folders.keys.make(&folders.keys.names("2027h2")).unwrap();
    stores.database.check_keys(&folders.keys, &next).await.unwrap();
    assert_eq!(stores.database.known_keys().await.unwrap().len(), 7);
}

#[test]
fn replicas_that_share_a_folder_and_begin_a_half_year_at_once_have_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    Keys::open(folder.path(), true, &[]).unwrap();
    for half_year in ["2026h1", "2026h2", "2027h1", "2027h2"] {
        let values: Vec<[u8; 32]> = thread::scope(|scope| {
            let replicas: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let keys = Keys::open(folder.path(), false, &[]).unwrap();
                        keys.make(&keys.names(half_year)).unwrap();
                        check_value(folder.path(), &format!("shard-{half_year}.key")).unwrap()
                    })
                })
                .collect();
            replicas.into_iter().map(|replica| replica.join().unwrap()).collect()
        });
        assert!(values.iter().all(|value| *value == values[0]));
    }
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 4 + 4, "nothing half made is left");
}

async fn of_two_replicas_that_begin_with_keys_of_their_own_only_one_is_accepted(stores: Stores) {
    let beside = stores.beside().await;
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (keys, strange) = (keys_in(one.path()), keys_in(other.path()));
    let first = ["bodies-1.key".to_owned()];
    let (one, other) =
        tokio::join!(stores.database.check_keys(&keys, &first), beside.database.check_keys(&strange, &first));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

on_both_engines! {
    the_keys_that_the_database_was_written_with_are_accepted_again_wherever_they_lie,
    any_other_key_is_refused_with_its_name_and_the_remedy,
    a_known_key_that_is_missing_is_refused_and_not_made_anew,
    a_key_that_is_made_later_becomes_known_beside_the_others,
}

only_on_postgres! {
    of_two_replicas_that_begin_with_keys_of_their_own_only_one_is_accepted,
}
