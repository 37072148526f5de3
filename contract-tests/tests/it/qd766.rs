//! The report on the service indicators, over the real wire: it counts what the nation holds, names every dossier that costs points and
//! why, and says what it cannot know. What is expected was counted by hand.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use calamine::{Data, Reader, Xlsx};
use jiff::civil::Date;
use lienthong::agreement::Place;
use lienthong::agreement::qd766::store::{Changed, HeldStore, Steps, StoredDossier};
use lienthong::agreement::qd766::{Compile, Desk, Reply, Standing, Wanted};
use lienthong::storage::StoreError;
use lienthong_domain::catalogue::{AgencyRegister, ProcedureCode};
use lienthong_domain::indicators::{FormulaTerms, ProcedureFacts};
use lienthong_domain::port::{PortError, ProcedureFactsSource};
use lienthong_domain::time::{SystemClock, WorkingCalendar};
use lienthong_sandbox::{CatalogueProcedure, FaultKind, FaultPlan, Operation, OperationFaults, Settings};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{self, World, set};

const REPORT: &str = "/v1/reports/qd766?from=2026-10-01&to=2026-10-31";
const COPY: &str = "[catalogue]\nevery_hours = 1\n";

fn code(n: usize) -> String {
    format!("H15.50-261120-00{n:02}")
}

/// Received on Friday 23 October at 08:15, and due on the 28th at 17:00.
fn dossier(state: &str) -> Value {
    let mut body = support::dossier(state);
    for (name, time) in [("submittedAt", "23T08:00"), ("receivedAt", "23T08:15"), ("dueAt", "28T17:00")] {
        set(&mut body, &format!("/{name}"), json!(format!("2026-10-{time}:00+07:00")));
    }
    body
}

fn changed(state: &str, members: &[(&str, Value)]) -> Value {
    let mut body = dossier(state);
    members.iter().for_each(|(name, value)| set(&mut body, &format!("/{name}"), value.clone()));
    body
}

fn finished(at: &str) -> Value {
    changed("finished", &[("finishedAt", json!(at)), ("results", json!([{ "name": "GCN", "id": "1" }]))])
}

/// A world whose catalogue says that the procedure of all these dossiers returns a paper, costs 100,000 đồng and takes three working
/// days at most.
async fn world() -> World {
    let world = World::with(Settings::default(), "[catalogue]\nevery_hours = 0\n").await;
    let time = json!({ "THOIGIANGIAIQUYET": "3", "DONVITINH": "Ngày làm việc", "MOTA": "",
                       "PHILEPHI": [{ "MAPHILEPHI": "", "SOTIEN": "100000", "DONVI": "VNĐ", "MOTA": "", "TENTEP": "", "URL": "" }] });
    let procedure = CatalogueProcedure::new("1.001612", "Đăng ký hộ kinh doanh", "G12-DN02", "Hộ kinh doanh")
        .with("CACHTHUCTHUCHIEN", json!([{ "KENH": "1", "THOIGIAN": [time] }]))
        .with(
            "KETQUATHUCHIEN",
            json!([{ "MAKETQUA": "KQ.1", "TENKETQUA": "Giấy chứng nhận", "TENTEP": "", "URL": "" }]),
        );
    world.sandbox.set_catalogue(vec![procedure]);
    world.cli(&["catalogue", "sync"]).await;
    world.wait_for("/v1/catalogue", |now| now["copiedAt"].is_string()).await;
    world
}

async fn report(world: &World, more: &str) -> Value {
    world.get(&format!("{REPORT}{more}")).await.is(200).json()
}

fn of<'a>(report: &'a Value, indicator: &str) -> &'a Value {
    report["indicators"].as_array().unwrap().iter().find(|item| item["indicator"] == indicator).unwrap()
}

/// Numerator, denominator, percent and undecided.
fn figure(report: &Value, indicator: &str) -> (u64, u64, String, u64) {
    let item = of(report, indicator);
    let number = |name: &str| item[name].as_u64().unwrap();
    let percent = item["percent"].as_str().unwrap().to_owned();
    (number("numerator"), number("denominator"), percent, number("undecided"))
}

