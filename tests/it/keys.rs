//! The key folder.

use std::os::unix::fs::PermissionsExt;

use lienthong::storage::keys::Keys;

#[test]
fn keys_are_made_once_for_their_owner_only_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = Keys::open(folder.path(), true, &[]).unwrap().digest(&[b"a"]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(Keys::open(folder.path(), false, &[]).unwrap().digest(&[b"a"]), first);
}

#[test]
fn a_missing_key_beside_an_existing_database_is_told_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    Keys::open(folder.path(), true, &[]).unwrap();
    std::fs::remove_file(folder.path().join("bodies-1.key")).unwrap();
    let error = Keys::open(folder.path(), false, &[]).err().unwrap().to_string();
    assert!(error.contains("bodies-1.key") && error.contains("backup"), "{error}");
    assert!(!folder.path().join("bodies-1.key").exists());
}

#[test]
fn a_key_file_of_the_wrong_length_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Keys::open(folder.path(), true, &[]).unwrap();
    std::fs::write(folder.path().join("digest.key"), b"short").unwrap();
    assert!(Keys::open(folder.path(), true, &[]).is_err());
}

#[test]
fn the_parts_of_a_digest_do_not_run_into_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path(), true, &[]).unwrap();
    assert_ne!(keys.digest(&[b"ab", b"c"]), keys.digest(&[b"a", b"bc"]));
}
