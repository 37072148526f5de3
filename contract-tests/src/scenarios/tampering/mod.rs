//! A log is tampered with in every way that we know, behind the gateway's back: each must be found, given one checkpoint
//! that somebody else has kept, and the verdict must name the first record that is wrong.

mod database;
mod files;
mod log;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use lienthong::audit::export::Folder;
use lienthong::audit::store::LogReader;
use lienthong::audit::verify::{Trust, Verdict, verify};

use log::Original;

/// What the verdict must say.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// That this record is the first that is wrong.
    Exactly(u64),
    /// At least the records since the last checkpoint before this one.
    From(u64),
    /// Some record up to this one: whoever has the key may have signed anew whatever nobody else had kept.
    UpTo(u64),
    /// What is wrong is no record.
    Something,
}

/// A way to tamper.
pub struct Class {
    pub name: &'static str,
    visible: Visible,
    way: Way,
}

/// Whether it is found by whoever has no checkpoint of his own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Visible {
    Always,
    /// An older state that is sound, or one that the key has signed.
    Never,
    Sometimes,
}

enum Way {
    /// In a copy of the database, whose file this is.
    Database(fn(&Path, &Original, &mut fastrand::Rng) -> Result<Expected>),
    /// In a copy of the exported folder of the shard.
    Files(fn(&Path, &Original, &mut fastrand::Rng) -> Result<Expected>),
}

/// What came of all of them.
#[derive(Debug, Default)]
pub struct Report {
    pub classes: usize,
    pub cases: usize,
    /// Found, with the right record named.
    pub found: usize,
    /// Found, because it could not be read any more.
    pub unreadable: usize,
    /// Found, and the record that is named is not the one.
    pub misnamed: Vec<String>,
    pub missed: Vec<String>,
    /// What only a checkpoint kept elsewhere shows, and was not found without one: as it must be said.
    pub hidden_without_outside: usize,
    /// Cases by class: found, of them exactly.
    pub exactly: BTreeMap<&'static str, (usize, usize)>,
}

impl Report {
    pub fn check(&self) -> Result<()> {
        ensure!(self.classes >= 30, "only {} classes", self.classes);
        ensure!(self.missed.is_empty(), "not found: {:#?}", self.missed);
        ensure!(self.misnamed.is_empty(), "another record was named: {:#?}", self.misnamed);
        ensure!(self.found + self.unreadable == self.cases, "{self:?}");
        Ok(())
    }
}

/// Every class, each with so many seeds.
pub async fn run(seeds: u64) -> Result<Report> {
    let original = Original::make().await?;
    let mut report = Report::default();
    let untouched = original.verify_database(&original.database, &original.with_outside()).await?;
    ensure!(untouched.wrong.is_none() && untouched.proved == original.size, "the original is wrong: {untouched:?}");
    let classes: Vec<Class> = database::CLASSES
        .iter()
        .map(|(name, way)| Class::database(name, Visible::Always, *way))
        .chain(
            database::HIDDEN
                .iter()
                .map(|(name, way)| Class::database(name, Visible::Never, *way))
                .chain(database::PERHAPS.iter().map(|(name, way)| Class::database(name, Visible::Sometimes, *way))),
        )
        .chain(files::CLASSES.iter().map(|(name, way)| Class { name, visible: Visible::Always, way: Way::Files(*way) }))
        .collect();
    report.classes = classes.len();
    for class in &classes {
        for seed in 0..seeds {
            original.tamper(class, seed, &mut report).await?;
        }
    }
    Ok(report)
}

impl Class {
    fn database(
        name: &'static str,
        visible: Visible,
        way: fn(&Path, &Original, &mut fastrand::Rng) -> Result<Expected>,
    ) -> Self {
        Self { name, visible, way: Way::Database(way) }
    }
}

impl Original {
    async fn tamper(&self, class: &Class, seed: u64, report: &mut Report) -> Result<()> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir()?;
        let (expected, with, without) = match class.way {
            Way::Database(way) => {
                let file = folder.path().join("lienthong.sqlite");
                std::fs::copy(&self.database, &file)?;
                let expected = way(&file, self, &mut rng)?;
                let with = self.verify_database(&file, &self.with_outside()).await;
                (expected, with, self.verify_database(&file, &self.without_outside()).await)
            }
            Way::Files(way) => {
                copy_folder(&self.exported, folder.path())?;
                let expected = way(&folder.path().join(self.half_year()), self, &mut rng)?;
                let changed = Folder::new(folder.path());
                let with = self.verify_log(&changed, &self.with_outside()).await;
                (expected, with, self.verify_log(&changed, &self.without_outside()).await)
            }
        };
        report.cases += 1;
        let case = format!("{} (seed {seed})", class.name);
        let wrong = match with {
            Err(why) => {
                report.unreadable += 1;
                if let Expected::Exactly(_) | Expected::From(_) = expected {
                    report.misnamed.push(format!("{case}: {expected:?}, and nothing could be read: {why}"));
                }
                return Ok(());
            }
            Ok(verdict) => verdict.wrong,
        };
        let Some(wrong) = wrong else {
            report.missed.push(case);
            return Ok(());
        };
        let is_named = match expected {
            Expected::Exactly(record) => wrong.is_exact && wrong.record == record,
            Expected::From(record) if wrong.is_exact => wrong.record == record,
            Expected::From(record) => wrong.record <= record && record - wrong.record <= self.most_between,
            Expected::UpTo(record) => !wrong.is_exact && wrong.record <= record,
            Expected::Something => true,
        };
        if is_named {
            report.found += 1;
        } else {
            report.misnamed.push(format!("{case}: {expected:?}, and not {wrong:?}"));
        }
        let exactly = report.exactly.entry(class.name).or_default();
        *exactly = (exactly.0 + 1, exactly.1 + usize::from(wrong.is_exact));
        if let Ok(verdict) = without {
            match (class.visible, verdict.wrong) {
                (Visible::Never | Visible::Sometimes, None) => report.hidden_without_outside += 1,
                (Visible::Never, Some(wrong)) => report.misnamed.push(format!("{case}: found without one: {wrong:?}")),
                (Visible::Always | Visible::Sometimes, Some(_)) => {}
                (Visible::Always, None) => report.missed.push(format!("{case}, without a checkpoint from elsewhere")),
            }
        }
        Ok(())
    }

    async fn verify_log(&self, log: &dyn LogReader, trust: &Trust) -> Result<Verdict> {
        Ok(verify(log, &self.shard, trust, &mut |_| {}).await?)
    }

    async fn verify_database(&self, file: &Path, trust: &Trust) -> Result<Verdict> {
        self.verify_log(&*log::open(file)?, trust).await
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (from, to) = (from.join(entry.as_ref().unwrap().file_name()), to.join(entry?.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            std::fs::copy(from, to)?;
        }
    }
    Ok(())
}
