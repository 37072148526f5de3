//! What is said of a dossier in the course of its life. Every full state carries a numbered note and every step a
//! numbered content, so that each message can be told apart where it arrives.

use fastrand::Rng;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::day::Message;
use super::people;

/// How a dossier goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Life {
    Ordinary,
    Supplement,
    Late,
    NotAccepted,
    WithdrawnByCitizen,
    FinancialDuty,
    Stopped,
    /// Its owner has an invented number: refused.
    Placeholder,
    /// Its code belongs to another province: refused.
    ForeignAgency,
    /// Goes back from returned to registered without a reason: that message is refused.
    Impossible,
}

impl Life {
    pub(super) const fn vietnamese(self) -> &'static str {
        match self {
            Self::Ordinary => "giải quyết bình thường",
            Self::Supplement => "phải bổ sung",
            Self::Late => "trễ hạn",
            Self::NotAccepted => "không được tiếp nhận",
            Self::WithdrawnByCitizen => "công dân rút",
            Self::FinancialDuty => "nghĩa vụ tài chính",
            Self::Stopped => "dừng xử lý",
            Self::Placeholder => "số định danh giả định",
            Self::ForeignAgency => "mã của tỉnh khác",
            Self::Impossible => "chuyển trạng thái vô lý",
        }
    }

    /// The states in order; the first is how the dossier is first sent.
    const fn states(self) -> &'static [&'static str] {
        match self {
            Self::Ordinary | Self::Late => &["received", "processing", "finished", "result_returned"],
            Self::Supplement => &["received", "supplement_requested", "processing", "finished", "result_returned"],
            Self::NotAccepted => &["registered", "not_accepted"],
            Self::WithdrawnByCitizen => &["received", "withdrawn_by_citizen"],
            Self::FinancialDuty => {
                &["received", "processing", "financial_duty_requested", "finished", "result_returned"]
            }
            Self::Stopped => &["received", "processing", "stopped"],
            Self::Placeholder | Self::ForeignAgency => &["received"],
            Self::Impossible => &["received", "processing", "finished", "result_returned", "registered"],
        }
    }
}

/// When a dossier was received and when it must be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) at: Timestamp,
    pub(super) due_at: Timestamp,
}

pub(super) fn messages(
    rng: &mut Rng,
    life: Life,
    procedure: &str,
    summary: &str,
    received: Received,
    code: &str,
) -> Vec<Message> {
    let mut dossier = first_state(rng, life, procedure, summary, received, code);
    let officer = people::name(rng);
    let mut messages = Vec::new();
    let mut at = received.at;
    for (n, state) in life.states().iter().enumerate() {
        at += rng.i64(10..240).minutes();
        if life == Life::Late && *state == "finished" {
            at += (24 * 40).hours();
        }
        change(&mut dossier, rng, state, at);
        dossier["note"] = json!(format!("Lần {}: {state}", n + 1));
        messages.push(Message::State(dossier.clone()));
        let has_step = !matches!(life, Life::Placeholder | Life::ForeignAgency) && *state != "registered";
        if has_step {
            messages.push(Message::Step(json!({
                "handledBy": officer,
                "title": "Công chức",
                "handledAt": second(at),
                "department": "Bộ phận tiếp nhận và trả kết quả",
                "content": format!("Bước {}: {state}", n + 1),
                "state": state,
            })));
        }
    }
    messages
}

fn first_state(rng: &mut Rng, life: Life, procedure: &str, summary: &str, received: Received, code: &str) -> Value {
    let channel = ["direct", "online", "postal"][rng.usize(..3)];
    let number = if life == Life::Placeholder { "000000000001".to_owned() } else { people::personal_number(rng) };
    let papers: Vec<Value> = (1..=rng.usize(1..4))
        .map(|n| {
            json!({
                "id": format!("{code}/{n}"),
                "name": format!("Giấy tờ {n}.pdf"),
                "componentCode": format!("TP{n:02}"),
                "link": format!("https://files.example.gov.vn/{code}/{n}.pdf"),
                "isDigitised": rng.bool(),
                "isReused": rng.bool(),
                "isFromNationalRepository": false,
                "isDeleted": false,
            })
        })
        .collect();
    json!({
        "procedureCode": procedure,
        "channel": channel,
        "receiptNumber": format!("BN-{:05}", rng.u32(..99_999)),
        "owner": {
            "kind": "citizen",
            "name": people::name(rng),
            "identityDocuments": [{ "kind": "personal_number", "number": number }],
            "phone": format!("09{:08}", rng.u32(..99_999_999)),
        },
        "summary": summary,
        "submittedAt": second(received.at - 30.minutes()),
        "dueAt": second(received.due_at),
        "state": "received",
        "returnMethod": if rng.bool() { "counter" } else { "postal" },
        "handlingUnit": "Trung tâm Phục vụ hành chính công",
        "submittedThrough": "local_system",
        "hasDigitisedComponents": rng.bool(),
        "isVerifiedByVneid": channel == "online",
        "onlinePayment": if channel == "online" { "local_gateway" } else { "none" },
        "connectedDatabases": ["1"],
        "papers": papers,
        "fees": [{
            "name": "Lệ phí giải quyết thủ tục", "code": "LP01", "kind": "charge", "collection": "at_reception",
            "amount": rng.i64(0..40) * 5000,
        }],
        "otherPapers": [{ "name": "Bản vẽ kèm theo", "count": 2, "form": "copy" }],
    })
}

fn change(dossier: &mut Value, rng: &mut Rng, state: &str, at: Timestamp) {
    dossier["state"] = json!(state);
    match state {
        "received" => dossier["receivedAt"] = json!(second(at)),
        "not_accepted" => dossier["refusedAt"] = json!(second(at)),
        "supplement_requested" => {
            dossier["supplements"] = json!([{
                "id": "BS1", "requestedBy": people::name(rng), "content": "Bổ sung bản vẽ mặt bằng",
                "requestedAt": second(at),
                "papers": [{ "name": "Bản vẽ mặt bằng", "count": 1, "form": "original" }],
                "previousDueAt": dossier["dueAt"],
            }]);
        }
        "processing" if dossier.get("supplements").is_some() => {
            dossier["supplements"][0]["receivedBy"] = json!(people::name(rng));
            dossier["supplements"][0]["receivedAt"] = json!(second(at));
            dossier["supplements"][0]["newDueAt"] = json!(second(at + (24 * 10).hours()));
        }
        "finished" => {
            dossier["finishedAt"] = json!(second(at));
            dossier["results"] = json!([{
                "name": "Giấy phép", "id": "KQ1", "resultCode": "KQ.G17.000001",
                "link": "https://files.example.gov.vn/ket-qua/1.pdf",
            }]);
        }
        "result_returned" => {
            dossier["returnedAt"] = json!(second(at));
            dossier["returnNote"] = json!("Đã trả tại quầy");
        }
        _ => {}
    }
}

/// The wire knows whole seconds only.
fn second(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
