//! `lienthong portal …`: checks whether province and nation agree, what differs, and what is done about it. Works beside a running
//! gateway, which does what is asked here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use lienthong_domain::agreement::{Class, Repair};
use lienthong_domain::dossier::DossierCode;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
use uuid::Uuid;

use super::Failure;
use super::progress::{Line, grouped};
use crate::agreement::store::{AgreementStore, CaseQuery};
use crate::agreement::{Case, CaseStatus, Decisions, Listed, NotDecided, Origin, Phase, Run, Side};
use crate::audit::{Draft, Kind, Outcome};
use crate::config::Loaded;
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Đối soát hồ sơ thay đổi trong những ngày này; mã thoát 3 nếu có chênh lệch / Check what changed in these days; exit code 3 if
    /// something differs
    Reconcile(Reconcile),
    /// Những lần đối soát gần đây / The latest checks
    Runs,
    /// Những chênh lệch đang chờ quyết định / What differs and waits for a decision
    Cases {
        /// Chỉ một loại, ví dụ missing_nationally / Only this class
        #[arg(long, value_parser = read::<Class>)]
        class: Option<Class>,
        /// open, repaired, dismissed, settled
        #[arg(long, default_value = "open", value_parser = read::<CaseStatus>)]
        status: CaseStatus,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Gửi lại hồ sơ của một chênh lệch, hoặc của mọi chênh lệch một loại / Send the dossier of a case again, or of all of a class
    Repair {
        #[arg(required_unless_present = "class")]
        case: Option<Uuid>,
        #[arg(long, conflicts_with = "case", value_parser = read::<Class>)]
        class: Option<Class>,
    },
    /// Cho rằng không phải chênh lệch; cần lý do / Say that it is no difference; needs a reason
    Dismiss {
        case: Uuid,
        #[arg(long)]
        reason: String,
    },
}

#[derive(Args)]
pub(super) struct Reconcile {
    /// Ngày đầu (giờ Việt Nam); mặc định là hôm qua / First day (Việt Nam); yesterday if not given
    #[arg(long)]
    from: Option<Date>,
    /// Ngày cuối; mặc định là ngày đầu / Last day; the first one if not given
    #[arg(long)]
    to: Option<Date>,
    /// Chỉ hỏi bấy nhiêu phần trăm hồ sơ / Look up only so many percent of the dossiers
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    sample: u8,
    /// Tệp mã hồ sơ lấy từ Cổng, mỗi dòng một mã (cột đầu của CSV) / Codes that the portal lists, one a line (first column of a CSV)
    #[arg(long)]
    national_list: Option<PathBuf>,
    /// Tệp mã hồ sơ của hệ thống địa phương / Codes that a local system has
    #[arg(long)]
    local_list: Option<PathBuf>,
    /// Không chờ kết quả / Do not wait for what comes of it
    #[arg(long)]
    no_wait: bool,
}

fn read<T: Scalar>(text: &str) -> Result<T, String> {
    T::parse(text).map_err(|refusal| format!("{} / {}", refusal.message.vi, refusal.message.en))
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    let store = stores.agreement();
    match command {
        Command::Reconcile(options) => reconcile(&stores, &*store, options, clock.now()).await,
        Command::Runs => {
            for (run, ended_at) in store.runs(20).await? {
                print_run(&run, ended_at);
            }
            Ok(())
        }
        Command::Cases { class, status, limit } => {
            let query = CaseQuery { status: Some(*status), class: *class, limit: *limit, ..CaseQuery::default() };
            cases(&*store, query).await
        }
        Command::Repair { case, class } => repair(&stores.agreement_decisions(&clock), &*store, *case, *class).await,
        Command::Dismiss { case, reason } => {
            ensure_reason(reason)?;
            let words: String = reason.chars().take(500).collect();
            let done = stores.agreement_decisions(&clock).dismiss(*case, OPERATOR, words).await;
            done.map_err(|why| anyhow!("{case}: {}", words_of(&why)))?;
            println!("{case}: {} ({})", CaseStatus::Dismissed.vietnamese(), CaseStatus::Dismissed);
            Ok(())
        }
    }
}

/// Who decides here, for the log.
const OPERATOR: &str = "operator";
/// Codes that are written in one transaction.
const AT_A_TIME: usize = 2_000;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A running gateway begins with what is asked within a second or two.
const PATIENCE: u32 = 60;

fn ensure_reason(reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(anyhow!("cần lý do / a reason is needed").into());
    }
    Ok(())
}

