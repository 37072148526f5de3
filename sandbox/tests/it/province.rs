//! A small province that writes down what the portal sends it, and messages to send. It must never judge what it receives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use lienthong_sandbox::{Outgoing, OutgoingKind, ProvinceSettings, Sandbox, Settings};
use serde_json::{Value, json};

pub(crate) const NATIONAL: &str = "G22.99-261121-000001";

#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

#[derive(Debug, Clone)]
pub(crate) enum Say {
    Code(i64),
    Text(u16, &'static str),
    RedirectTo(String),
    Silence,
}

#[derive(Clone, Default)]
struct Desk {
    received: Arc<Mutex<Vec<Received>>>,
    script: Arc<Mutex<VecDeque<Say>>>,
}

pub(crate) struct Province {
    pub(crate) url: String,
    desk: Desk,
}

impl Province {
    /// Accepts everything that its script (one line an answer) says nothing about.
    pub(crate) async fn start(script: impl IntoIterator<Item = Say>) -> Self {
        let desk = Desk::default();
        desk.script.lock().unwrap().extend(script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(take).with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, desk }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.desk.received.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.received().into_iter().map(|received| received.body).collect()
    }

    /// Impatient, so that tests are quick.
    pub(crate) fn settings(&self) -> ProvinceSettings {
        ProvinceSettings { timeout_ms: 2_000, attempts: 3, pause_ms: 20, ..ProvinceSettings::at(&self.url) }
    }
}

async fn take(State(desk): State<Desk>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let code = ["MaHoSoQG", "MaHoSo"].into_iter().find_map(|name| body["data"][name].as_str()).unwrap_or_default();
    let message = format!("{code}| đã nhận");
    let content_type = headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let received = Received { method, path: uri.path().to_owned(), content_type, body, at: Instant::now() };
    desk.received.lock().unwrap().push(received);
    let say = desk.script.lock().unwrap().pop_front().unwrap_or(Say::Code(0));
    match say {
        Say::Code(code) => axum::Json(json!({ "error_code": code, "message": message })).into_response(),
        Say::Text(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Say::RedirectTo(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Say::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
    }
}

/// A portal that sends to a province of this script.
pub(crate) async fn portal_and_province(script: impl IntoIterator<Item = Say>) -> (Sandbox, Province) {
    let province = Province::start(script).await;
    let sandbox = Sandbox::start(Settings { province: Some(province.settings()), ..Settings::default() });
    (sandbox.await.unwrap(), province)
}

pub(crate) fn new_dossier(code: &str) -> Outgoing {
    Outgoing::new(OutgoingKind::Dossier)
        .with("MaHoSoQG", code)
        .with("MaTTHC", "1.001193")
        .with("SoVanBan", "12/TB")
        .with("NgayNopHoSo", "20261121083000")
        .with("ChuHoSo", "Người Thử Nghiệm")
        .with("DiaChiDoanhNghiep", json!({ "MaTinh": "15", "MaXa": "04321", "DiaChiChiTiet": "Số 1" }))
        .with("ThongTinDaNop", json!({ "HoTenCon": "Bé Thử Nghiệm" }))
}

pub(crate) fn supplement(code: &str) -> Outgoing {
    Outgoing::new(OutgoingKind::Supplement)
        .with("MaHoSoQG", code)
        .with("MaTTHC", "1.001193")
        .with("NgayNopHoSo", "20261122083000")
        .with("ThongTinSuaDoi", json!({ "HoTenCon": "Bé Thử Nghiệm Hai" }))
        .with("LyDoDieuChinh", "Sửa tên")
}
