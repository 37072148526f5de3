//! One call to the portal: address, headers, session, reply. A call whose session was refused had no effect and is
//! repeated once with a new one; nothing else is ever repeated here.

use std::sync::Arc;

use lienthong_adapter_kit::breaker::RouteBreaker;
use lienthong_adapter_kit::http::{Call, HttpClient, Url};
use lienthong_adapter_kit::{Secret, Tools};
use lienthong_domain::invalid::{Message, Refusal};
use serde::Serialize;
use serde_json::Value;

use crate::config::{Endpoint, Placement, Profile, ReplyClass};
use crate::error::CallFailure;
use crate::reason::{self, PersonalTexts};
use crate::reply::{Reply, Unreadable};
use crate::session::{Session, Sessions};
use crate::wire::{self, Envelope, Login};

pub(crate) struct Client {
    pub(crate) profile: Profile,
    http: HttpClient,
    /// Of what somebody waits for: the catalogue.
    pub(crate) reads: RouteBreaker,
    sessions: Arc<Sessions>,
    headers: Vec<(String, String)>,
}

/// One service of the portal and where it is called.
#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: &'a str,
    /// Whether it changes nothing.
    pub(crate) is_read: bool,
}

/// A reply of the portal with the profile's judgement of it.
pub(crate) struct Judged {
    pub(crate) reply: Reply,
    pub(crate) class: Option<ReplyClass>,
    status: u16,
}

impl Client {
    pub(crate) fn new(profile: Profile, tools: &Tools) -> Result<Self, Refusal> {
        let http = HttpClient::new(crate::NAME, &profile.http, tools)?;
        let reads = RouteBreaker::new("portal-dvcqg/reads", profile.read_breaker.clone());
        let sessions = Arc::new(Sessions::new(&profile, tools));
        let mut headers = profile.headers.0.clone();
        if profile.destination_placement != Placement::Query && !profile.destination.is_empty() {
            headers.push((wire::DESTINATION.to_owned(), profile.destination.clone()));
        }
        Ok(Self { profile, http, reads, sessions, headers })
    }

    /// Calls a service. `Ok` is a reply that was read, of class `accepted` or of none: what that means is the caller's.
    pub(crate) async fn call<T: Serialize>(
        self: &Arc<Self>,
        service: Service<'_>,
        members: &T,
        personal: &PersonalTexts,
    ) -> Result<Judged, CallFailure> {
        let session = self.session(None).await?;
        let mut judged = self.attempt(service, members, &session).await?;
        if judged.class == Some(ReplyClass::SessionInvalid) {
            tracing::debug!(service = service.name, "the portal refused the session; trying once more with another");
            let renewed = self.session(Some(&session)).await?;
            judged = self.attempt(service, members, &renewed).await?;
        }
        self.settle(judged, personal)
    }

    async fn attempt<T: Serialize>(
        &self,
        service: Service<'_>,
        members: &T,
        session: &Session,
    ) -> Result<Judged, CallFailure> {
        let envelope = Envelope {
            session: session.token.expose(),
            own_agency: &self.profile.own_agency,
            service: service.name,
            members,
        };
        let path = match service.endpoint {
            Endpoint::Integration => &self.profile.integration_path,
            Endpoint::Share => &self.profile.share_path,
        };
        self.post(path, &envelope, service.is_read).await
    }

    /// The reply's class, where it is a failure, as one.
    fn settle(&self, judged: Judged, personal: &PersonalTexts) -> Result<Judged, CallFailure> {
        let reply = &judged.reply;
        let (code, reason) = (reply.code(), || reason::from_portal(&reply.message, personal));
        let status = judged.status;
        match judged.class {
            Some(ReplyClass::SessionInvalid) => {
                Err(CallFailure::NotTaken("the session was refused twice in a row".to_owned()))
            }
            Some(ReplyClass::Retryable) => Err(CallFailure::NotTaken("the portal asks to try again".to_owned())),
            Some(ReplyClass::Exists) => Err(CallFailure::Exists { code }),
            Some(ReplyClass::Missing) => Err(CallFailure::Missing { code, reason: reason() }),
            Some(ReplyClass::Rejected) => Err(CallFailure::Rejected { code, reason: reason() }),
            Some(ReplyClass::Accepted) | None if is_success(status) => Ok(judged),
            Some(ReplyClass::Accepted) | None => {
                Err(CallFailure::Unsettled { code, note: format!("HTTP {status} with a reply that fits no rule") })
            }
        }
    }

