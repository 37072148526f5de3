//! Procedures for the simulated portal: made up from a seed, and those of the public reference data.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lienthong_sandbox::CatalogueProcedure;
use serde_json::{Value, json};

const ACTIONS: [&str; 12] = [
    "Cấp mới",
    "Cấp lại",
    "Gia hạn",
    "Điều chỉnh",
    "Thu hồi",
    "Đăng ký",
    "Xác nhận",
    "Công nhận",
    "Thẩm định",
    "Phê duyệt",
    "Hủy bỏ",
    "Chuyển đổi",
];
const THINGS: [&str; 14] = [
    "giấy phép hoạt động",
    "chứng chỉ hành nghề",
    "giấy chứng nhận đủ điều kiện",
    "quyền sử dụng đất",
    "hộ khẩu thường trú",
    "phương án khai thác",
    "hồ sơ thiết kế",
    "quy hoạch chi tiết",
    "mã số vùng trồng",
    "tài khoản định danh",
    "sổ đỏ \"điện tử\"",
    "thỏa thuận quốc tế",
    "hòa giải viên",
    "tuyến vận tải thủy",
];
const PLACES: [&str; 8] = [
    "trên địa bàn tỉnh",
    "đối với tổ chức",
    "đối với cá nhân",
    "có yếu tố nước ngoài",
    "trong khu công nghiệp",
    "tại vùng ven biển",
    "cho hợp tác xã",
    "theo thẩm quyền của Ủy ban nhân dân cấp xã",
];

/// So many procedures, the same ones for the same seed, in no order of their codes.
pub fn generated(count: usize, seed: u64) -> Vec<CatalogueProcedure> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut numbers: Vec<usize> = (0..count).collect();
    random.shuffle(&mut numbers);
    numbers.into_iter().map(|n| procedure(n, &mut random)).collect()
}

fn procedure(n: usize, random: &mut fastrand::Rng) -> CatalogueProcedure {
    let pick = |list: &[&'static str], random: &mut fastrand::Rng| list[random.usize(..list.len())];
    let name = format!("{} {} {} số {n}", pick(&ACTIONS, random), pick(&THINGS, random), pick(&PLACES, random));
    let field = random.usize(..60);
    let (field_code, field_name) = (format!("G{:02}-LV{field:02}", field % 20 + 1), format!("Lĩnh vực {field}"));
    let papers = |random: &mut fastrand::Rng| -> Vec<Value> {
        let paper = |p| {
            json!({ "MAGIAYTO": format!("TP{n:05}{p:02}"), "TENGIAYTO": format!("Giấy tờ thứ {p}"), "SOBANCHINH": "1",
                                "SOBANSAO": "0", "TENMAUDON": "", "URL": "", "MA_KQ_THAYTHE": "" })
        };
        (0..random.usize(1..12)).map(paper).collect()
    };
    let cases: Vec<Value> = (0..random.usize(1..4))
        .map(|case| json!({ "TRUONGHOP": format!("Trường hợp {case}"), "GIAYTO": papers(random) }))
        .collect();
    let units = ["Giờ", "Ngày", "Ngày làm việc", "Tháng", ""];
    let methods: Vec<Value> = ["1", "2", "3"]
        .iter()
        .map(|channel| {
            json!({ "KENH": channel, "THOIGIAN": [{ "THOIGIANGIAIQUYET": random.u8(1..60).to_string(),
                    "DONVITINH": units[random.usize(..units.len())], "MOTA": "Kể từ khi nhận đủ hồ sơ hợp lệ",
                    "PHILEPHI": [{ "MAPHILEPHI": "", "SOTIEN": (random.u32(0..500) * 1000).to_string(), "DONVI": "VNĐ", "MOTA": "",
                                   "TENTEP": "", "URL": "" }] }] })
        })
        .collect();
    CatalogueProcedure::new(&format!("1.{n:06}"), &name, &field_code, &field_name)
        .with("THANHPHANHOSO", cases.into())
        .with("CACHTHUCTHUCHIEN", methods.into())
        .with("YEUCAU", json!("Tổ chức, cá nhân đáp ứng điều kiện theo quy định.\n".repeat(random.usize(1..60))))
}

/// The rows of the public reference data with their papers; `None` where it is not beside the project.
pub fn published() -> Result<Option<Vec<CatalogueProcedure>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !folder.join("procedures.jsonl").exists() {
        return Ok(None);
    }
    let mut papers: HashMap<String, Vec<Value>> = HashMap::new();
    for row in rows(&folder.join("procedure-components.jsonl"))? {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let paper = json!({ "TRUONGHOP": text("case"), "GIAYTO": [{ "MAGIAYTO": text("component_code"), "TENGIAYTO": text("name"),
                            "SOBANCHINH": row["originals"].to_string(), "SOBANSAO": row["copies"].to_string(), "TENMAUDON": "", "URL": "",
                            "MA_KQ_THAYTHE": "" }] });
        papers.entry(text("code").to_owned()).or_default().push(paper);
    }
    let procedure = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        // The public sources name fields and give no codes of theirs.
        let field =
            format!("{}-LV{:03}", text("issuer_code"), text("field").bytes().map(u32::from).sum::<u32>() % 1000);
        CatalogueProcedure {
            is_public: text("status") != "repealed",
            ..CatalogueProcedure::new(text("code"), text("name"), &field, text("field"))
        }
        .with("THANHPHANHOSO", papers.get(text("code")).cloned().unwrap_or_default().into())
        .with("QUYETDINH", row["decision"].clone())
        .with("MOTACOQUANTHUCHIEN", row["agency"].clone())
    };
    Ok(Some(rows(&folder.join("procedures.jsonl"))?.iter().map(procedure).collect()))
}

fn rows(file: &PathBuf) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
