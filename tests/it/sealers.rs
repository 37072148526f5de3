//! What seals bodies and records, with keys that are thrown away.

use std::sync::Arc;

use lienthong::audit::Recorder;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::keys::Keys;
use lienthong_domain::time::SystemClock;
use tempfile::TempDir;

pub(crate) struct Sealers {
    _folder: TempDir,
    pub(crate) bodies: Bodies,
    pub(crate) recorder: Recorder,
}

impl Sealers {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::open(&folder.path().join("keys"), true, &[]).unwrap());
        let recorder = Recorder::new("test".into(), Arc::clone(&keys), Arc::new(SystemClock));
        for half_year in recorder.half_years() {
            keys.make(&keys.names(&half_year)).unwrap();
        }
        Self { _folder: folder, bodies: Bodies::new(keys), recorder }
    }
}
