//! `lienthong storage …`: the way from one machine to several, a copy of everything from SQLite to PostgreSQL, and the
//! comparison of both. Works only while no gateway runs on either.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};

use super::Failure;
use super::progress::{Line, grouped};
use crate::config::{Loaded, Settings};
use crate::storage::copy::{self, CHUNK_ROWS, Copying, Log, Phase, Progress, Report, Source, Target};
use crate::storage::hex;
use crate::storage::postgres;
use crate::wiring;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Chép mọi dữ liệu từ SQLite sang PostgreSQL rồi so từng dòng / Copy everything from SQLite to PostgreSQL, then compare
    /// every row
    ///
    /// Không cổng nào được chạy trên hai bên. Bị ngắt giữa chừng thì chạy lại cùng lệnh: nó chép tiếp. / No gateway may run on
    /// either side. After an interruption run the same command again: it goes on where it stopped.
    Copy {
        #[command(flatten)]
        ends: Ends,
        /// Rows of one transaction at most; for tests
        #[arg(long, hide = true, default_value_t = CHUNK_ROWS)]
        chunk_rows: usize,
    },
    /// So lại từng dòng của hai bên / Compare every row of both sides again
    ///
    /// In EQUAL và kết thúc với 0, hoặc chỗ khác đầu tiên và kết thúc với 1. / Prints EQUAL and ends with 0, or the first
    /// difference and ends with 1.
    Verify {
        #[command(flatten)]
        ends: Ends,
    },
}

#[derive(Args)]
pub(super) struct Ends {
    /// Nguồn: thư mục dữ liệu hoặc tệp / The source: the data folder or the file
    #[arg(long, value_name = "sqlite:PATH")]
    from: String,
    /// Đích, không kèm mật khẩu: mật khẩu lấy từ storage.postgres trong cấu hình / The target, without the password: that comes
    /// from storage.postgres in the configuration
    #[arg(long, value_name = "postgres:URL")]
    to: String,
}

fn show(line: &mut Line, progress: &Progress) {
    let verb = match progress.phase {
        Phase::Copy => "chép / copying",
        Phase::Verify => "so / comparing",
    };
    line.show(verb, progress.all, |rate| {
        let (rows, of) = (grouped(progress.rows), grouped(progress.of));
        let left = (progress.all_of.saturating_sub(progress.all) as f64 / rate.max(1.0)) as u64;
        let (minutes, seconds, rate) = (left / 60, left % 60, grouped(rate as u64));
        format!("{:12} {rows} / {of}  {rate}/s  còn / left {minutes}:{seconds:02}", progress.table)
    });
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let mut line = Line::new("dòng / rows");
    let report = match command {
        Command::Copy { ends, chunk_rows } => {
            let Opened { source, target, _lock } = &Opened::open(settings, ends, true).await?;
            let copying = Copying::begin(source, target).await?;
            print_start(ends, source, &copying);
            let report =
                copying.run(source, target, (*chunk_rows).max(1), &mut |progress| show(&mut line, progress)).await;
            report.context(
                "chưa xong; chạy lại cùng lệnh này để làm tiếp / not finished; run the same command again to go on",
            )?
        }
        Command::Verify { ends } => {
            let Opened { source, target, _lock } = &Opened::open(settings, ends, false).await?;
            copy::verify(source, target, &mut |progress| show(&mut line, progress)).await?
        }
    };
    line.end();
    print(&report);
    if let Some(difference) = report.difference() {
        return Err(anyhow!("KHÁC NHAU / DIFFERENT: {difference}").into());
    }
    println!("\nEQUAL");
    if matches!(command, Command::Copy { .. }) {
        print_next(settings);
    }
    Ok(())
}

/// Both sides, and the lock that keeps a gateway off the source.
struct Opened {
    source: Source,
    target: Target,
    _lock: File,
}

