//! `lienthong audit …`: what can be proved of the log, and to whom.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
use uuid::Uuid;

use super::Failure;
use super::progress::{Line, grouped};
use crate::audit::cms::{Malformed, Roots};
use crate::audit::continuation::Broken;
use crate::audit::export::Folder;
use crate::audit::log::{Checkpoint, NotProved, Note, ProofFile, VerifierKey};
use crate::audit::store::LogReader;
use crate::audit::verify::{self, Seen, Trust, Verdict, Wrong};
use crate::audit::{names, read, retention};
use crate::config::Loaded;
use crate::storage::StoreError;
use crate::wiring::Stores;

/// No proof file is longer.
const MOST_FILE_BYTES: u64 = 1 << 20;

#[derive(Subcommand)]
pub(super) enum Command {
    /// In các khóa công khai để người khác kiểm nhật ký / Print the public keys by which others verify the log
    Key,
    /// Kiểm toàn bộ nhật ký: trong cơ sở dữ liệu của cấu hình, hoặc trong một thư mục đã xuất / Verify the whole log: in the
    /// configured database, or in a folder that was exported
    ///
    /// Kết thúc với 0: đúng; 1: sai, nêu bản ghi sai đầu tiên; 2: không đọc được. / Ends with 0: verified; 1: wrong, with the
    /// first wrong record; 2: cannot be read.
    Verify {
        /// Thư mục do `audit export` viết / A folder that `audit export` wrote
        #[arg(long)]
        folder: Option<PathBuf>,
        /// Khóa của nhật ký; không có thì dùng khóa của chính nơi được kiểm / The log's key; without it, that of what is verified
        #[arg(long = "key")]
        keys: Vec<String>,
        /// Khóa của nhân chứng; cho biết bản ghi đã có trước lúc nào / A witness's key: tells by when records were there
        #[arg(long = "witness")]
        witnesses: Vec<String>,
        /// Chứng thư gốc (PEM) của tổ chức cấp dấu thời gian và của chữ ký cơ quan; không có thì dùng của chính nơi được kiểm / Root
        /// certificates of time-stamping authorities and of the agency's signature; without it, those of what is verified
        #[arg(long = "authority")]
        authorities: Vec<PathBuf>,
        /// Đỉnh đã ký mà người khác đã giữ lại / A checkpoint that somebody else has kept
        #[arg(long = "checkpoint")]
        outside: Vec<PathBuf>,
    },
    /// Sau khi khôi phục bản sao lưu cũ: cho nhật ký nối tiếp dưới một tên khác / After an older backup was restored on purpose: let
    /// the log go on under another name
    ///
    /// Chỉ nói sẽ làm gì, nếu không có --yes. / Only says what it would do, without --yes.
    Continue {
        /// Người quyết định; chỉ vào nhật ký dưới dạng bí danh / Who decides so; enters the log as a pseudonym only
        #[arg(long)]
        by: String,
        #[arg(long)]
        yes: bool,
    },
    /// Xuất những gì đã ký ra một thư mục mới / Export what was signed to a new folder
    ///
    /// Với --from và --until: chỉ các bản ghi của thời gian ấy, và giá trị băm của mọi bản ghi khác, nên vẫn kiểm được. / With --from and
    /// --until: only the records of that time, and the hashes of all others, so that it can be verified.
    Export {
        folder: PathBuf,
        /// Từ ngày (giờ Việt Nam) hoặc thời điểm này / From this day (Viet Nam) or time on
        #[arg(long, value_parser = time)]
        from: Option<Timestamp>,
        /// Trước ngày hoặc thời điểm này / Before this day or time
        #[arg(long, value_parser = time)]
        until: Option<Timestamp>,
    },
    /// Viết chứng cứ của một bản ghi vào tệp / Write the proof of one record to a file
    Prove {
        /// Mã bản ghi / The record's id
        id: Uuid,
        /// Tệp để viết; không có thì in ra / The file to write; without it, it is printed
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Kiểm một tệp chứng cứ; không cần cơ sở dữ liệu hay cấu hình / Verify a proof file; needs no database, no configuration
    VerifyProof {
        file: PathBuf,
        /// Khóa của nhật ký, như `lienthong audit key` in ra; có thể lặp lại / The log's key as `lienthong audit key` prints it
        #[arg(long = "key", required = true)]
        keys: Vec<String>,
    },
}

pub(super) async fn run(load: impl FnOnce() -> Result<Loaded, Failure>, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Key => key(&stores(&load()?).await?).await,
        Command::Verify { folder, keys, witnesses, authorities, outside } => {
            let mut trust = Trust {
                keys: read_keys(keys)?,
                witnesses: read_keys(witnesses)?,
                authorities: read_authorities(authorities)?,
                outside: read_checkpoints(outside)?,
            };
            match folder {
                Some(folder) => {
                    let folder = Folder::new(folder);
                    let unreadable = |error: StoreError| Failure::Unreadable(error.to_string());
                    let own = folder.keys().map_err(unreadable)?;
                    if trust.authorities.is_none() {
                        trust.authorities = folder.authorities().map_err(unreadable)?;
                    }
                    verify(&folder, trust, own, authorities.is_empty()).await
                }
                None => {
                    let loaded = load()?;
                    if trust.authorities.is_none() {
                        trust.authorities = Some(configured_authorities(&loaded)?).filter(|roots| !roots.is_empty());
                    }
                    let stores = stores(&loaded).await.map_err(|error| Failure::Unreadable(format!("{error:#}")))?;
                    let own = own_keys(&stores).await.map_err(|error| Failure::Unreadable(format!("{error:#}")))?;
                    verify(&*stores.audit, trust, own, authorities.is_empty()).await
                }
            }
        }
        Command::Export { folder, from, until } => {
            let loaded = load()?;
            let range = (from.is_some() || until.is_some()).then(|| {
                // Far before the first log, and after the last.
                let (first, last) = (Timestamp::from_micros(0), Timestamp::from_micros(250_000_000_000_000_000));
                from.unwrap_or(first)..until.unwrap_or(last)
            });
            export(&stores(&loaded).await?, &configured_authorities(&loaded)?, folder, range).await
        }
        Command::Continue { by, yes } => go_on(&stores(&load()?).await?, by.trim(), *yes).await,
        Command::Prove { id, file } => prove(&stores(&load()?).await?, *id, file.as_deref()).await,
        Command::VerifyProof { file, keys } => verify_proof(file, keys),
    }
}

