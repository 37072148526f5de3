//! The very instants at which a token begins and ends to be good.

use std::sync::{Arc, LazyLock};

use jsonwebtoken::Algorithm;
use lienthong::access::tokens::TokenSettings;
use lienthong::access::tokens::jwt::{Unacceptable, Unverified};
use lienthong::access::tokens::keys::TokenKey;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::keys::Keys;
use lienthong_domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::compact;
use super::forge::{changed, with_raw};

const SECOND: i64 = 1_000_000;
/// In seconds.
const EXP: i64 = 1_800_000_000;
const SKEW: i64 = 30;

static READER: LazyLock<Reader> = LazyLock::new(Reader::new);

struct Reader {
    settings: TokenSettings,
    keys: Vec<TokenKey>,
}

impl Reader {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::new(Arc::new(Keys::open(folder.path(), true, &[]).unwrap()));
        let sealed = TokenKey::make(&bodies, Timestamp::from_micros(0)).unwrap();
        Self {
            settings: TokenSettings {
                issuer: "https://gateway.example".into(),
                lifetime_ms: 600_000,
                skew_ms: SKEW * 1000,
            },
            keys: vec![TokenKey::open(&bodies, &sealed).unwrap()],
        }
    }

    fn claims(&self) -> Value {
        let issuer = &self.settings.issuer;
        json!({
            "iss": issuer, "aud": issuer, "sub": "a", "client_id": "a", "exp": EXP, "scope": "dossiers:read",
            "credential": Uuid::nil(),
        })
    }

    fn verdict(&self, claims: &str, now: i64) -> Result<Timestamp, Unacceptable> {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.keys[0].kid }).to_string();
        let token = compact(header, claims, &self.keys[0].signing, Algorithm::ES256);
        let read = Unverified::read(&token)?;
        self.settings.verify(&read, &self.keys, Timestamp::from_micros(now)).map(|grant| grant.expires_at)
    }
}

#[test]
fn a_token_is_good_until_the_microsecond_before_its_end() {
    let reader = &*READER;
    let claims = reader.claims().to_string();
    assert_eq!(reader.verdict(&claims, EXP * SECOND - 1), Ok(Timestamp::from_micros(EXP * SECOND)));
    assert_eq!(reader.verdict(&claims, EXP * SECOND), Err(Unacceptable::Expired));
    assert_eq!(reader.verdict(&claims, EXP * SECOND + 1), Err(Unacceptable::Expired), "the skew lengthens no life");
}

#[test]
fn a_token_that_begins_later_is_good_as_early_as_clocks_may_differ() {
    let reader = &*READER;
    let begins = EXP - 100;
    for name in ["nbf", "iat"] {
        let claims = changed(reader.claims(), &json!({ name: begins })).to_string();
        let earliest = (begins - SKEW) * SECOND;
        assert_eq!(reader.verdict(&claims, earliest - 1), Err(Unacceptable::Early), "{name}");
        assert!(reader.verdict(&claims, earliest).is_ok(), "{name}");
        assert!(reader.verdict(&claims, begins * SECOND).is_ok(), "{name}");
    }
}

#[test]
fn what_is_wrong_beside_the_time_is_told_first() {
    let reader = &*READER;
    for (changes, why) in [
        (json!({ "iss": "https://other.example" }), Unacceptable::Issuer),
        (json!({ "aud": "https://other.example" }), Unacceptable::Audience),
        (json!({}), Unacceptable::Expired),
    ] {
        let claims = changed(reader.claims(), &changes).to_string();
        assert_eq!(reader.verdict(&claims, EXP * SECOND), Err(why), "{changes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_end_with_a_fraction_is_read_to_the_microsecond(micros in any_moment()) {
        let reader = &*READER;
        let claims = changed(reader.claims(), &json!({ "exp": null })).to_string();
        let claims = with_raw(&claims, "exp", &format!("{}.{:06}", micros / SECOND, micros % SECOND));
        prop_assert_eq!(reader.verdict(&claims, micros - 1), Ok(Timestamp::from_micros(micros)));
        prop_assert_eq!(reader.verdict(&claims, micros), Err(Unacceptable::Expired));
    }

    #[test]
    fn no_number_is_read_as_a_time_that_it_does_not_tell(number in any_number()) {
        let reader = &*READER;
        let claims = changed(reader.claims(), &json!({ "exp": null })).to_string();
        let verdict = reader.verdict(&with_raw(&claims, "exp", &format!("{number:e}")), 0);
        match verdict {
            Ok(end) => {
                let told = (number * 1e6).min(Timestamp::from_micros(i64::MAX).micros() as f64);
                let off = (end.micros() as f64 - told).abs();
                prop_assert!((0.0..1e11).contains(&number) && off <= 1.0 + told * 1e-15, "{end:?}");
            }
            Err(Unacceptable::Expired) => prop_assert!((0.0..1e-6).contains(&number)),
            Err(_) => prop_assert!(!(0.0..1e11).contains(&number), "{verdict:?}"),
        }
    }
}

/// With one whose seconds, as a computer holds them, are a little less than they say.
fn any_moment() -> impl Strategy<Value = i64> {
    prop_oneof![Just(2_159_993_492_825_761_i64), 1_700_000_000_000_000_i64..4_000_000_000_000_000]
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![proptest::num::f64::ANY, 0.0..2e11, -1e3..1e3]
}
