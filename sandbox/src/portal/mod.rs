//! The portal itself: one request body in, one reply and its fate out; no socket is seen here.
//! An effect must never be half done: everything between reading a call and its reply is synchronous.

pub(crate) mod agency;
pub(crate) mod born;
pub(crate) mod catalogue;
pub(crate) mod check;
mod dictionaries;
mod procedure;
mod reading;
mod reply;
mod services;
mod tables;
mod writing;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::counters::{Reason, Tally};
use crate::dossiers::Dossiers;
use crate::faults::{CallCounts, CompiledPlan, Draw, FaultKind, FaultPlan};
use crate::locks::{read, write};
use crate::operation::Operation;
use crate::sessions::Sessions;
use crate::settings::PortalSettings;
use born::Born;
use catalogue::Catalogue;
use check::text_of;
use reply::{Refusal, Reply};
pub(crate) use services::Door;
use services::Service;

#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) settings: PortalSettings,
    pub(crate) dossiers: Dossiers,
    pub(crate) born: Born,
    pub(crate) tally: Tally,
    level_one: String,
    pub(crate) catalogue: RwLock<Catalogue>,
    sessions: Sessions,
    plan: RwLock<Arc<CompiledPlan>>,
    call_counts: CallCounts,
}

/// What the portal says, and what is to happen to it on the way back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) draw: Draw,
}

impl Portal {
    pub(crate) fn new(settings: PortalSettings, plan: FaultPlan) -> Self {
        Self {
            dossiers: Dossiers::new(settings.ledger_limit, settings.dedup_steps),
            born: Born::default(),
            tally: Tally::default(),
            level_one: agency::level_one(&settings.agency).unwrap_or_default().to_owned(),
            catalogue: RwLock::new(Catalogue::built_in(&settings.extra_procedures)),
            sessions: Sessions::new(Duration::from_millis(settings.session_lifetime_ms), settings.single_session),
            plan: RwLock::new(Arc::new(CompiledPlan::new(plan))),
            call_counts: CallCounts::new(),
            settings,
        }
    }

    pub(crate) fn set_plan(&self, plan: FaultPlan) {
        *write(&self.plan) = Arc::new(CompiledPlan::new(plan));
    }

    pub(crate) fn plan(&self) -> Arc<CompiledPlan> {
        Arc::clone(&read(&self.plan))
    }

    /// Forgets dossiers, ledger, counters, sessions and call numbers; keeps settings and faults.
    pub(crate) fn reset(&self) {
        self.born.clear(|| self.dossiers.clear());
        self.tally.clear();
        self.sessions.clear();
        self.call_counts.clear();
    }

    pub(crate) fn answer(&self, door: Door, body: &[u8]) -> Answer {
        let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(body) else {
            return self.unreadable("Nội dung yêu cầu không phải là một đối tượng JSON");
        };
        if door.is_login() {
            return self.log_in(&body);
        }
        let Some(name) = text_of(&body, "service") else {
            return self.unreadable("Trường service: bắt buộc và phải là chuỗi");
        };
        let Some(service) = services::find(name, door) else {
            return self.unreadable(&format!("Dịch vụ {name} không được hỗ trợ tại đường dẫn này"));
        };
        self.serve(service, &body)
    }

    fn unreadable(&self, message: &str) -> Answer {
        self.tally.unreadable();
        let refusal = Refusal::new(Reason::Field, message);
        Answer { text: Reply::from(&refusal).render(self.settings.success_code.into(), false), draw: Draw::default() }
    }

    fn log_in(&self, body: &Map<String, Value>) -> Answer {
        let operation = Operation::Login;
        self.tally.called(operation);
        let draw = self.draw(operation, text_of(body, "username").unwrap_or_default());
        let outcome = self.carry_out(operation, draw, || self.open_session(body, draw));
        self.finish(operation, draw, reply::Form::Number, outcome)
    }

    fn open_session(&self, body: &Map<String, Value>, draw: Draw) -> Result<Reply, Refusal> {
        check::object(body, &[tables::LOGIN])?;
        let is_known = text_of(body, "username") == Some(&self.settings.username)
            && text_of(body, "password") == Some(&self.settings.password);
        if !is_known {
            return Err(Refusal::new(Reason::Login, "Tên đăng nhập hoặc mật khẩu không đúng"));
        }
        if draw.kind == Some(FaultKind::LoginWithoutSession) {
            return Ok(Reply::good("Đăng nhập thành công"));
        }
        Ok(Reply::good("Đăng nhập thành công").with_session(self.sessions.open()))
    }