async fn reconcile(
    stores: &Stores,
    store: &dyn AgreementStore,
    options: &Reconcile,
    now: Timestamp,
) -> Result<(), Failure> {
    let yesterday = now.date_in_vietnam().yesterday().context("no yesterday")?;
    let from = options.from.unwrap_or(yesterday);
    let to = options.to.unwrap_or(from);
    if to < from {
        return Err(anyhow!("--to {to} trước --from {from} / is before --from").into());
    }
    let until = midnight(to.tomorrow().context("no tomorrow")?)?.min(now);
    let run = Run::new(Origin::Operator, (midnight(from)?, until), options.sample, now);
    for (file, side) in [(&options.national_list, Side::National), (&options.local_list, Side::Local)] {
        let Some(file) = file else { continue };
        for codes in codes_of(file, side)?.chunks(AT_A_TIME) {
            store.list(run.id, codes.to_vec()).await?;
        }
    }
    let record = stores.recorder.seal(&Draft::new(Kind::Operator, "agreement.run", Outcome::decided("done")))?;
    store.ask(run.clone(), Some(record)).await?;
    println!("đối soát / check {}: {from} – {to}", run.id);
    if options.no_wait {
        println!("Xem / see: lienthong portal runs");
        return Ok(());
    }
    follow(store, run.id).await
}

fn midnight(day: Date) -> anyhow::Result<Timestamp> {
    Timestamp::from_vietnam(day.at(0, 0, 0, 0)).map_err(|refusal| anyhow!("{day}: {}", refusal.message.en))
}

/// The codes of a file; a line that has none is named.
fn codes_of(file: &Path, side: Side) -> anyhow::Result<Vec<Listed>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut codes = Vec::new();
    for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let first = line.split([',', ';', '\t']).next().unwrap_or_default().trim().trim_matches('"');
        if first.is_empty() {
            continue;
        }
        match DossierCode::parse(first) {
            Ok(code) => codes.push(Listed { code: code.as_str().to_owned(), side }),
            // The first line may be a heading.
            Err(_) if n == 0 => {}
            Err(refusal) => {
                let (place, why) = (file.display(), refusal.message);
                return Err(anyhow!("{place}, dòng / line {}: {} / {}", n + 1, why.vi, why.en));
            }
        }
    }
    ensure!(!codes.is_empty(), "{}: không có mã hồ sơ nào / there is no dossier code", file.display());
    Ok(codes)
}

