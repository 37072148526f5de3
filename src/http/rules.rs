//! What each operation asks of its caller, in one list. An operation that is not in it is not served.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, SecurityRequirement};

use super::problem::{Code, Problem};
use crate::access::quotas::OperationName;
use crate::access::{Identity, Scope};

/// Whose affair an operation is: what a client of another agency must not learn or change by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// One dossier, named in the path.
    Dossier,
    /// One operation, named in the path, of one dossier.
    Operation,
    /// Dossiers in the body, each judged alone.
    DossiersInBody,
    /// Those of the caller's own agencies: others do not appear.
    OwnDossiers,
    /// Messages of the portal: those for the caller's own agencies, others do not appear.
    OwnInbox,
    /// One of them, named in the path.
    InboxItem,
    /// Records of the audit log: those of the caller's own agencies, others do not appear.
    OwnRecords,
    /// One record of it, named in the path.
    Record,
    /// What is the same for everyone.
    Everyone,
}

/// Who is let in when there is no room for everyone: the last ones are refused last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Much at once, and in no hurry.
    Bulk,
    /// What someone waits for.
    Usual,
    /// What must not be lost: money, and what tells how the gateway is.
    Last,
}

impl Priority {
    /// In metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Usual => "usual",
            Self::Last => "last",
        }
    }
}

/// One line of the list.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// `operationId` in the API document.
    pub operation: &'static str,
    pub scope: Scope,
    pub about: About,
    pub priority: Priority,
}

const fn rule(operation: &'static str, scope: Scope, about: About, priority: Priority) -> Rule {
    Rule { operation, scope, about, priority }
}

/// Every operation that needs a client.
pub const RULES: &[Rule] = &[
    rule("putDossier", Scope::DossiersWrite, About::Dossier, Priority::Usual),
    rule("getDossier", Scope::DossiersRead, About::Dossier, Priority::Usual),
    rule("listDossiers", Scope::DossiersRead, About::OwnDossiers, Priority::Bulk),
    rule("postDossierSteps", Scope::DossiersWrite, About::Dossier, Priority::Usual),
    rule("postDossierBatch", Scope::DossiersWrite, About::DossiersInBody, Priority::Bulk),
    rule("getProcedure", Scope::CatalogueRead, About::Everyone, Priority::Usual),
    rule("getCatalogue", Scope::CatalogueRead, About::Everyone, Priority::Usual),
    rule("listCatalogueProcedures", Scope::CatalogueRead, About::Everyone, Priority::Usual),
    rule("getCatalogueProcedure", Scope::CatalogueRead, About::Everyone, Priority::Usual),
    rule("listProcedureVersions", Scope::CatalogueRead, About::Everyone, Priority::Bulk),
    rule("listDictionary", Scope::CatalogueRead, About::Everyone, Priority::Usual),
    rule("listCatalogueChanges", Scope::CatalogueRead, About::Everyone, Priority::Bulk),
    rule("listInboxItems", Scope::InboxRead, About::OwnInbox, Priority::Bulk),
    rule("getInboxItem", Scope::InboxRead, About::InboxItem, Priority::Usual),
    rule("getInboxFile", Scope::InboxRead, About::InboxItem, Priority::Usual),
    rule("acknowledgeInboxItem", Scope::InboxWrite, About::InboxItem, Priority::Usual),
    rule("rejectInboxItem", Scope::InboxWrite, About::InboxItem, Priority::Usual),
    rule("listAgreementCases", Scope::DossiersRead, About::OwnDossiers, Priority::Bulk),
    rule("listAgreementRuns", Scope::Operator, About::Everyone, Priority::Bulk),
    rule("getQd766Report", Scope::Operator, About::Everyone, Priority::Bulk),
    rule("getOperation", Scope::DossiersRead, About::Operation, Priority::Usual),
    rule("listAuditRecords", Scope::AuditRead, About::OwnRecords, Priority::Bulk),
    rule("getAuditRecord", Scope::AuditRead, About::Record, Priority::Usual),
    rule("postPersonView", Scope::AuditRead, About::OwnRecords, Priority::Usual),
    rule("getMetrics", Scope::MetricsRead, About::Everyone, Priority::Last),
];

/// The rules by method and route.
pub type RuleBook = HashMap<(Method, String), Rule>;

/// Writes into the document what each operation asks for, and finds the rules by route. An error names an operation
/// without a rule, or a rule without an operation.
pub fn apply(document: &mut OpenApi) -> Result<RuleBook, String> {
    let mut book = RuleBook::new();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let id = operation.operation_id.clone().unwrap_or_default();
            let rule = RULES.iter().find(|rule| rule.operation == id);
            let rule = rule.ok_or_else(|| format!("{method} {path} ({id}) has no rule in http/rules.rs"))?;
            operation.security = Some(vec![
                SecurityRequirement::new("accessToken", [rule.scope.as_str()]),
                SecurityRequirement::new("clientCertificate", std::iter::empty::<&str>()),
            ]);
            book.insert((method, path.clone()), *rule);
        }
    }
    let is_missing = |rule: &&Rule| !book.values().any(|known| known.operation == rule.operation);
    match RULES.iter().find(is_missing) {
        Some(rule) => Err(format!("the rule of {} is for no operation", rule.operation)),
        None => Ok(book),
    }
}

/// Writes into the document that its operations ask for nothing.
pub fn open(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            operation.security = Some(Vec::new());
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, item.get.as_mut()),
        (Method::PUT, item.put.as_mut()),
        (Method::POST, item.post.as_mut()),
        (Method::PATCH, item.patch.as_mut()),
        (Method::DELETE, item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// The rule of a request, if it is for an operation that needs a client.
pub fn rule_of<'a>(book: &'a RuleBook, request: &Request) -> Option<&'a Rule> {
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let route = request.extensions().get::<MatchedPath>()?.as_str().to_owned();
    book.get(&(method, route))
}

/// Layer: whoever calls may do this at all. On whose behalf is for the use case to judge.
pub async fn authorise(State(book): State<Arc<RuleBook>>, mut request: Request, next: Next) -> Response {
    let Some(rule) = rule_of(&book, &request) else {
        return Problem::new(Code::MethodNotAllowed).into_response();
    };
    request.extensions_mut().insert(OperationName(rule.operation));
    let may = request.extensions().get::<Identity>().is_some_and(|identity| identity.scopes.contains(&rule.scope));
    if may {
        return next.run(request).await;
    }
    let scope = rule.scope.as_str();
    let problem = Problem::new(Code::ScopeMissing)
        .detail(format!("Cần quyền {scope}: {}.", rule.scope.vietnamese()), format!("The scope {scope} is needed."));
    let mut response = problem.into_response();
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
