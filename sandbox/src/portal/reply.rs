//! A portal reply and the forms it may take on the wire: code as string, number or `"00"`, plain or encoded twice.
//! A refusal must never hold the words of another outcome (`thành công`, `đã tồn tại`, `không tồn tại`) by accident.

use serde_json::{Value, json};

use crate::counters::Reason;
use crate::dossiers::WriteError;
use crate::settings::SuccessCode;

/// How a good `error_code` is written; `Number` also turns the others into numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    String,
    Number,
    DoubleZero,
}

impl From<SuccessCode> for Form {
    fn from(code: SuccessCode) -> Self {
        match code {
            SuccessCode::String => Form::String,
            SuccessCode::Number => Form::Number,
            SuccessCode::DoubleZero => Form::DoubleZero,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub(crate) fn session() -> Self {
        Self::new(Reason::Session, "Phiên làm việc không hợp lệ hoặc đã hết hạn")
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Exists(code) => Self::new(Reason::Exists, format!("Hồ sơ {code} đã tồn tại")),
            WriteError::Missing(code) => Self::new(Reason::Missing, format!("Hồ sơ {code} không tồn tại")),
            WriteError::Full => Self::new(Reason::Full, "Hệ thống thử nghiệm đã đầy, không nhận thêm dữ liệu"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 is good. 401 for a dead session is our choice: the reference knows no such code.
    code: i32,
    message: String,
    session: Option<String>,
    result: Option<Value>,
}

impl Reply {
    pub(crate) fn good(message: impl Into<String>) -> Self {
        Self { code: 0, message: message.into(), session: None, result: None }
    }

    pub(crate) fn with_session(self, session: String) -> Self {
        Self { session: Some(session), ..self }
    }

    pub(crate) fn with_result(result: Value) -> Self {
        Self { result: Some(result), ..Self::good("Thành công") }
    }

    /// Success that does not say so.
    pub(crate) fn forget_phrase(&mut self) {
        if self.code == 0 {
            self.message = "Đã ghi nhận".into();
        }
    }

    pub(crate) fn render(self, form: Form, is_double_encoded: bool) -> String {
        let code = match form {
            Form::Number => json!(self.code),
            Form::DoubleZero if self.code == 0 => json!("00"),
            Form::String | Form::DoubleZero => json!(self.code.to_string()),
        };
        let mut reply = json!({ "error_code": code, "message": self.message });
        if let Some(session) = self.session {
            reply["session"] = Value::String(session);
        }
        if let Some(result) = self.result {
            reply["result"] = result;
        }
        if is_double_encoded {
            return json!({ "error_code": self.code.to_string(), "message": reply.to_string() }).to_string();
        }
        reply.to_string()
    }
}

impl From<&Refusal> for Reply {
    fn from(refusal: &Refusal) -> Self {
        let code = if refusal.reason == Reason::Session { 401 } else { -1 };
        Self { code, message: refusal.message.clone(), session: None, result: None }
    }
}
