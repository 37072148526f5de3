//! `lienthong report …`: the same reports as over HTTP, without a limit of time. Works beside a running gateway.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use lienthong_domain::catalogue::AgencyCode;
use lienthong_domain::indicators::{Report, SyncBasis, Value};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock};

use super::Failure;
use super::progress::{Line, grouped};
use crate::agreement::qd766::{Compiled, NoPeriod, Progress, Wanted, csv_of, sheets_of, xlsx_of};
use crate::audit::{Draft, Kind, Outcome};
use crate::catalogue::Copy;
use crate::config::Loaded;
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Chỉ số phục vụ theo Quyết định 766/QĐ-TTg, tính từ những gì Cổng giữ / The service indicators, from what the nation holds
    Qd766(Qd766),
}

#[derive(Args)]
pub(super) struct Qd766 {
    /// Ngày đầu (giờ Việt Nam); mặc định là tháng trước / First day (Việt Nam); last month if not given
    #[arg(long, requires = "to")]
    from: Option<Date>,
    /// Ngày cuối, tính cả ngày đó, không sau hôm nay / Last day, included, not after today
    #[arg(long, requires = "from")]
    to: Option<Date>,
    /// Chỉ cơ quan này và các đơn vị dưới nó / Only this agency and what stands under it
    #[arg(long)]
    agency: Option<String>,
    /// Số hồ sơ tiếp nhận theo hệ thống thống kê, cho chỉ số 1.4 / Received per the statistics system, for 1.4
    #[arg(long)]
    received_by_statistics: Option<u32>,
    /// Số hồ sơ tiếp nhận cả năm trước, cho chỉ số 1.4 / Received in the whole year before, for 1.4
    #[arg(long)]
    received_last_year: Option<u32>,
    /// Ghi ra tệp .xlsx, hoặc .csv (chỉ các hồ sơ mất điểm hoặc chưa xác định) / Write a file: .xlsx, or .csv (only the dossiers that
    /// cost points or are undecided)
    #[arg(long, short)]
    output: Option<PathBuf>,
}

pub(super) async fn run(loaded: &Loaded, Command::Qd766(options): &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let wanted = options.wanted(clock.now().date_in_vietnam())?;
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    let copy = Arc::new(Copy::open(stores.catalogue()).await?);
    let compile = stores.qd766(&loaded.settings, &copy, &clock)?;
    let (progress, mut line) = (Progress::default(), Line::new("hồ sơ / dossiers"));
    let mut counting = Box::pin(compile.run(wanted, &progress, false));
    let compiled = loop {
        match tokio::time::timeout(LOOK_EVERY, &mut counting).await {
            Ok(compiled) => break compiled?,
            Err(_) => {
                let (done, total) = (progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
                line.show("đếm / counting", done, |rate| {
                    format!("{} / {} ({} %), {rate:.0}/s", grouped(done), grouped(total), done * 100 / total.max(1))
                });
            }
        }
    };
    line.end();
    let agency = compiled.wanted.agency.as_ref().map(AgencyCode::normalised);
    let mut draft = Draft::new(Kind::BodyRead, "report.qd766", Outcome::decided("shown"));
    draft.agency = agency.as_deref();
    stores.audit.append(stores.recorder.seal(&draft)?).await?;
    let basis = SyncBasis { by_statistics: options.received_by_statistics, last_year: options.received_last_year };
    print(&compiled, &basis);
    if let Some(file) = &options.output {
        write(file, &compiled, &basis).with_context(|| file.display().to_string())?;
        println!("\n→ {}", file.display());
    }
    Ok(())
}

const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Qd766 {
    fn wanted(&self, today: Date) -> Result<Wanted, Failure> {
        if let Some(file) = &self.output {
            kind_of(file)?;
        }
        let agency = match &self.agency {
            Some(text) => {
                let read = AgencyCode::parse(text);
                Some(read.map_err(|why| anyhow!("--agency {text}: {} / {}", why.message.vi, why.message.en))?)
            }
            None => None,
        };
        let month = Wanted::month_before(today);
        let (first, last) = (self.from.unwrap_or(month.0), self.to.unwrap_or(month.1));
        let wanted = Wanted::of(first, last, agency, today).map_err(|why| match why {
            NoPeriod::WrongWayRound => anyhow!("--to {last} trước / is before --from {first}"),
            NoPeriod::NotBegun => {
                anyhow!("--to {last} sau hôm nay / is after today; kỳ chưa hết thì dùng / of a period under way, use --to {today}")
            }
        });
        Ok(wanted?)
    }
}

enum FileKind {
    Csv,
    Xlsx,
}

/// Before anything is counted.
fn kind_of(file: &Path) -> anyhow::Result<FileKind> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(FileKind::Csv),
        Some("xlsx") => Ok(FileKind::Xlsx),
        _ => bail!("{}: cần .xlsx hoặc .csv / must end in .xlsx or .csv", file.display()),
    }
}

fn write(file: &Path, compiled: &Compiled, basis: &SyncBasis) -> anyhow::Result<()> {
    let [figures, dossiers, standings] = sheets_of(compiled, basis);
    let bytes = match kind_of(file)? {
        FileKind::Csv => csv_of(&dossiers)?,
        FileKind::Xlsx => xlsx_of(&[figures, dossiers, standings])?,
    };
    Ok(std::fs::write(file, bytes)?)
}

fn print(compiled: &Compiled, basis: &SyncBasis) {
    let report: Report = compiled.tally.report(basis);
    let agency = compiled.wanted.agency.as_ref().map_or_else(|| "toàn tỉnh / all".to_owned(), AgencyCode::normalised);
    println!("Chỉ số phục vụ / service indicators, {} – {}, {agency}", compiled.wanted.first, compiled.wanted.last);
    println!("{}; giá trị pháp lý chưa được xác nhận / its legal status is not confirmed", report.version);
    println!("tiếp nhận trong kỳ / received in the period: {}", grouped(report.counted));
    for result in report.results() {
        let (name, english) = (result.indicator.vietnamese(), result.indicator.english());
        println!("\n{:<4} {name}\n     {english}", result.indicator.as_str());
        match result.value {
            Value::Share { numerator, denominator, percent } => {
                println!("     {} / {} = {percent} %", grouped(numerator), grouped(denominator));
            }
            Value::NotApplicable => println!("     không có hồ sơ thuộc diện tính / no dossier is concerned"),
            Value::NotObservable(why) => println!("     {}\n     {}", why.vietnamese(), why.english()),
        }
        if result.undecided > 0 {
            println!("     chưa xác định / undecided: {}", grouped(result.undecided));
        }
        if let Some(earned) = result.earned {
            let hundredths = result.points_in_hundredths;
            let points = hundredths.map(|n| format!(", {}.{:02} điểm / points", n / 100, n % 100)).unwrap_or_default();
            println!("     phần điểm đạt / earned: {earned} %{points}");
        }
    }
    for (standing, (number, _)) in &compiled.standings {
        println!("\n{}: {}\n{}", standing.vietnamese(), grouped(*number), standing.english());
    }
}