async fn stores(loaded: &Loaded) -> anyhow::Result<Stores> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Stores::open_existing(&loaded.settings, &clock).await
}

async fn own_keys(stores: &Stores) -> anyhow::Result<Vec<VerifierKey>> {
    let signer = stores.signer();
    let mut keys = Vec::new();
    for shard in stores.audit.shards().await? {
        for number in names::FIRST..=stores.audit.number(&shard).await? {
            keys.extend(signer.verifiers(&names::name(&shard, number))?);
        }
    }
    Ok(keys)
}

/// Also those of this half-year and the next: they are to be published before anything is signed by them.
async fn key(stores: &Stores) -> Result<(), Failure> {
    let mut keys = own_keys(stores).await?;
    for half_year in stores.recorder.half_years() {
        for key in stores.signer().in_use(&stores.recorder.shard(&half_year))? {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys.iter().for_each(|key| println!("{key}"));
    Ok(())
}

fn read_keys(keys: &[String]) -> Result<Vec<VerifierKey>, Failure> {
    let keys = keys.iter().map(|key| VerifierKey::parse(key)).collect::<Result<_, _>>();
    keys.map_err(|error| Failure::Unreadable(format!("--key: {error}")))
}

fn read_authorities(files: &[PathBuf]) -> Result<Option<Roots>, Failure> {
    let read = |file: &PathBuf| Roots::read(file).map_err(|error| Failure::Unreadable(format!("--authority: {error}")));
    let roots = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok((!roots.is_empty()).then(|| Roots::join(roots)))
}

/// Those that the configuration trusts.
fn configured_authorities(loaded: &Loaded) -> Result<Roots, Failure> {
    let unreadable = |error: Malformed| Failure::Unreadable(error.to_string());
    let stamps = loaded.settings.timestamp_authorities().map_err(unreadable)?.into_iter().map(|terms| terms.roots);
    let signature = loaded.settings.agency_signature().map_err(unreadable)?.map(|terms| terms.roots);
    Ok(Roots::join(stamps.chain(signature)))
}

fn read_checkpoints(files: &[PathBuf]) -> Result<Vec<Note>, Failure> {
    let read = |file: &PathBuf| -> anyhow::Result<Note> {
        let note = Note::parse(&read_file(file)?)?;
        Checkpoint::parse(note.text())?;
        Ok(note)
    };
    let read = |file| read(file).map_err(|error| Failure::Unreadable(format!("{}: {error:#}", file.display())));
    files.iter().map(read).collect()
}

async fn verify(
    log: &dyn LogReader,
    mut trust: Trust,
    own: Vec<VerifierKey>,
    has_own_authorities: bool,
) -> Result<(), Failure> {
    let is_own_word = trust.keys.is_empty();
    if is_own_word {
        trust.keys = own;
    }
    let shards = log.shards().await.map_err(|error| Failure::Unreadable(error.to_string()))?;
    if shards.is_empty() {
        return Err(Failure::Unreadable("không có nhật ký nào ở đây / there is no log here".into()));
    }
    if let Some(shard) = shards.iter().find(|shard| !trust.keys.iter().any(|key| names::is_of(key.name(), shard))) {
        let what = format!("{shard}: thiếu khóa của nhật ký này (--key) / no key of this log was given");
        return Err(Failure::Unreadable(what));
    }
    let mut wrong = missing(&shards, &trust, is_own_word);
    let (mut unsigned, mut verdicts) = (Vec::new(), Vec::new());
    let mut line = Line::new("bản ghi / records");
    for (n, shard) in shards.iter().enumerate() {
        let progress = &mut |records| show(&mut line, "kiểm / verifying", records);
        let verdict = verify::verify(log, shard, &trust, progress).await;
        line.end();
        let verdict = verdict.map_err(|error| Failure::Unreadable(format!("{shard}: {error}")))?;
        print(&verdict);
        let is_newest = n + 1 == shards.len();
        match (&verdict.wrong, verdict.records - verdict.proved.min(verdict.records)) {
            (Some(found), _) => wrong.push(told(shard, verdict.proved, found)),
            (None, 0) => {}
            (None, left) if is_newest && verdict.proved > 0 => unsigned.push(format!(
                "{shard}: {} bản ghi cuối chưa được ký / the last {} records are signed by nobody yet",
                grouped(left),
                grouped(left)
            )),
            (None, left) => wrong.push(format!(
                "{shard}: {} bản ghi không có chữ ký nào / {} records are signed by nobody",
                grouped(left),
                grouped(left)
            )),
        }
        verdicts.push(verdict);
    }
    let unexplained = retention::unexplained(log, &verdicts).await;
    for shard in unexplained.map_err(|error| Failure::Unreadable(error.to_string()))? {
        wrong.push(format!(
            "{shard}: các bản ghi đã bị bỏ mà không bản ghi nào đã ký nói vậy / its records are gone, and no signed record says that \
             they were not to be kept any more"
        ));
    }
    if trust.outside.is_empty() {
        println!(
            "\nKhông có đỉnh nào do người khác giữ (--checkpoint): không biết được nhật ký có bị lùi về trước hay không.\n\
             No checkpoint that somebody else kept was given: whether the log was put back, or its end made anew, cannot be known."
        );
    }
    if is_own_word {
        println!(
            "\nKhóa là khóa đi kèm nhật ký (--key không có): hãy so với khóa mà tỉnh đã công bố.\n\
             The keys are those that came with the log: compare them with those that the province has published."
        );
    }
    if has_own_authorities && verdicts.iter().any(|verdict| verdict.stamped.is_some() || verdict.signed.is_some()) {
        println!(
            "\nChứng thư gốc của các dấu thời gian và chữ ký cơ quan là chứng thư đi kèm (--authority không có).\n\
             The root certificates for time stamps and the agency's signature are those that came with the log."
        );
    }
    unsigned.iter().for_each(|text| println!("\n{text}"));
    match wrong.is_empty() {
        true => {
            println!("\nĐÚNG / VERIFIED");
            Ok(())
        }
        false => Err(Failure::NotVerified(wrong.join("\n"))),
    }
}

/// Logs that should be there: somebody has a checkpoint of them, or their key was given.
fn missing(shards: &[String], trust: &Trust, is_own_word: bool) -> Vec<String> {
    let kept = trust.outside.iter().filter_map(|note| Some(Checkpoint::parse(note.text()).ok()?.origin));
    let keys = trust.keys.iter().filter(|_| !is_own_word).map(|key| key.name().to_owned());
    let is_missing = |name: &String| !shards.iter().any(|shard| names::is_of(name, shard));
    let mut missing: Vec<String> = kept.chain(keys).filter(is_missing).collect();
    missing.sort();
    missing.dedup();
    let told = |origin: &String| {
        format!(
            "{origin}: thiếu cả nhật ký này / this whole log is missing, though its key or a checkpoint of it was given"
        )
    };
    missing.iter().map(told).collect()
}

fn told(shard: &str, proved: u64, wrong: &Wrong) -> String {
    let place = if wrong.is_exact { "bản ghi / record" } else { "từ bản ghi / from record" };
    format!(
        "{shard}: {place} {}: {}\n  {} bản ghi đầu đúng như đã ký / the first {} records are as they were signed",
        wrong.record,
        wrong.what,
        grouped(proved),
        grouped(proved)
    )
}

fn show(line: &mut Line, verb: &str, records: u64) {
    line.show(verb, records, |rate| format!("{}  {}/s", grouped(records), grouped(rate as u64)));
}

fn print(verdict: &Verdict) {
    let Verdict { shard, records, proved, checkpoints, outside, .. } = verdict;
    println!("{shard}");
    if let Some((closed, record)) = &verdict.dropped {
        let size = grouped(closed.size);
        println!("  hết hạn lưu, đã bỏ / dropped after retention  {size}  ({record})");
    }
    println!("  bản ghi đã đọc / records read          {}", grouped(*records));
    if verdict.by_hash > 0 {
        println!("  chỉ có giá trị băm / by hash alone     {}", grouped(verdict.by_hash));
    }
    println!("  đã ký và đúng / signed, and as signed  {}", grouped(*proved));
    println!("  đỉnh đã ký / checkpoints               {}", grouped(*checkpoints));
    let seen = [
        ("nhân chứng đã thấy / witnessed        ", &verdict.witnessed),
        ("có dấu thời gian / time-stamped       ", &verdict.stamped),
        ("cơ quan đã ký / signed by the agency  ", &verdict.signed),
    ];
    for (what, seen) in seen {
        if let Some(Seen { records, by, at }) = seen {
            let when = i64::try_from(*at).ok().and_then(|at| at.checked_mul(1_000_000)).map(Timestamp::from_micros);
            let when = when.map(|when| when.to_string()).unwrap_or_default();
            println!("  {what} {}  {by}  {when}", grouped(*records));
        }
    }
    if verdict.unjudged > 0 {
        println!("  chưa xét / not judged (--authority)    {}", grouped(verdict.unjudged));
    }
    if !outside.is_empty() {
        let sizes: Vec<String> = outside.iter().map(|size| grouped(*size)).collect();
        println!("  do người khác giữ / kept elsewhere     {}", sizes.join("; "));
    }
}

/// A day, from its midnight in Viet Nam on, or a time with its offset.
fn time(text: &str) -> Result<Timestamp, String> {
    let at = match text.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == 10 => Timestamp::from_vietnam(date.at(0, 0, 0, 0)).ok(),
        _ => text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_micros(at.as_microsecond())),
    };
    at.ok_or_else(|| {
        "cần ngày như 2026-10-01 hoặc thời điểm như 2026-10-01T08:00:00+07:00 / a day or a time is needed".into()
    })
}

