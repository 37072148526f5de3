//! A client is one local system of one agency; a credential is what it proves itself by. Of a secret only a keyed digest is
//! known here.

use jiff::civil::Date;
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister, ProcedureCode};
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

lienthong_domain::code_enum! {
    /// What a client may do. The names stand in tokens.
    pub enum Scope: "Quyền. / What a client may do." {
        DossiersRead = "dossiers:read" => "xem hồ sơ",
        DossiersWrite = "dossiers:write" => "gửi hồ sơ",
        CatalogueRead = "catalogue:read" => "xem danh mục",
        InboxRead = "inbox:read" => "xem thông điệp của Cổng",
        InboxWrite = "inbox:write" => "nhận, từ chối thông điệp của Cổng",
        AuditRead = "audit:read" => "đọc nhật ký kiểm toán",
        MetricsRead = "metrics:read" => "xem số đo vận hành",
        Operator = "operator" => "vận hành cổng",
    }
}

/// One local system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// 1 to 64 letters, digits, `.`, `_`, `-`.
    pub id: String,
    /// For people.
    pub name: String,
    /// The agencies at whose sub-trees it may write and read.
    pub agencies: Vec<AgencyCode>,
    /// The procedures whose dossiers it may write; empty: all.
    pub procedures: Vec<ProcedureCode>,
    pub scopes: Vec<Scope>,
    pub created_at: Timestamp,
    /// From then on nothing of it is accepted any more.
    pub revoked_at: Option<Timestamp>,
}

impl Client {
    /// Whether the agency stands in one of the client's sub-trees on that day.
    pub fn covers(&self, agency: &AgencyCode, register: &AgencyRegister, day: Date) -> bool {
        self.agencies.iter().any(|root| register.is_within(agency, root, day))
    }

    /// Whether it may write dossiers of this procedure.
    pub fn may_use(&self, procedure: &ProcedureCode) -> bool {
        // A national code is the same procedure whoever is written behind it.
        let name = |code: &ProcedureCode| code.national().unwrap_or(code.original()).to_owned();
        self.procedures.is_empty() || self.procedures.iter().any(|allowed| name(allowed) == name(procedure))
    }
}

/// What a client proves itself by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proof {
    /// A secret that we made; its digest under the deployment's key.
    Secret([u8; 32]),
    /// A public key (JWK, RFC 7517) whose private half signs assertions (RFC 7523).
    Key(String),
    /// A certificate, by the SHA-256 of its DER form.
    Certificate([u8; 32]),
    /// A certificate of one of the accepted authorities, by a DNS name in it.
    CertificateName(String),
    /// The subject of another issuer's tokens.
    Subject { issuer: String, subject: String },
}

impl Proof {
    /// The written name of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "secret",
            Self::Key(_) => "key",
            Self::Certificate(_) => "certificate",
            Self::CertificateName(_) => "certificate_name",
            Self::Subject { .. } => "subject",
        }
    }
}

/// A proof with its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: Uuid,
    pub client_id: String,
    pub proof: Proof,
    pub created_at: Timestamp,
    /// Not accepted from then on: it was revoked, or a newer one took its place.
    pub ends_at: Option<Timestamp>,
}

impl Credential {
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}