/// Shows how far the gateway has come, and what it found. Breaking off here does not end the check.
async fn follow(store: &dyn AgreementStore, id: Uuid) -> Result<(), Failure> {
    let (mut line, mut waited) = (Line::new("hồ sơ / dossiers"), 0);
    loop {
        let (run, ended_at) = store.run(id).await?.ok_or_else(|| anyhow!("{id} is gone"))?;
        if ended_at.is_some() {
            line.end();
            print_run(&run, ended_at);
            open_cases(store).await?;
            let is_whole = run.stopped.is_none() && run.counts.unanswered == 0;
            return if run.counts.differences() == 0 && is_whole { Ok(()) } else { Err(Failure::Differs) };
        }
        if run.pages == 0 {
            waited += 1;
            if waited == PATIENCE {
                println!("Chưa cổng nào bắt đầu; cổng có đang chạy không? Yêu cầu vẫn còn đó.");
                println!("No gateway has begun; is one running? What was asked for stays.");
            }
        } else {
            let counts = &run.counts;
            let differences = counts.differences();
            line.show(run.phase.vietnamese(), counts.done, |rate| {
                let (done, total) = (grouped(counts.done), grouped(counts.total));
                let share = counts.done * 100 / counts.total.max(1);
                format!("{done} / {total} ({share} %), {rate:.0}/s, chênh lệch / differences {}", grouped(differences))
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn print_run(run: &Run, ended_at: Option<Timestamp>) {
    let counts = &run.counts;
    let last = run.until.plus_millis(-1).date_in_vietnam();
    let ended = ended_at.map_or_else(|| format!("… {}", run.phase), |at| at.to_text());
    println!("\n{}  {} – {last}  ({}, {} %)", run.id, run.from.date_in_vietnam(), run.origin, run.sample_percent);
    println!("  từ / asked – đến / ended      {} – {ended}", run.asked_at.to_text());
    println!("  đã xem / done                 {} / {}", grouped(counts.done), grouped(counts.total));
    println!("  Cổng trả lời / looked up      {}", grouped(counts.looked_up));
    println!("  khớp / equal                  {}", grouped(counts.equal));
    for (number, words) in [
        (counts.in_delivery, "đang gửi / on their way"),
        (counts.left_out, "ngoài mẫu / not in the sample"),
        (counts.unanswered, "Cổng không trả lời / unanswered"),
        (counts.listed_nowhere, "có trong danh sách, Cổng không biết / listed, unknown there"),
        (counts.repaired, "đã tự gửi lại / repaired by itself"),
    ] {
        if number > 0 {
            println!("  {words:<29} {}", grouped(number));
        }
    }
    for (numbers, words) in [
        (&counts.not_observable, "Cổng không cho biết / not told"),
        (&counts.unreadable, "không đọc được / unreadable"),
    ] {
        if !numbers.is_empty() {
            println!("  {words:<29} {}", listed(numbers));
        }
    }
    for (class, number) in &counts.different {
        println!("  ≠ {:<27} {}  {}", class.as_str(), grouped(*number), class.vietnamese());
    }
    match run.stopped.as_deref() {
        None => {}
        Some("portal_away") => println!("  Dừng: Cổng không trả lời. / It ended: the portal did not answer."),
        Some("too_many_differences") => {
            println!("  Không tự gửi lại: quá nhiều chênh lệch. / Nothing was repaired by itself: too much differs.");
        }
        Some(other) => println!("  {other}"),
    }
    if run.phase == Phase::Done && counts.differences() == 0 && run.stopped.is_none() {
        println!("  Không có chênh lệch. / Nothing differs of what the portal tells.");
    }
}

fn listed<T: Scalar>(numbers: &BTreeMap<T, u64>) -> String {
    let each = numbers.iter().map(|(name, number)| format!("{} {}", name.to_text(), grouped(*number)));
    each.collect::<Vec<_>>().join(", ")
}

async fn open_cases(store: &dyn AgreementStore) -> Result<(), Failure> {
    let open = store.open_by_class().await?;
    if !open.is_empty() {
        let open: BTreeMap<Class, u64> = open.into_iter().collect();
        println!("\nChờ quyết định / waiting for a decision: {}", listed(&open));
        println!("  lienthong portal cases [--class …] | repair CASE | repair --class … | dismiss CASE --reason …");
    }
    Ok(())
}

async fn cases(store: &dyn AgreementStore, query: CaseQuery) -> Result<(), Failure> {
    let cases = store.cases(query).await?;
    for case in &cases {
        print_case(case);
    }
    if cases.is_empty() {
        println!("Không có. / There are none.");
    }
    open_cases(store).await
}

fn print_case(case: &Case) {
    println!("\n{}  {}  {}", case.id, case.code, case.agency_id);
    println!("  {} ({})", case.class.vietnamese(), case.class);
    println!("  tỉnh / here {}   Cổng / there {}", case.expected, case.observed);
    let returns = if case.returns > 0 { format!(", ×{}", case.returns + 1) } else { String::new() };
    println!("  thấy / seen {} – {}{returns}", case.found_at.to_text(), case.seen_at.to_text());
    match (case.status, case.repair) {
        (CaseStatus::Open, Repair::Ask) => println!("  cần hỏi lại / to be asked: {}", what_to_ask(case.class)),
        (CaseStatus::Open, repair) => println!("  → lienthong portal repair {}  ({})", case.id, repair.vietnamese()),
        (status, _) => {
            let by = case.decided_by.as_deref().unwrap_or("–");
            println!("  {} ({status}), {by} {}", status.vietnamese(), case.words.as_deref().unwrap_or_default());
        }
    }
    if let Some(operation) = case.operation_id {
        println!("  /v1/operations/{operation}");
    }
}

fn what_to_ask(class: Class) -> &'static str {
    match class {
        Class::MissingLocally => "hệ thống địa phương có hồ sơ này không? / does a local system have it?",
        Class::NeverGiven => "hệ thống địa phương phải gửi hồ sơ này / the local system has to send it",
        _ => "lienthong outbox list",
    }
}

async fn repair(
    decisions: &Decisions,
    store: &dyn AgreementStore,
    case: Option<Uuid>,
    class: Option<Class>,
) -> Result<(), Failure> {
    if let Some(case) = case {
        let operation = decisions.repair(case, OPERATOR, OPERATOR).await;
        let operation = operation.map_err(|why| anyhow!("{case}: {}", words_of(&why)))?;
        println!("{case}: gửi lại / sent again, /v1/operations/{operation}");
        return Ok(());
    }
    let (mut after, mut sent, mut left) = (None, 0_u64, BTreeMap::<&str, u64>::new());
    loop {
        let query = CaseQuery { status: Some(CaseStatus::Open), class, after, limit: 200, ..CaseQuery::default() };
        let cases = store.cases(query).await?;
        let Some(last) = cases.last() else { break };
        after = Some(last.id);
        for case in &cases {
            match decisions.repair(case.id, OPERATOR, OPERATOR).await {
                Ok(_) => sent += 1,
                Err(NotDecided::Store(error)) => return Err(error.into()),
                Err(why) => *left.entry(words_of(&why)).or_default() += 1,
            }
        }
    }
    println!("gửi lại / sent again: {}", grouped(sent));
    for (why, number) in left {
        println!("  không / not: {} — {why}", grouped(number));
    }
    Ok(())
}

fn words_of(why: &NotDecided) -> &'static str {
    match why {
        NotDecided::NotFound => "không có chênh lệch này / there is no such case",
        NotDecided::NotOpen(_) => "đã được quyết định / it was decided already (lienthong portal cases --status …)",
        NotDecided::NothingToSend => {
            "ở đây không có gì để gửi lại, phải hỏi / there is nothing here to send again: ask"
        }
        NotDecided::Erased => "nội dung đã bị xóa / its content was erased",
        NotDecided::OnItsWay => {
            "hồ sơ vừa thay đổi hoặc đang được gửi / the dossier has just changed, or is on its way"
        }
        NotDecided::Store(_) => "cơ sở dữ liệu không trả lời / the database does not answer",
    }
}