async fn export(
    stores: &Stores,
    authorities: &Roots,
    path: &Path,
    range: Option<Range<Timestamp>>,
) -> Result<(), Failure> {
    let folder = Folder::new(path);
    let mut line = Line::new("bản ghi / records");
    let is_meant = |shard: &String| {
        range.as_ref().is_none_or(|range| {
            let (begins, ends) = (names::begins(shard), names::ends(shard));
            begins.is_none_or(|begins| begins < range.end) && ends.is_none_or(|ends| ends > range.start)
        })
    };
    for shard in stores.audit.shards().await?.into_iter().filter(is_meant) {
        let records = folder
            .write(&*stores.audit, &shard, range.as_ref(), &mut |records| show(&mut line, "xuất / exporting", records))
            .await;
        line.end();
        println!("{shard}: {} bản ghi / records", grouped(records?));
    }
    // Last: a key may have been changed meanwhile.
    folder.write_keys(&own_keys(stores).await?, authorities)?;
    println!("{}: xem / see README.txt", path.display());
    Ok(())
}

async fn go_on(stores: &Stores, by: &str, yes: bool) -> Result<(), Failure> {
    if by.is_empty() {
        return Err(anyhow::anyhow!("--by: cần tên người quyết định / who decides so must be said").into());
    }
    let continuation = stores.continuation();
    let broken = continuation.broken().await?;
    if broken.is_empty() {
        println!("Nhật ký đúng như đã ký, không cần gì. / The log is as it was signed: there is nothing to do.");
        return Ok(());
    }
    for broken in &broken {
        let Broken { shard, signed, kept, number } = broken;
        println!("{}", signed.origin);
        println!("  đã ký / signed      {}", grouped(signed.size));
        println!("  đang có / are here  {}", grouped(*kept));
        println!("  nối tiếp / goes on  {}", names::name(shard, *number));
        if yes {
            continuation.go_on(broken, by).await?;
        }
    }
    println!(
        "\nNgười giữ đỉnh cũ vẫn chứng minh được phần đã mất. Nếu có bản sao lưu mới hơn, hãy khôi phục bản đó thay vì làm điều này.\n\
         Whoever keeps an older checkpoint can still prove what is missing. If there is a newer backup, restore that instead."
    );
    match yes {
        true => println!("Đã ghi. Công bố khóa mới / Done. Publish the new key: lienthong audit key"),
        false => println!("Chưa làm gì; thêm --yes. / Nothing was done; add --yes."),
    }
    Ok(())
}

