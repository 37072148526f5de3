//! The report as tables: the figures, the dossiers that cost points, and those of which the nation holds something else.

use lienthong_domain::dossier::DossierCode;
use lienthong_domain::indicators::{Indicator, IndicatorResult, Listed, Percent, Reason, SyncBasis, Value};
use lienthong_domain::scalar::Scalar;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

use super::compile::{Compiled, LISTED};

/// One table.
pub struct Sheet {
    /// In the file's tabs, at most 31 characters.
    pub name: &'static str,
    /// What stands above it.
    pub remarks: Vec<String>,
    pub heading: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in a place of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Text(String),
    Number(u64),
    /// Written with two decimals.
    Hundredths(u32),
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Cell {
    fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Hundredths(hundredths) => format!("{}.{:02}", hundredths / 100, hundredths % 100),
            Self::Nothing => String::new(),
        }
    }
}

/// The three tables.
pub fn sheets_of(compiled: &Compiled, basis: &SyncBasis) -> [Sheet; 3] {
    [figures(compiled, basis), dossiers(compiled), standings(compiled)]
}

fn figures(compiled: &Compiled, basis: &SyncBasis) -> Sheet {
    let report = compiled.tally.report(basis);
    let agency = compiled.wanted.agency.as_ref().map_or_else(|| "toàn tỉnh".to_owned(), |agency| agency.normalised());
    let remarks = vec![
        format!("Chỉ số phục vụ từ {} đến {}, {agency}", compiled.wanted.first, compiled.wanted.last),
        format!("Công thức: {}. Giá trị pháp lý chưa được xác nhận; số liệu chính thức là của VPCP.", report.version),
        format!("Tính lúc {} từ {} hồ sơ tiếp nhận trong kỳ", compiled.began_at.to_text(), report.counted),
    ];
    let heading = vec![
        "Chỉ số",
        "Tên",
        "Tử số",
        "Mẫu số",
        "Tỷ lệ (%)",
        "Nhân tỷ lệ đồng bộ (%)",
        "Phần điểm đạt (%)",
        "Điểm",
        "Chưa xác định",
        "Ghi chú",
        "Nguồn công thức",
    ];
    Sheet { name: "Chỉ số", remarks, heading, rows: report.results().iter().map(figure).collect() }
}

fn figure(result: &IndicatorResult) -> Vec<Cell> {
    let percent =
        |percent: Option<Percent>| percent.map_or(Cell::Nothing, |percent| Cell::Hundredths(percent.hundredths()));
    let (numerator, denominator, share, remark) = match result.value {
        Value::Share { numerator, denominator, percent } => {
            (Cell::Number(numerator), Cell::Number(denominator), Cell::Hundredths(percent.hundredths()), Cell::Nothing)
        }
        Value::NotApplicable => (Cell::Nothing, Cell::Nothing, Cell::Nothing, "Không có hồ sơ thuộc diện tính".into()),
        Value::NotObservable(why) => (Cell::Nothing, Cell::Nothing, Cell::Nothing, why.vietnamese().into()),
    };
    vec![
        result.indicator.as_str().into(),
        result.indicator.vietnamese().into(),
        numerator,
        denominator,
        share,
        percent(result.times_sync_rate),
        percent(result.earned),
        result.points_in_hundredths.map_or(Cell::Nothing, Cell::Hundredths),
        Cell::Number(result.undecided),
        remark,
        Cell::Text(result.source().vi),
    ]
}

fn dossiers(compiled: &Compiled) -> Sheet {
    let of = |indicator: &Indicator| {
        let name = indicator.as_str();
        let rows = move |listed: Listed<'_>| {
            let effect = if listed.costs_points { "mất điểm" } else { "chưa xác định" };
            let row = |(code, reason): (&DossierCode, Reason)| {
                vec![
                    name.into(),
                    code.as_str().into(),
                    effect.into(),
                    reason.as_str().into(),
                    reason.vietnamese().into(),
                ]
            };
            let left_out =
                Cell::Text(format!("Còn {} hồ sơ không ghi ở đây; lọc theo cơ quan để xem hết", listed.left_out));
            let mark = vec![name.into(), Cell::Nothing, effect.into(), Cell::Nothing, left_out];
            listed.iter().map(row).chain((listed.left_out > 0).then_some(mark)).collect::<Vec<_>>()
        };
        compiled.tally.listed(*indicator).flat_map(rows).collect::<Vec<_>>()
    };
    Sheet {
        name: "Hồ sơ mất điểm",
        remarks: vec![format!(
            "Theo thứ tự mã, tối đa {LISTED} hồ sơ mất điểm và {LISTED} hồ sơ chưa xác định một chỉ số"
        )],
        heading: vec!["Chỉ số", "Mã hồ sơ", "Ảnh hưởng", "Mã lý do", "Lý do"],
        rows: Indicator::ALL.iter().flat_map(of).collect(),
    }
}

fn standings(compiled: &Compiled) -> Sheet {
    let rows = compiled.standings.iter().flat_map(|(standing, (_, codes))| {
        codes.iter().map(|code| vec![code.as_str().into(), standing.as_str().into(), standing.vietnamese().into()])
    });
    let counts = compiled.standings.iter();
    let counts = counts.map(|(standing, (number, _))| format!("{}: {number}", standing.vietnamese()));
    Sheet {
        name: "Cổng giữ khác",
        remarks: counts.collect(),
        heading: vec!["Mã hồ sơ", "Mã tình trạng", "Tình trạng"],
        rows: rows.collect(),
    }
}

/// With a byte order mark, by which spreadsheets know that it is UTF-8. The remarks are not in it.
pub fn csv_of(sheet: &Sheet) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(&sheet.heading)?;
    for row in &sheet.rows {
        writer.write_record(row.iter().map(Cell::to_text))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

pub fn xlsx_of(sheets: &[Sheet]) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    for sheet in sheets {
        write(workbook.add_worksheet(), sheet)?;
    }
    workbook.save_to_buffer()
}

fn write(worksheet: &mut Worksheet, sheet: &Sheet) -> Result<(), XlsxError> {
    let (bold, two_decimals) = (Format::new().set_bold(), Format::new().set_num_format("0.00"));
    worksheet.set_name(sheet.name)?;
    let mut at = 0;
    for remark in &sheet.remarks {
        worksheet.write_string(at, 0, remark)?;
        at += 1;
    }
    for (column, name) in (0..).zip(&sheet.heading) {
        worksheet.write_string_with_format(at, column, *name, &bold)?;
        let longest =
            sheet.rows.iter().filter_map(|row| row.get(usize::from(column))).map(|cell| cell.to_text().chars().count());
        let width = longest.chain([name.chars().count()]).max().unwrap_or_default().min(WIDEST);
        worksheet.set_column_width(column, width as f64 + 2.0)?;
    }
    worksheet.set_freeze_panes(at + 1, 0)?;
    for row in &sheet.rows {
        at += 1;
        for (column, cell) in (0..).zip(row) {
            match cell {
                Cell::Text(text) => worksheet.write_string(at, column, text)?,
                Cell::Number(number) => worksheet.write_number(at, column, *number as f64)?,
                Cell::Hundredths(hundredths) => {
                    worksheet.write_number_with_format(at, column, f64::from(*hundredths) / 100.0, &two_decimals)?
                }
                Cell::Nothing => continue,
            };
        }
    }
    Ok(())
}

/// Of a column, in characters.
const WIDEST: usize = 70;
