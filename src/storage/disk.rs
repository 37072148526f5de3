//! The disk watermark: new requests are refused before the database meets a full disk; deliveries go on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Watches the free space of the data folder.
pub struct DiskWatch {
    folder: PathBuf,
    least_free_bytes: u64,
    least_free_percent: u64,
    is_low: AtomicBool,
}

impl DiskWatch {
    pub fn new(folder: PathBuf, least_free_bytes: u64, least_free_percent: u64) -> Self {
        let watch = Self { folder, least_free_bytes, least_free_percent, is_low: AtomicBool::new(false) };
        watch.look();
        watch
    }

    /// As of the last look.
    pub fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Measures the free space. A file system that does not answer counts as full.
    pub fn look(&self) {
        let is_low = match rustix::fs::statvfs(&self.folder) {
            Ok(space) => {
                let free = space.f_bavail.saturating_mul(space.f_frsize);
                let percent = space.f_bavail.saturating_mul(100).checked_div(space.f_blocks).unwrap_or(0);
                free < self.least_free_bytes || percent < self.least_free_percent
            }
            Err(_) => true,
        };
        if self.is_low.swap(is_low, Ordering::Relaxed) != is_low {
            tracing::warn!(is_low, folder = %self.folder.display(), "disk watermark");
        }
    }
}