async fn prove(stores: &Stores, id: Uuid, file: Option<&Path>) -> Result<(), Failure> {
    let audit = &*stores.audit;
    let Some((shard, record)) = read::find(audit, id).await? else {
        return Err(anyhow::anyhow!("không có bản ghi {id} / there is no record {id} with a place in the log").into());
    };
    let signer = stores.signer();
    let Some(proof) = read::prove(audit, &shard, record, |name| signer.verifiers(name)).await? else {
        let what =
            "bản ghi này chưa được ký; cổng ký khi đang chạy / this record is not signed yet: a running gateway signs";
        return Err(anyhow::anyhow!(what).into());
    };
    match file {
        None => print!("{proof}"),
        Some(file) => {
            std::fs::write(file, proof.to_string()).with_context(|| file.display().to_string())?;
            println!("{}: {shard} #{}", file.display(), proof.index);
        }
    }
    Ok(())
}

fn verify_proof(file: &Path, keys: &[String]) -> Result<(), Failure> {
    let keys = read_keys(keys)?;
    let unreadable = |error: anyhow::Error| Failure::Unreadable(format!("{}: {error:#}", file.display()));
    let proof = read_file(file).map_err(unreadable)?;
    let proof = ProofFile::parse(&proof).map_err(|error| unreadable(error.into()))?;
    let proved = proof.verify(&keys).map_err(|error| match error {
        NotProved::Malformed(_) | NotProved::WithoutRecord => unreadable(error.into()),
        _ => Failure::NotVerified(format!("{}: {error}", file.display())),
    })?;
    let Checkpoint { origin, size, .. } = &proved.checkpoint;
    println!("ĐÚNG / VERIFIED: {origin}, bản ghi / record {} trong / of {size}", proof.index);
    for (key, time) in proved.signed_by {
        let when = time.and_then(|time| i64::try_from(time).ok()?.checked_mul(1_000_000)).map(Timestamp::from_micros);
        let when = when.map(|when| format!(" lúc / at {when}")).unwrap_or_default();
        println!("ký bởi / signed by {key}{when}");
    }
    println!(
        "Chứng minh bản ghi dưới đây có trong nhật ký đã ký đó; không chứng minh thời điểm, trừ khi có bên khác ký kèm giờ.\n\
         Proves that the record below stands in the log that was signed; not when, unless somebody else signed with a time."
    );
    println!("{}", String::from_utf8_lossy(proved.record));
    Ok(())
}

fn read_file(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_FILE_BYTES {
        bail!("no proof file is longer than 1 MiB");
    }
    Ok(bytes)
}
