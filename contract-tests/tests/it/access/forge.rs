//! Signs whatever it is told to with the gateway's own key, or with that of an issuer which it trusts: what is then refused
//! is refused for what it says.

use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use lienthong::access::Scope;
use lienthong::access::tokens::keys::TokenKey;
use lienthong::access::tokens::write_scopes;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::keys::Keys;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE};
use lienthong_domain::time::{Clock, SystemClock};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Pair, compact, stores};

pub(super) struct Forge {
    pub(super) kid: String,
    pub(super) signing: EncodingKey,
    pub(super) public: Jwk,
    pub(super) issuer: String,
    pub(super) audience: String,
    /// What its tokens say beside the usual.
    of_client: Value,
    /// In seconds, when it was opened.
    pub(super) now: i64,
    pub(super) skew: i64,
}

impl Forge {
    /// The gateway's own, for the province.
    pub(super) async fn beside(deployment: &Deployment) -> Self {
        let (settings, stores) = stores(deployment).await;
        let everything = stores.access.everything().await.unwrap();
        let keys = Arc::new(Keys::open(Path::new(&settings.storage.keys_folder), false, &[]).unwrap());
        let key = TokenKey::open(&Bodies::new(keys), everything.token_keys.last().unwrap()).unwrap();
        let credential = credential_of(deployment, PROVINCE).await;
        Self {
            kid: key.kid,
            signing: key.signing,
            public: key.public,
            issuer: settings.server.public_url.clone(),
            audience: settings.server.public_url,
            of_client: json!({ "sub": PROVINCE, "client_id": PROVINCE, "credential": credential }),
            now: SystemClock.now().micros() / 1_000_000,
            skew: settings.access.clock_skew_s.into(),
        }
    }

    /// An issuer's, for one of its subjects.
    pub(super) fn of_issuer(deployment: &Deployment, issuer: &str, subject: &str, kid: &str, pair: &Pair) -> Self {
        let settings = deployment.load().unwrap().settings;
        Self {
            kid: kid.to_owned(),
            signing: pair.private.clone(),
            public: pair.public.clone(),
            issuer: issuer.to_owned(),
            audience: settings.server.public_url,
            of_client: json!({ "sub": subject }),
            now: SystemClock.now().micros() / 1_000_000,
            skew: settings.access.clock_skew_s.into(),
        }
    }

    /// As an honest one writes them.
    pub(super) fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid })
    }

    pub(super) fn claims(&self) -> Value {
        let usual = json!({
            "iss": self.issuer, "aud": self.audience, "iat": self.now, "exp": self.now + 600, "jti": Uuid::now_v7(),
            "scope": write_scopes(Scope::ALL),
        });
        changed(usual, &self.of_client)
    }

    pub(super) fn sign(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        compact(header, claims, &self.signing, Algorithm::ES256)
    }

    pub(super) fn honest(&self) -> String {
        self.with_header(&json!({}))
    }

    /// With these members changed; those that are null are left out.
    pub(super) fn with_header(&self, changes: &Value) -> String {
        self.sign(changed(self.header(), changes).to_string(), self.claims().to_string())
    }

    pub(super) fn with_claims(&self, changes: &Value) -> String {
        self.sign(self.header().to_string(), changed(self.claims(), changes).to_string())
    }

    /// With a member that is written out, as no value can be.
    pub(super) fn with_raw_claim(&self, name: &str, raw: &str) -> String {
        let claims = changed(self.claims(), &json!({ name: null })).to_string();
        self.sign(self.header().to_string(), with_raw(&claims, name, raw))
    }

    pub(super) fn with_raw_header(&self, name: &str, raw: &str) -> String {
        let header = changed(self.header(), &json!({ name: null })).to_string();
        self.sign(with_raw(&header, name, raw), self.claims().to_string())
    }
}

/// By which one of the tests' clients has its tokens.
pub(super) async fn credential_of(deployment: &Deployment, id: &str) -> Uuid {
    let everything = stores(deployment).await.1.access.everything().await.unwrap();
    everything.credentials.iter().find(|credential| credential.client_id == id).unwrap().id
}

pub(super) fn changed(mut object: Value, changes: &Value) -> Value {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    object
}

/// The object with one more member at its end.
pub(super) fn with_raw(object: &str, name: &str, raw: &str) -> String {
    format!("{},\"{name}\":{raw}}}", object.strip_suffix('}').unwrap())
}