/// Number of the dossier and reason.
fn costs(report: &Value, indicator: &str) -> Vec<(usize, String)> {
    let listed = of(report, indicator)["dossiers"].as_array().unwrap().iter();
    let number = |item: &Value| item["code"].as_str().unwrap().rsplit_once("-00").unwrap().1.parse().unwrap();
    listed.map(|item| (number(item), item["reason"].as_str().unwrap().to_owned())).collect()
}

fn reasons(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected.iter().map(|(n, reason)| (*n, (*reason).to_owned())).collect()
}

/// Ten dossiers that were delivered, each of a kind of its own.
async fn played() -> World {
    let world = world().await;
    let online =
        [("channel", json!("online")), ("isVerifiedByVneid", json!(true)), ("onlinePayment", json!("local_gateway"))];
    let with_result = json!([{ "name": "GCN", "id": "1", "resultCode": "KQ.1", "link": "https://h15.example/kq/1" }]);
    let paper = json!([{ "id": "1", "name": "Đơn", "link": "https://h15.example/tp/1", "isDigitised": true,
                         "isFromNationalRepository": true }]);
    let mut best = changed("finished", &online);
    for (name, value) in [
        ("/finishedAt", json!("2026-10-27T10:00:00+07:00")),
        ("/results", with_result),
        ("/papers", paper),
        ("/fees", json!([{ "name": "Lệ phí", "amount": 100_000, "kind": "charge", "collection": "at_reception" }])),
    ] {
        set(&mut best, name, value);
    }
    let states = [
        best,
        // On the second in which it was due.
        finished("2026-10-28T17:00:00+07:00"),
        finished("2026-10-28T17:00:01+07:00"),
        // Still under way at the end of the month.
        dossier("processing"),
        // Received the day before the month begins, and after it has ended.
        changed(
            "processing",
            &[("submittedAt", json!("2026-09-30T08:00:00+07:00")), ("receivedAt", json!("2026-09-30T23:59:59+07:00"))],
        ),
        changed("processing", &[("receivedAt", json!("2026-11-01T00:00:00+07:00"))]),
        // Not received.
        changed("registered", &[("receivedAt", Value::Null), ("dueAt", Value::Null)]),
        // Without a due time: three working days from Friday at 08:15 end on Wednesday at 08:15.
        changed("finished", &[("dueAt", Value::Null), ("finishedAt", json!("2026-10-28T08:15:00+07:00"))]),
        changed("finished", &[("dueAt", Value::Null), ("finishedAt", json!("2026-10-28T08:15:01+07:00"))]),
    ];
    for (n, body) in states.iter().enumerate() {
        let mut body = body.clone();
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        world.put(&code(n), &body).await.is(202);
    }
    // Twice asked for a supplement: late, however early it ends.
    world.put(&code(9), &dossier("processing")).await.is(202);
    let step = |state: &str, at: &str| {
        json!({ "handledBy": "Trần Thị Thử", "handledAt": at, "content": "xử lý", "state": state,
                                               "transitionReason": "bổ sung" })
    };
    for (state, hour) in [
        ("supplement_requested", 9),
        ("processing", 10),
        ("supplement_requested", 11),
        ("processing", 12),
        ("finished", 13),
    ] {
        let step = step(state, &format!("2026-10-23T{hour:02}:00:00+07:00"));
        world.steps(&code(9), &format!("step-{hour}"), &step).await.is(202);
    }
    world.settle().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_counts_what_the_nation_holds_and_names_what_costs_points() {
    let world = played().await;
    let report = report(&world, "&receivedByStatistics=14").await;
    assert_eq!(
        (&report["counted"], &report["outsideOfPeriod"], &report["notReceived"]),
        (&json!(7), &json!(2), &json!(1))
    );
    assert_eq!(report["standings"], json!([]));
    assert_eq!(figure(&report, "1.4"), (7, 14, "50.00".into(), 0));
    assert_eq!(of(&report, "1.4")["points"], "3.00");
    assert_eq!(figure(&report, "2.1"), (3, 7, "42.86".into(), 0));
    assert_eq!(
        costs(&report, "2.1"),
        reasons(&[
            (2, "finished_late"),
            (3, "unfinished_after_due"),
            (8, "beyond_legal_time"),
            (9, "second_supplement_request")
        ])
    );
    assert_eq!(figure(&report, "3.3"), (1, 7, "14.29".into(), 0));
    assert_eq!(of(&report, "3.3")["timesSyncRate"], "7.14");
    assert_eq!(figure(&report, "3.6"), (1, 7, "14.29".into(), 0));
    assert!(costs(&report, "3.6").iter().all(|(n, reason)| *n != 0 && reason == "fee_not_told"));
    // Five of them have ended, and one has the paper's link and the result's.
    assert_eq!(figure(&report, "4.1"), (1, 6, "16.67".into(), 0));
    assert_eq!(figure(&report, "4.2"), (1, 6, "16.67".into(), 0));
    assert_eq!(figure(&report, "4.3"), (1, 7, "14.29".into(), 0));
    assert_eq!(figure(&report, "4.4"), (1, 7, "14.29".into(), 0));
    assert_eq!(figure(&report, "4.5"), (1, 7, "14.29".into(), 0));
    for (indicator, why) in [
        ("1.1", "publication_unknown"),
        ("1.2", "publication_unknown"),
        ("5.2", "petitions_unknown"),
        ("5.4", "nothing_decided"),
    ] {
        let item = of(&report, indicator);
        assert_eq!((&item["kind"], &item["why"]), (&json!("not_observable"), &json!(why)), "{indicator}");
        assert_eq!(item["percent"], Value::Null);
    }
    assert!(
        report["indicators"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["source"].as_str().unwrap().contains("766/QĐ-TTg"))
    );
    let unknown = self::report(&world, "").await;
    assert_eq!(of(&unknown, "1.4")["why"], "received_unknown");
    let by_last_year = self::report(&world, "&receivedLastYear=168").await;
    assert_eq!(figure(&by_last_year, "1.4"), (7, 14, "50.00".into(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_report_is_a_table_and_a_workbook() {
    let world = played().await;
    let csv = world.get(&format!("{REPORT}&format=csv&receivedByStatistics=14")).await.is(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"qd766_2026-10-01_2026-10-31.csv\"");
    let mut lines = csv.text.strip_prefix('\u{feff}').unwrap().lines();
    assert!(lines.next().unwrap().starts_with("Chỉ số,Tên,Tử số,Mẫu số,Tỷ lệ (%)"));
    let line = lines.find(|line| line.starts_with("2.1,")).unwrap();
    assert!(line.starts_with("2.1,Tỷ lệ hồ sơ giải quyết đúng hạn,3,7,42.86,"), "{line}");
    let dossiers = world.get(&format!("{REPORT}&format=csv&table=dossiers")).await.is(200).text;
    let expected = format!("2.1,{},mất điểm,finished_late,Kết thúc xử lý sau ngày hẹn trả", code(2));
    assert!(dossiers.lines().any(|line| line == expected), "{dossiers}");

    let answer =
        world.request(Method::GET, &format!("{REPORT}&format=xlsx&receivedByStatistics=14")).bearer_auth(&world.token);
    let bytes = answer.send().await.unwrap().bytes().await.unwrap();
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    assert_eq!(book.sheet_names(), ["Chỉ số", "Hồ sơ mất điểm", "Cổng giữ khác"]);
    let sheet = book.worksheet_range("Chỉ số").unwrap();
    let row = sheet.rows().find(|row| row[0] == "2.1").unwrap();
    let (three, seven, share) = (Data::Float(3.0), Data::Float(7.0), Data::Float(42.86));
    assert_eq!(row[2..5], [three, seven, share]);
    let sheet = book.worksheet_range("Hồ sơ mất điểm").unwrap();
    assert!(sheet.rows().any(|row| row[0] == "2.1" && row[1] == code(2).as_str()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qd766.xlsx");
    let days = ["report", "qd766", "--from", "2026-10-01", "--to", "2026-10-31"];
    let output = world.cli(&[&days[..], &["--output", &file.display().to_string()]].concat()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("3 / 7 = 42.86 %"), "{text}");
    let bytes = std::fs::read(&file).unwrap();
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    assert!(book.worksheet_range("Chỉ số").unwrap().rows().any(|row| row[0] == "2.1" && row[2] == 3.0));
    let refused = world.cli(&[&days[..], &["--output", "x.pdf"]].concat()).await;
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains(".xlsx"));
    // Whoever reads a report is in the log.
    let records = world.get("/v1/audit/records?kind=body_read").await.is(200).json();
    let shown = records["items"].as_array().unwrap().iter().filter(|item| item["record"]["op"] == "report.qd766");
    assert_eq!(shown.count(), 4, "{records}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_nation_does_not_hold_is_told_and_not_counted() {
    let world = world().await;
    world.put(&code(0), &dossier("processing")).await.is(202);
    world.put(&code(1), &dossier("processing")).await.is(202);
    world.put("H15.61-261120-0001", &dossier("processing")).await.is(202);
    world.settle().await;
    let away = || OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    // Given on the day on which it was received.
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)));
    let received = format!("{}T00:00:00+07:00", now.date());
    let mut today = changed("processing", &[("submittedAt", json!(received)), ("receivedAt", json!(received))]);
    today.as_object_mut().unwrap().remove("dueAt");
    world.put(&code(4), &today).await.is(202);
    world.settle().await;
    let faults = FaultPlan::none().with(Operation::Insert, away()).with(Operation::Update, away());
    world.sandbox.set_faults(faults);
    world.put(&code(1), &finished("2026-10-27T10:00:00+07:00")).await.is(202);
    world.put(&code(2), &dossier("processing")).await.is(202);
    let september = changed(
        "processing",
        &[("submittedAt", json!("2026-09-01T08:00:00+07:00")), ("receivedAt", json!("2026-09-01T09:00:00+07:00"))],
    );
    world.put(&code(3), &september).await.is(202);
    let report = report(&world, "").await;
    assert_eq!(report["counted"], 3);
    assert_eq!(
        report["standings"],
        json!([
            { "standing": "not_held", "count": 1, "dossiers": [code(2)] },
            { "standing": "outdated", "count": 1, "dossiers": [code(1)] },
        ])
    );
    let of_today = world.get(&format!("/v1/reports/qd766?from={0}&to={0}", now.date())).await.is(200).json();
    assert_eq!((&of_today["counted"], &of_today["standings"]), (&json!(1), &json!([])));
    let of_ward = self::report(&world, "&agency=H15.61").await;
    assert_eq!(
        (&of_ward["counted"], &of_ward["standings"], &of_ward["agencyCode"]),
        (&json!(1), &json!([]), &json!("H15.61"))
    );
    assert_eq!(self::report(&world, "&agency=H15").await["counted"], 3, "with all that stands under it");
    assert_eq!(self::report(&world, "&agency=H99").await["counted"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_wait_are_told_and_a_dossier_with_an_erased_step_is_not_judged() {
    let world = world().await;
    let step = |state: &str, hour: u8| {
        json!({ "handledBy": "Trần Thị Thử", "handledAt": format!("2026-10-23T{hour:02}:00:00+07:00"), "content": "xử lý",
                "state": state, "transitionReason": "bổ sung" })
    };
    world.put(&code(0), &dossier("processing")).await.is(202);
    for (state, hour) in [("supplement_requested", 9), ("processing", 10)] {
        world.steps(&code(0), &format!("step-{hour}"), &step(state, hour)).await.is(202);
    }
    world.settle().await;
    let away = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    world.sandbox.set_faults(FaultPlan::none().with(Operation::AppendSteps, away));
    world.steps(&code(0), "step-11", &step("supplement_requested", 11)).await.is(202);
    let waiting = report(&world, "").await;
    assert_eq!(waiting["counted"], 1);
    assert_eq!(waiting["standings"], json!([{ "standing": "steps_waiting", "count": 1, "dossiers": [code(0)] }]));
    assert_eq!(costs(&waiting, "2.1"), reasons(&[(0, "unfinished_after_due")]), "the second request is not there yet");
    world.sandbox.set_faults(FaultPlan::none());
    world.settle().await;
    // A report is given out again for minutes: each question is another.
    let delivered = report(&world, "&agency=H15").await;
    assert_eq!(costs(&delivered, "2.1"), reasons(&[(0, "second_supplement_request")]));

    let records = world.get("/v1/audit/records?kind=accept").await.is(200).json();
    let accepted = |record: &&Value| record["record"]["op"] == "dossier.step";
    let of_step = records["items"].as_array().unwrap().iter().find(accepted).unwrap_or_else(|| panic!("{records}"));
    let record = of_step["record"]["id"].as_str().unwrap();
    let erased =
        world.cli(&["erase", "record", record, "--ground", "on-request", "--by", "Trần Thị Thử", "--yes"]).await;
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    let now = report(&world, "&agency=H15.50").await;
    assert_eq!((&now["counted"], costs(&now, "2.1")), (&json!(0), reasons(&[])));
    assert_eq!(now["standings"], json!([{ "standing": "erased", "count": 1, "dossiers": [code(0)] }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_answered_is_refused_with_its_place() {
    let world = World::with(Settings::default(), COPY).await;
    for (query, expected) in [
        ("from=2026-11-01", ("#/query/to", "required")),
        ("to=2026-11-01", ("#/query/from", "required")),
        ("from=2026-11-02&to=2026-11-01", ("#/query/to", "range")),
        ("from=2026-11-01&to=2100-01-01", ("#/query/to", "range")),
        ("from=2026-11-1&to=2026-11-01", ("#/query/from", "date")),
        ("from=2026-02-30&to=2026-03-01", ("#/query/from", "date")),
        ("from=20261101&to=2026-11-01", ("#/query/from", "date")),
        ("from=-009999-01-01&to=2026-11-01", ("#/query/from", "date")),
        ("receivedLastYear=-1", ("#/query/receivedLastYear", "number")),
        ("receivedByStatistics=1e3", ("#/query/receivedByStatistics", "number")),
        ("format=pdf", ("#/query/format", "code")),
        ("table=dossiers", ("#/query/table", "not_applicable")),
        ("month=11", ("#/query/month", "unknown_parameter")),
    ] {
        let answer = world.get(&format!("/v1/reports/qd766?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
        let errors = answer.errors();
        assert_eq!(errors.len(), 1, "{query}: {errors:?}");
        assert_eq!(errors[0].0, expected.0, "{query}");
        if query != "format=pdf" {
            assert_eq!(errors[0].1, expected.1, "{query}");
        }
    }
    // Without any, it is last month's.
    let last = world.get("/v1/reports/qd766").await.is(200).json();
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7))).date();
    let month_before = now.first_of_month().yesterday().unwrap();
    assert_eq!(last["to"], month_before.to_string());
    assert_eq!(last["from"], month_before.first_of_month().to_string());
}

/// A store of three dossiers, of which one changes meanwhile, so that it comes a second time; and nobody reads a page before the gate is
/// open.
struct Slow {
    gate: Semaphore,
    fails: AtomicBool,
    counted: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Slow {
    fn new(pages: usize) -> Arc<Self> {
        Arc::new(Self {
            gate: Semaphore::new(pages),
            fails: AtomicBool::new(false),
            counted: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl HeldStore for Slow {
    async fn count(&self, _: Changed) -> Result<u64, StoreError> {
        self.counted.fetch_add(1, Ordering::SeqCst);
        self.most_under_way.fetch_max(self.under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok(3)
    }

    async fn page(&self, _: Changed, after: Place, _: usize) -> Result<Vec<StoredDossier>, StoreError> {
        self.gate.acquire().await.unwrap().forget();
        if self.fails.load(Ordering::SeqCst) {
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            return Err(StoreError::Failed("away".into()));
        }
        let next = u8::try_from(after.at).unwrap() + 1;
        if next > 4 {
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            return Ok(Vec::new());
        }
        Ok(vec![StoredDossier {
            code: code(usize::from(next) % 3),
            agency_id: "H15".into(),
            updated_at: next.into(),
            revision: 1,
            acknowledged_revision: None,
            content: None,
            steps: Steps::default(),
        }])
    }
}

struct Unknown;

#[async_trait]
impl ProcedureFactsSource for Unknown {
    async fn facts(&self, _: &ProcedureCode) -> Result<ProcedureFacts, PortError> {
        Ok(ProcedureFacts::default())
    }
}

fn compile(store: &Arc<Slow>) -> Arc<Compile> {
    Arc::new(Compile {
        store: Arc::clone(store) as _,
        procedures: Arc::new(Unknown),
        agencies: Arc::new(AgencyRegister::new([])),
        terms: FormulaTerms::of_working_document(),
        calendar: WorkingCalendar::new([], WorkingCalendar::office_hours()).unwrap(),
        clock: Arc::new(SystemClock),
    })
}

/// Of that day of October.
fn wanted(day: i8) -> Wanted {
    let date = Date::constant(2026, 10, day);
    Wanted::of(date, date, None, date).unwrap()
}

const PATIENCE: Duration = Duration::from_secs(1);

/// How far it is, or how many were found erased.
async fn ask((desk, compile): &(Desk, Arc<Compile>), day: i8) -> Result<u64, (u64, u64)> {
    match desk.ask(compile, wanted(day), PATIENCE).await.unwrap() {
        Reply::Done(compiled) => Ok(compiled.standings[&Standing::Erased].0),
        Reply::UnderWay { done, total } => Err((done, total)),
        Reply::Crowded => panic!("crowded"),
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_what_takes_long_is_told_how_far_it_is_and_it_is_counted_once() {
    let store = Slow::new(2);
    let desk = (Desk::default(), compile(&store));
    assert_eq!(ask(&desk, 1).await, Err((2, 3)));
    assert_eq!(ask(&desk, 1).await, Err((2, 3)));
    store.gate.add_permits(3);
    assert_eq!(ask(&desk, 1).await, Ok(3));
    assert_eq!(ask(&desk, 1).await, Ok(3));
    assert_eq!(store.counted.load(Ordering::SeqCst), 1);
    // A changed configuration may count otherwise.
    let changed = (desk.0.clone(), compile(&store));
    store.gate.add_permits(5);
    assert_eq!(ask(&changed, 1).await, Ok(3));
    assert_eq!(store.counted.load(Ordering::SeqCst), 2);
    assert_eq!(ask(&desk, 1).await, Ok(3));
    assert_eq!(store.counted.load(Ordering::SeqCst), 2);
    // What was counted long ago is counted anew.
    tokio::time::advance(Duration::from_secs(301)).await;
    store.gate.add_permits(5);
    assert_eq!(ask(&desk, 1).await, Ok(3));
    assert_eq!(store.counted.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn one_is_counted_at_a_time_and_too_many_are_refused() {
    let store = Slow::new(0);
    let desk = (Desk::default(), compile(&store));
    for day in 1..=4 {
        assert!(ask(&desk, day).await.is_err());
    }
    assert_eq!(store.counted.load(Ordering::SeqCst), 1, "the others wait");
    assert!(matches!(desk.0.ask(&desk.1, wanted(5), PATIENCE).await.unwrap(), Reply::Crowded));
    store.gate.add_permits(5);
    assert_eq!(ask(&desk, 1).await, Ok(3));
    // It makes room for another.
    assert!(ask(&desk, 5).await.is_err());
    store.gate.add_permits(100);
    for day in 2..=5 {
        assert_eq!(ask(&desk, day).await, Ok(3), "{day}");
    }
    assert_eq!(store.most_under_way.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_told_and_counted_anew_for_whoever_asks_next() {
    let store = Slow::new(100);
    let desk = (Desk::default(), compile(&store));
    store.fails.store(true, Ordering::SeqCst);
    assert!(desk.0.ask(&desk.1, wanted(1), PATIENCE).await.is_err());
    store.fails.store(false, Ordering::SeqCst);
    assert_eq!(ask(&desk, 1).await, Ok(3));
}