impl Opened {
    async fn open(settings: &Settings, ends: &Ends, may_migrate: bool) -> anyhow::Result<Self> {
        let (file, url) = (source_file(&ends.from)?, target_url(&ends.to)?);
        let target = postgres::Settings { url: url.to_owned(), ..wiring::postgres_settings(settings) };
        if !file.is_file() {
            bail!("{}: không có cơ sở dữ liệu này / there is no such database", file.display());
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let lock = wiring::lock_folder(folder).context("nguồn / source")?;
        let busy_timeout = std::time::Duration::from_millis(settings.storage.sqlite.busy_timeout_ms);
        let source =
            Source::open(&file, busy_timeout, Path::new(&settings.storage.keys_folder)).context("nguồn / source")?;
        let target = Target::open(&target, may_migrate).await.context("đích / target")?;
        Ok(Self { source, target, _lock: lock })
    }
}

const ONLY_WAY: &str = "chỉ chép được từ sqlite:… sang postgres:… (chiều ngược lại không có: bản SQLite cũ vẫn nguyên vẹn, nhưng \
                        không biết gì xảy ra sau khi chép)\nonly from sqlite:… to postgres:… (there is no way back: the old \
                        SQLite database is untouched, but knows nothing of what happened after the copy)";

fn source_file(from: &str) -> anyhow::Result<PathBuf> {
    let path = from.strip_prefix("sqlite:").filter(|path| !path.is_empty()).context(ONLY_WAY)?;
    let path = PathBuf::from(path);
    Ok(if path.is_dir() { path.join(wiring::DATABASE) } else { path })
}

/// `postgres:` before any form of address, or an address that begins so by itself.
fn target_url(to: &str) -> anyhow::Result<&str> {
    let is_url = to.starts_with("postgresql://") || to.starts_with("postgres://");
    let url = if is_url { Some(to) } else { to.strip_prefix("postgres:") };
    let url = url.filter(|url| !url.trim().is_empty()).context(ONLY_WAY)?;
    postgres::check_url(url).map_err(|reason| anyhow!("--to: {reason}"))?;
    Ok(url)
}

fn print_start(ends: &Ends, source: &Source, copying: &Copying) {
    println!("nguồn / source: {}, {} dòng / rows", ends.from, grouped(source.rows()));
    println!("đích / target:  {}", ends.to);
    if copying.rows() > 0 {
        let all = grouped(copying.rows());
        let (vi, en) = match copying.next(source) {
            Some((table, rows)) => {
                let rows = grouped(rows);
                (
                    format!("chép tiếp bảng {table} từ sau dòng thứ {rows}"),
                    format!("going on in {table} behind row {rows}"),
                )
            }
            None => ("chỉ còn phải so".to_owned(), "only the comparison is left".to_owned()),
        };
        println!("đã có {all} dòng: {vi} / {all} rows are there: {en}");
    }
}

fn print(report: &Report) {
    println!(
        "\n{:14} {:>13}  {:16}  {:>13}  {:16}",
        "bảng / table", "dòng / rows", "nguồn / source", "dòng / rows", "đích / target"
    );
    for table in &report.tables {
        let (source, target) = (&table.source, &table.target);
        let mark = if table.difference.is_none() { "=" } else { "≠" };
        println!(
            "{:14} {:>13}  {}  {:>13}  {}  {mark}",
            table.name,
            grouped(source.rows),
            start(&source.digest),
            grouped(target.rows),
            start(&target.digest)
        );
    }
    for Log { shard, size, root, difference } in &report.logs {
        let said = match difference {
            None => "đúng với các bản ghi / that of its records",
            Some(_) => "≠",
        };
        println!("nhật ký / log {shard}: {} bản ghi / records, gốc / root {}: {said}", grouped(*size), start(root));
    }
}

/// The first 16 digits: enough to see that two are the same.
fn start(digest: &[u8]) -> String {
    hex::write(&digest[..8.min(digest.len())])
}

fn print_next(settings: &Settings) {
    let keys = &settings.storage.keys_folder;
    println!(
        "
Thư mục khóa KHÔNG nằm trong bản chép: mọi cổng chạy trên đích cần đúng các khóa trong {keys}
Không bao giờ chạy lại cổng trên nguồn cũ: nó sẽ gửi lần nữa những gì đang chờ. Hãy đổi tên thư mục dữ liệu cũ.
The key folder is NOT part of the copy: every gateway on the target needs exactly the keys in {keys}
Never run a gateway on the old source again: it would send once more what waits. Rename the old data folder."
    );
}
