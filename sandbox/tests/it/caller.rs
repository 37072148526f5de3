//! A small caller of the portal, and bodies that the portal takes. It must never hide what was on the wire.

use std::time::Duration;

use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use reqwest::{Client, Response};
use serde_json::{Value, json};

pub(crate) const DSTCODE: &str = "VN:GOV:000.00.00.G22:vpcpdvcprovider";
pub(crate) const INTEGRATION: &str = "/mapi/integration";
pub(crate) const SHARE: &str = "/mapi/share";
pub(crate) const CODE: &str = "000.00.00.H15-261121-0001";

pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) session: String,
}

/// A sandbox with these settings and a caller that is logged in. Faults come after the login.
pub(crate) async fn open(settings: Settings) -> (Sandbox, Caller) {
    let sandbox = Sandbox::start(Settings { faults: FaultPlan::none(), ..settings.clone() }).await.unwrap();
    let mut caller = Caller::new(&sandbox);
    caller.log_in().await;
    sandbox.set_faults(settings.faults);
    (sandbox, caller)
}

pub(crate) async fn open_default() -> (Sandbox, Caller) {
    open(Settings::default()).await
}

/// One fault kind that always strikes one operation.
pub(crate) async fn open_with(operation: Operation, kind: FaultKind) -> (Sandbox, Caller) {
    let mut settings = Settings { faults: always(operation, kind), ..Settings::default() };
    settings.portal.hold_ms = 5_000;
    open(settings).await
}

pub(crate) fn always(operation: Operation, kind: FaultKind) -> FaultPlan {
    FaultPlan::none().with(operation, OperationFaults::only(kind, 1.0))
}

impl Caller {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(3)).build().unwrap();
        Self { client, url: sandbox.url(), session: String::new() }
    }

    pub(crate) async fn send(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        let url = format!("{}/XrdAdapter/RestService/forward{path}", self.url);
        self.client.post(url).header("dstcode", DSTCODE).json(body).send().await
    }

    pub(crate) async fn read(&self, path: &str, body: &Value) -> Value {
        let response = self.send(path, body).await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    pub(crate) async fn try_log_in(&self, username: &str, password: &str) -> Value {
        self.read("/mapi/login", &json!({ "username": username, "password": password })).await
    }

    pub(crate) async fn log_in(&mut self) {
        let reply = self.try_log_in("sandbox", "sandbox-password").await;
        self.session = reply["session"].as_str().unwrap().to_owned();
    }

    pub(crate) fn body(&self, service: &str, more: Value) -> Value {
        let mut body = json!({ "session": self.session, "madonvi": "000.00.00.H15", "service": service });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    pub(crate) fn upsert(&self, is_updating: &str, data: Value) -> Value {
        self.body("DongBoHoSoMC", json!({ "isUpdating": is_updating, "data": data }))
    }

    pub(crate) async fn insert(&self, dossier: Value) -> Value {
        self.read(INTEGRATION, &self.upsert("False", json!([dossier]))).await
    }

    pub(crate) async fn update(&self, dossier: Value) -> Value {
        self.read(INTEGRATION, &self.upsert("True", json!([dossier]))).await
    }

    pub(crate) async fn append(&self, steps: Value) -> Value {
        self.read(INTEGRATION, &self.body("CapNhatTienDoHoSoMC", json!({ "data": steps }))).await
    }

    pub(crate) async fn look_up(&self, code: &str) -> Value {
        self.read(INTEGRATION, &self.body("TraCuuHoSo", json!({ "mahoso": code }))).await
    }

    pub(crate) async fn ask(&self, path: &str, service: &str, more: Value) -> Value {
        self.read(path, &self.body(service, more)).await
    }
}

pub(crate) fn dossier(code: &str) -> Value {
    json!({
        "MaHoSo": code,
        "MaTTHC": "1.001193",
        "TenTTHC": "Thủ tục đăng ký khai sinh",
        "MaLinhVuc": "G15-HT01",
        "TenLinhVuc": "Hộ tịch",
        "KenhThucHien": "1",
        "ChuHoSo": "Người Thử Nghiệm",
        "LoaiDoiTuong": "1",
        "DinhDanhCHS": [],
        "TrichYeuHoSo": "Đăng ký khai sinh",
        "NgayNopHoSo": "20261121083000",
        "NgayTiepNhan": "20261121090000",
        "TrangThaiHoSo": "2",
        "HinhThuc": "0",
        "DonViXuLy": "Ủy ban nhân dân xã thử nghiệm",
        "NoiNopHoSo": "2",
        "HoSoCoThanhPhanSoHoa": "0",
        "TaiKhoanDuocXacThucVoiVNeID": "0",
        "DuocThanhToanTrucTuyen": "0",
    })
}

pub(crate) fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

pub(crate) fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

pub(crate) fn step(code: &str, content: &str) -> Value {
    json!({
        "MaHoSo": code,
        "NguoiXuLy": "Cán bộ thử nghiệm",
        "ThoiDiemXuLy": "20261121100000",
        "NoiDungXuLy": content,
        "TrangThai": "4",
    })
}

#[track_caller]
pub(crate) fn assert_accepted(reply: &Value) {
    assert_eq!(reply["error_code"], "0", "{reply}");
    assert!(message(reply).contains("thành công"), "{reply}");
}

#[track_caller]
pub(crate) fn assert_refused(reply: &Value, words: &[&str]) {
    assert_eq!(reply["error_code"], "-1", "{reply}");
    for word in words {
        assert!(message(reply).contains(word), "`{word}` is not in {reply}");
    }
}

pub(crate) fn message(reply: &Value) -> &str {
    reply["message"].as_str().unwrap()
}
