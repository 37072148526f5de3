//! The files of the workspace, as rules see them.

use std::path::{Path, PathBuf};

/// A file of the workspace, by its path from the root.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    pub(super) fn is_adapter(&self) -> bool {
        self.is_under("adapters/") && !self.is_under("adapters/kit/")
    }

    pub(super) fn parsed(&self) -> syn::File {
        syn::parse_file(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every file with one of these endings under these folders.
pub(super) fn files(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let (root, mut found) = (root(), Vec::new());
    folders.iter().for_each(|folder| walk(&root.join(folder), &mut found));
    found.sort();
    let wanted = found.into_iter().filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)));
    let read = wanted.map(|path| Source {
        path: path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    });
    read.collect()
}

/// All Rust of the product, its tests included.
pub(super) fn rust() -> Vec<Source> {
    let sources = files(&["src", "domain", "adapters", "sandbox"], &[".rs"]);
    assert!(sources.len() > 100, "only {} files were found: the rules would see nothing", sources.len());
    sources
}