    /// Asks for something. The items of the answer; none if the portal says that there is no such thing.
    pub(crate) async fn ask<T: Serialize>(
        self: &Arc<Self>,
        service: Service<'_>,
        query: &T,
        personal: &PersonalTexts,
    ) -> Result<Vec<Value>, CallFailure> {
        let Judged { reply, .. } = match self.call(service, query, personal).await {
            Ok(judged) => judged,
            Err(CallFailure::Missing { .. }) => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        };
        let items = if reply.says(&self.profile.reply.read_codes) { reply.items() } else { None };
        let unsettled =
            || CallFailure::Unsettled { code: reply.code(), note: "a reply that answers nothing".to_owned() };
        Ok(items.ok_or_else(unsettled)?.into_iter().cloned().collect())
    }

    /// A session, logging in if needed. Nothing of the call itself was sent by then, whatever became of the login.
    async fn session(self: &Arc<Self>, refused: Option<&Session>) -> Result<Session, CallFailure> {
        let client = self.clone();
        self.sessions.get(refused, || async move { client.log_in().await }).await
    }

    async fn log_in(&self) -> Result<Secret, CallFailure> {
        let account = &self.profile.account;
        let login = Login { username: &account.username, password: account.password.expose() };
        let judged = match self.post(&self.profile.login_path, &login, false).await {
            Ok(judged) => judged,
            Err(
                refused @ (CallFailure::CredentialRefused { .. }
                | CallFailure::RateLimited { .. }
                | CallFailure::NotTried(_)
                | CallFailure::QuotaSpent { .. }),
            ) => {
                return Err(refused);
            }
            Err(other) => return Err(CallFailure::NotTaken(format!("login: {other}"))),
        };
        let Judged { reply, class, status } = judged;
        if class == Some(ReplyClass::Retryable) || !is_success(status) {
            return Err(CallFailure::NotTaken(format!("login: not possible now (HTTP {status})")));
        }
        let said_yes = reply.says(&self.profile.reply.read_codes);
        match (reply.session.as_deref(), reply.code()) {
            (Some(token), _) if said_yes => Ok(Secret::new(token)),
            (None, _) if said_yes => Err(CallFailure::NotTaken("login: a reply without a session".to_owned())),
            (_, None) => Err(CallFailure::NotTaken("login: a reply without a code".to_owned())),
            (_, code) => Err(CallFailure::CredentialRefused { code, note: "the portal refused the login".to_owned() }),
        }
    }

    async fn post<T: Serialize>(&self, path: &str, body: &T, is_read: bool) -> Result<Judged, CallFailure> {
        let body =
            serde_json::to_vec(body).map_err(|_| CallFailure::NotTaken("the body cannot be written".to_owned()))?;
        let call = Call { url: self.url(path), headers: &self.headers, body, is_read, agency: None };
        let answer = self.http.post_json(call).await?;
        let (status, settings) = (answer.status, &self.profile.http_status);
        if settings.rate_limited.contains(&status) {
            return Err(CallFailure::RateLimited { retry_after: answer.retry_after });
        }
        if settings.not_taken.contains(&status) {
            return Err(CallFailure::NotTaken(format!("HTTP {status}")));
        }
        let reply = Reply::read(&answer.body, self.profile.wire.json_unwrap_depth).map(|reply| {
            let class = reply.class(&self.profile.reply.rules);
            Judged { reply, class, status }
        });
        if is_success(status) {
            reply.map_err(|why| CallFailure::Unreadable(why.to_string()))
        } else {
            self.not_success(status, reply)
        }
    }

    /// A status other than 2xx. Of the 4xx a reply in the body may say more than the status; of all others it does not.
    fn not_success(&self, status: u16, reply: Result<Judged, Unreadable>) -> Result<Judged, CallFailure> {
        let settings = &self.profile.http_status;
        let class = reply.as_ref().ok().and_then(|judged| judged.class);
        let is_client_error = (400..500).contains(&status);
        match reply {
            Ok(judged) if is_client_error && class == Some(ReplyClass::SessionInvalid) => Ok(judged),
            _ if settings.credential_refused.contains(&status) => {
                Err(CallFailure::CredentialRefused { code: None, note: format!("HTTP {status}") })
            }
            Ok(judged) if is_client_error && class.is_some() => Ok(judged),
            _ if settings.rejected.contains(&status) => Err(CallFailure::Rejected {
                code: None,
                reason: Message::new(
                    format!("Cổng Dịch vụ công quốc gia từ chối yêu cầu (HTTP {status}) và không nêu lý do."),
                    format!("The portal refused the request (HTTP {status}) without a reason."),
                ),
            }),
            _ => Err(CallFailure::Unsettled { code: None, note: format!("HTTP {status}") }),
        }
    }

    fn url(&self, path: &str) -> Url {
        let profile = &self.profile;
        let mut url = profile.address(path);
        let in_query = profile.destination_placement != Placement::Header;
        let parameters =
            [(wire::DESTINATION, &profile.destination, in_query), (wire::PROVIDER_URL, &profile.provider_url, true)];
        for (name, value, _) in parameters.into_iter().filter(|(_, value, wanted)| *wanted && !value.is_empty()) {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
