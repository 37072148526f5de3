//! The port: what each operation asks of the portal and what its answers mean. Sends a dossier only when all that the
//! wire needs is known; keeps nothing.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_adapter_kit::Tools;
use lienthong_domain::agreement::NationalDossier;
use lienthong_domain::catalogue::ProcedureCode;
use lienthong_domain::dossier::{Channel, Dossier, DossierCode, Owner, StatusReport, Step};
use lienthong_domain::invalid::{Message, Refusal};
use lienthong_domain::port::{
    AfterAmbiguity, Aged, DossierPortal, PortError, PortalOperation, ProcedureCatalogue, ProcedureEntry,
};
use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::client::{Client, Judged, Service};
use crate::config::{Ambiguity, Endpoint, Profile, ReplyClass};
use crate::error::{CallFailure, refused_here};
use crate::look_up;
use crate::mapping::{Mapping, personal_texts, true_false};
use crate::reason::PersonalTexts;
use crate::reply::{member, text};
use crate::wire;

pub(crate) struct NationalPortal {
    pub(crate) client: Arc<Client>,
    catalogue: Catalogue,
}

impl NationalPortal {
    pub(crate) fn new(profile: Profile, tools: &Tools) -> Result<Self, Refusal> {
        let catalogue = Catalogue::new(&profile.catalogue);
        Ok(Self { client: Arc::new(Client::new(profile, tools)?), catalogue })
    }

    fn mapping(&self) -> Mapping<'_> {
        Mapping { codes: &self.client.profile.codes, wire: &self.client.profile.wire }
    }

    async fn send(&self, dossier: &Dossier, is_updating: bool) -> Result<Result<(), CallFailure>, PortError> {
        let names = self.catalogue.names(&self.client, dossier).await?;
        let account = self.account(dossier).await?;
        let mut personal = personal_texts(dossier);
        account.iter().for_each(|account| personal.add(account));
        let item = self.mapping().dossier(dossier, names, account);
        let upsert = wire::DossierUpsert { is_updating: true_false(is_updating), data: [item] };
        Ok(self.write(wire::SEND_DOSSIER, &upsert, &personal).await)
    }

    /// A call that changes something: only "accepted" is a success.
    async fn write<T: Serialize>(&self, name: &str, members: &T, personal: &PersonalTexts) -> Result<(), CallFailure> {
        let service = Service { endpoint: Endpoint::Integration, name, is_read: false };
        let Judged { reply, class, .. } = self.client.call(service, members, personal).await?;
        if class == Some(ReplyClass::Accepted) {
            return Ok(());
        }
        Err(CallFailure::Unsettled { code: reply.code(), note: "a reply that fits no rule of the profile".to_owned() })
    }

    /// The owner's account on the portal. Only an online dossier must name one; it is never kept, being personal.
    async fn account(&self, dossier: &Dossier) -> Result<Option<String>, PortError> {
        if let Some(account) = &dossier.owner.portal_account_id {
            return Ok(Some(account.expose().as_str().to_owned()));
        }
        if dossier.channel != Channel::Online {
            return Ok(None);
        }
        self.find_account(&dossier.owner).await.map(Some)
    }

    async fn find_account(&self, owner: &Owner) -> Result<String, PortError> {
        let number = owner.account_search_number().ok_or_else(no_account)?;
        let services = &self.client.profile.services;
        let service = Service { endpoint: services.account_at, name: wire::FIND_ACCOUNT, is_read: true };
        let query = wire::AccountQuery { provider: services.account_provider.clone(), number: number.expose().clone() };
        let mut personal = PersonalTexts::default();
        personal.add(number.expose());
        let found = self.client.ask(service, &query, &personal).await.map_err(CallFailure::of_read)?;
        found.first().and_then(|item| member(item, wire::reply::ACCOUNT_ID)).and_then(text).ok_or_else(no_account)
    }
}

#[async_trait]
impl ProcedureCatalogue for NationalPortal {
    async fn procedure(&self, code: &ProcedureCode) -> Result<Aged<Option<Arc<ProcedureEntry>>>, PortError> {
        self.catalogue.find(&self.client, code.original()).await
    }

    async fn forget(&self, code: &ProcedureCode) {
        self.catalogue.forget(code.original()).await;
    }
}

#[async_trait]
impl DossierPortal for NationalPortal {
    async fn insert(&self, dossier: &Dossier) -> Result<(), PortError> {
        self.send(dossier, false).await?.map_err(|failure| match failure {
            // "Does not exist" cannot mean the dossier that is being created: something that it names is missing.
            CallFailure::Missing { code, reason } => CallFailure::Rejected { code, reason }.of_write(),
            other => other.of_write(),
        })
    }

    async fn update(&self, dossier: &Dossier) -> Result<(), PortError> {
        self.send(dossier, true).await?.map_err(|failure| match failure {
            // An update of what exists is what was asked for: this answer settles nothing.
            CallFailure::Exists { code } => {
                CallFailure::Unsettled { code, note: "“exists” in answer to an update".to_owned() }.of_write()
            }
            other => other.of_write(),
        })
    }

    async fn append_step(&self, dossier: &DossierCode, step: &Step) -> Result<(), PortError> {
        let append = wire::StepAppend { data: [self.mapping().step(dossier, step)] };
        let mut personal = PersonalTexts::default();
        personal.add(step.handled_by.expose().as_str());
        self.write(wire::SEND_STEP, &append, &personal).await.map_err(CallFailure::of_write)
    }

    async fn report(&self, report: &StatusReport) -> Result<(), PortError> {
        let sent = wire::Report { kind: wire::REPORT_KIND, data: self.mapping().report(report) };
        let mut personal = PersonalTexts::default();
        // An officer's words, which may name the citizen: a refusal that repeats them must not tell them on.
        report.note.iter().for_each(|note| personal.add(note.as_str()));
        self.write(wire::SEND_REPORT, &sent, &personal).await.map_err(CallFailure::of_write)
    }

    async fn look_up(&self, dossier: &DossierCode) -> Result<Option<NationalDossier>, PortError> {
        let services = &self.client.profile.services;
        let service = Service { endpoint: services.look_up_at, name: &services.look_up_name, is_read: true };
        let query = wire::DossierQuery { dossier: dossier.as_str().to_owned() };
        let found =
            self.client.ask(service, &query, &PersonalTexts::default()).await.map_err(|failure| match failure {
                // A refusal to answer is not an answer: it proves neither presence nor absence.
                CallFailure::Rejected { code, .. } => {
                    CallFailure::Unsettled { code, note: "the look-up was refused".to_owned() }.of_read()
                }
                other => other.of_read(),
            })?;
        let profile = &self.client.profile;
        Ok((!found.is_empty()).then(|| look_up::told(&found, dossier, &profile.look_up, profile.wire.time_format)))
    }

    fn after_ambiguity(&self, operation: PortalOperation) -> AfterAmbiguity {
        let profile = &self.client.profile.after_ambiguity;
        match operation {
            PortalOperation::Insert => profile.insert.into(),
            PortalOperation::Update => profile.update.into(),
            PortalOperation::AppendStep if profile.steps_are_deduplicated => Ambiguity::Resend.into(),
            PortalOperation::AppendStep => profile.append_step.into(),
            PortalOperation::Report => profile.report.into(),
        }
    }
}

fn no_account() -> PortError {
    refused_here(Message::new(
        "Không tìm thấy tài khoản của chủ hồ sơ trên Cổng Dịch vụ công quốc gia; hồ sơ trực tuyến cần tài khoản này.",
        "The owner has no account on the national portal; an online dossier needs one.",
    ))
}
