//! The disk watermark: new requests are refused before the database meets a full disk; deliveries go on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// How much of a disk stays free; both hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeastFree {
    pub bytes: u64,
    pub percent: u64,
}

impl LeastFree {
    /// Whether less is free where this folder is. A file system that does not answer counts as full.
    pub fn is_gone(self, folder: &Path) -> bool {
        let Ok(space) = rustix::fs::statvfs(folder) else { return true };
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let percent = space.f_bavail.saturating_mul(100).checked_div(space.f_blocks).unwrap_or(0);
        free < self.bytes || percent < self.percent
    }
}

/// Watches the free space of the data folder.
pub struct DiskWatch {
    folder: PathBuf,
    least_free: LeastFree,
    is_low: AtomicBool,
}

impl DiskWatch {
    pub fn new(folder: PathBuf, least_free: LeastFree) -> Self {
        let watch = Self { folder, least_free, is_low: AtomicBool::new(false) };
        watch.look();
        watch
    }

    /// As of the last look.
    pub fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Measures the free space.
    pub fn look(&self) {
        let is_low = self.least_free.is_gone(&self.folder);
        if self.is_low.swap(is_low, Ordering::Relaxed) != is_low {
            tracing::warn!(is_low, folder = %self.folder.display(), "disk watermark");
        }
    }
}