    fn serve(&self, service: &'static Service, body: &Map<String, Value>) -> Answer {
        let operation = service.operation(body);
        self.tally.served(service.name);
        let form = self.settings.success_code.into();
        self.tally.called(operation);
        let session = text_of(body, "session").unwrap_or_default();
        // Before the draw: only calls that reach the portal are numbered, or expiry would shift every later fault.
        if !self.sessions.is_open(session) {
            return self.finish(operation, Draw::default(), form, Err(Refusal::session()));
        }
        let draw = self.draw(operation, &service.key(body));
        if draw.kind == Some(FaultKind::SessionExpired) {
            self.sessions.end(session);
        }
        let outcome = self.carry_out(operation, draw, || self.perform(service, body, draw.kind));
        self.finish(operation, draw, form, outcome)
    }

    fn perform(
        &self,
        service: &Service,
        body: &Map<String, Value>,
        fault: Option<FaultKind>,
    ) -> Result<Reply, Refusal> {
        check::object(body, &[tables::ENVELOPE, service.fields])?;
        self.require_own_agency(text_of(body, "madonvi").unwrap_or_default())?;
        match service.operation(body) {
            Operation::Login => Err(Refusal::session()),
            Operation::Insert => self.insert(body, fault),
            Operation::Update => self.update(body, fault),
            Operation::AppendSteps => self.append_steps(body, fault),
            Operation::ReportStatus => self.report_status(body, fault),
            Operation::LookUp => Ok(self.look_up(body)),
            Operation::Catalogue => Ok(self.list(service.name, body)),
            Operation::TechId => Ok(reading::tech_id(body)),
        }
    }

    fn draw(&self, operation: Operation, key: &str) -> Draw {
        let nth_call = self.call_counts.next(operation, key);
        let draw = self.plan().draw(operation, key, nth_call);
        if let Some(kind) = draw.kind {
            self.tally.injected(operation, kind);
        }
        draw
    }

    /// Does the work unless the fault strikes first.
    fn carry_out(
        &self,
        operation: Operation,
        draw: Draw,
        work: impl Fn() -> Result<Reply, Refusal>,
    ) -> Option<Result<Reply, Refusal>> {
        match draw.kind {
            Some(FaultKind::ResetBefore | FaultKind::ServerErrorBefore | FaultKind::AdapterFault) => None,
            Some(FaultKind::SessionExpired) => Some(Err(Refusal::session())),
            Some(FaultKind::Refuse) if operation == Operation::Login => {
                Some(Err(Refusal::new(Reason::Injected, "Tên đăng nhập hoặc mật khẩu không đúng")))
            }
            Some(FaultKind::Refuse) => {
                Some(Err(Refusal::new(Reason::Injected, "Dữ liệu không hợp lệ theo kịch bản thử nghiệm")))
            }
            Some(FaultKind::Duplicate) => {
                let _ = work();
                Some(work())
            }
            _ => Some(work()),
        }
    }

    fn finish(
        &self,
        operation: Operation,
        draw: Draw,
        form: reply::Form,
        outcome: impl Into<Option<Result<Reply, Refusal>>>,
    ) -> Answer {
        let Some(outcome) = outcome.into() else {
            return Answer { text: String::new(), draw };
        };
        let mut reply = match outcome {
            Ok(reply) => {
                self.tally.accepted(operation);
                reply
            }
            Err(refusal) => {
                self.tally.refused(operation, refusal.reason);
                Reply::from(&refusal)
            }
        };
        if draw.kind == Some(FaultKind::PhraseMissing) {
            reply.forget_phrase();
        }
        let form = match draw.kind {
            Some(FaultKind::CodeAsNumber) => reply::Form::Number,
            Some(FaultKind::CodeAs00) => reply::Form::DoubleZero,
            _ => form,
        };
        Answer { text: reply.render(form, draw.kind == Some(FaultKind::DoubleEncoded)), draw }
    }
}
