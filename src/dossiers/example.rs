//! The example bodies of the API document: complete, valid, and invented. A test sends them.

use serde_json::{Value, json};

pub(super) fn dossier() -> Value {
    json!({
        "procedureCode": "1.013225",
        "channel": "direct",
        "receiptNumber": "0001/2026",
        "owner": {
            "kind": "citizen",
            "name": "Nguyễn Văn Ví Dụ",
            "identityDocuments": [{ "kind": "personal_number", "number": "001099012345" }],
            "phone": "0912000001"
        },
        "summary": "Cấp giấy phép xây dựng nhà ở riêng lẻ",
        "submittedAt": "2026-11-20T08:00:00+07:00",
        "receivedAt": "2026-11-20T08:15:00+07:00",
        "dueAt": "2026-12-11T17:00:00+07:00",
        "state": "received",
        "returnMethod": "counter",
        "handlingUnit": "Phòng Kinh tế, Hạ tầng và Đô thị",
        "submittedThrough": "local_system",
        "hasDigitisedComponents": true,
        "isVerifiedByVneid": false,
        "onlinePayment": "none",
        "papers": [{
            "id": "TL-1",
            "name": "don-de-nghi.pdf",
            "link": "https://files.example.gov.vn/TL-1.pdf",
            "isDigitised": true
        }],
        "fees": [{
            "name": "Lệ phí cấp giấy phép xây dựng",
            "code": "LP01",
            "kind": "charge",
            "collection": "at_reception",
            "amount": 75000
        }]
    })
}

pub(super) fn step() -> Value {
    json!({
        "handledBy": "Trần Thị Ví Dụ",
        "title": "Công chức một cửa",
        "handledAt": "2026-11-20T08:20:00+07:00",
        "department": "Bộ phận một cửa",
        "content": "Tiếp nhận hồ sơ và chuyển phòng chuyên môn",
        "state": "received"
    })
}

pub(super) fn batch() -> Value {
    let mut item = dossier();
    item["code"] = "H15.50-261120-0001".into();
    json!({ "items": [item] })
}
