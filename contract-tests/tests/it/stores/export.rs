//! An export of some time: its records, and of all others the hashes, so that it can be verified by itself.

use std::path::Path;
use std::sync::Arc;

use lienthong::audit::export::Folder;
use lienthong::audit::log::{TILE_HASHES, Tile};
use lienthong::audit::memory::Memory;
use lienthong::audit::publish::Publisher;
use lienthong::audit::signer::Signer;
use lienthong::audit::store::LogReader;
use lienthong::audit::verify::{Trust, Verdict, verify};
use lienthong::storage::keys::Keys;
use lienthong_domain::time::SystemClock;

use super::{Stores, instant, on_both_engines, search};

const LOG: &str = "test/audit/2026h2";

async fn an_export_of_some_time_holds_its_records_and_is_verified_by_itself(stores: Stores) {
    search::fill(&stores).await;
    let keys = Arc::new(Keys::open(&stores.folder.path().join("keys"), false, &[]).unwrap());
    let publisher = Publisher::new(
        Arc::clone(&stores.audit),
        Arc::new(Signer::new(keys)),
        Arc::new(Memory::new(stores.folder.path())),
        Arc::new(SystemClock),
    );
    publisher.turn(stores.lead().await).await.unwrap();
    let trust = Trust { keys: publisher.signer.verifiers(LOG).unwrap(), ..Trust::default() };
    let all = stores.audit.records(LOG, 0, 10_000).await.unwrap();
    let range = instant("2026-12-31T10:00:00Z")..instant("2026-12-31T10:30:00Z");
    let meant: Vec<_> = all.iter().filter(|record| range.contains(&record.at)).collect();
    assert!(meant.len() > 10 && meant.len() < TILE_HASHES, "{}", meant.len());

    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("export");
    let folder = Folder::new(&path);
    folder.write(&*stores.audit, LOG, Some(&range), &mut |_| {}).await.unwrap();
    let verified = async || -> Verdict { verify(&folder, LOG, &trust, &mut |_| {}).await.unwrap() };
    let found = folder.records(LOG, 0, 10_000).await.unwrap();
    assert_eq!(found.len(), all.len());
    for record in &meant {
        let index = usize::try_from(record.index).unwrap();
        assert_eq!(found[index].bytes, record.bytes, "what was asked for is there");
    }
    let others = found.iter().filter(|record| record.bytes.is_empty()).count();
    assert!(others > all.len() / 2, "{others} of {} are there by their hashes alone", all.len());
    let verdict = verified().await;
    assert_eq!((verdict.wrong, verdict.by_hash, verdict.proved), (None, others as u64, all.len() as u64));

    let tile = |index: u64| Tile { level: 0, number: index / TILE_HASHES as u64, width: TILE_HASHES };
    let change = |file: &Path, at: usize| {
        let mut bytes = std::fs::read(file).unwrap();
        bytes[at] ^= 1;
        std::fs::write(file, bytes).unwrap();
    };
    let bundle = path.join("2026h2").join(tile(meant[0].index).entries_path());
    change(&bundle, 40);
    let first = meant[0].index - meant[0].index % TILE_HASHES as u64;
    assert_eq!(verified().await.wrong.map(|wrong| wrong.record), Some(first), "a changed record is named");
    change(&bundle, 40);
    assert_eq!(verified().await.wrong, None);
    let elsewhere = found.iter().find(|record| record.bytes.is_empty()).unwrap().index;
    change(&path.join("2026h2").join(tile(elsewhere).path()), 7);
    assert!(verified().await.wrong.is_some(), "a changed hash of a record that is not there is found");
}

on_both_engines! {
    an_export_of_some_time_holds_its_records_and_is_verified_by_itself
}
