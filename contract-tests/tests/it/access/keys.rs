//! The keys that sign tokens, over a long time: there is always one, it was known before it signed, it is there as long
//! as any token that it signed, and then it goes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use lienthong::access::tokens::keys::{Rotation, Step, TokenKey, signing};
use lienthong::access::tokens::rotate::Rotate;
use lienthong::audit::Recorder;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::keys::Keys;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE};
use lienthong_domain::time::Timestamp;
use proptest::prelude::*;
use reqwest::Method;
use serde_json::Value;

use super::{Pair, clock, soon, stores};
use crate::support::{Answer, World};

/// Who takes a turn; at once means that neither sees what the other does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Ahead,
    Behind,
    BothAtOnce,
}

/// A token, by its key, and the clock of its signer at that moment.
struct Signed {
    kid: String,
    at: i64,
}

/// Replicas that share a list of keys; the clock of one is behind. All times in milliseconds.
struct Simulation {
    rotation: Rotation,
    skew: i64,
    now: i64,
    /// In the order of the store: by time, then by id.
    keys: Vec<(String, i64)>,
    made: u32,
    /// Whether each replica has had its first turn: before that it serves nobody.
    serves: [bool; 2],
    tokens: Vec<Signed>,
    public: Jwk,
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis * 1000)
}

impl Simulation {
    fn new(rotation: Rotation, skew: i64) -> Self {
        let public = Pair::make(Algorithm::ES256).public;
        let (keys, tokens) = (Vec::new(), Vec::new());
        Self { rotation, skew, now: 1_000_000_000, keys, made: 0, serves: [false; 2], tokens, public }
    }

    /// What the clock of a replica says.
    fn clock_of(&self, replica: usize) -> i64 {
        if replica == 0 { self.now } else { self.now - self.skew }
    }

    fn next(&self, replica: usize) -> Option<Step> {
        let keys: Vec<_> = self.keys.iter().map(|(kid, from)| (kid.clone(), time(*from))).collect();
        self.rotation.next(&keys, time(self.clock_of(replica)))
    }

    fn turn(&mut self, who: Who) {
        let replicas: &[usize] = match who {
            Who::Ahead => &[0],
            Who::Behind => &[1],
            Who::BothAtOnce => &[0, 1],
        };
        for round in 0.. {
            assert!(round < 1000, "a turn without end: {:?}", self.keys);
            let decide = |replica: &usize| (*replica, self.next(*replica), self.signing_kid(*replica).is_none());
            let steps: Vec<_> = replicas.iter().map(decide).collect();
            if steps.iter().all(|(_, step, _)| step.is_none()) {
                break;
            }
            for (replica, step, nobody_signs) in steps {
                self.apply(replica, step, nobody_signs);
            }
        }
        replicas.iter().for_each(|replica| self.serves[*replica] = true);
    }

    fn apply(&mut self, replica: usize, step: Option<Step>, nobody_signs: bool) {
        match step {
            None => {}
            Some(Step::Remove { kid }) => self.keys.retain(|(known, _)| *known != kid),
            Some(Step::Add { signs_from }) => {
                let from = signs_from.micros() / 1000;
                let published_early = from >= self.clock_of(replica) + self.rotation.lead_ms;
                assert!(nobody_signs || published_early, "{from} signs too soon after {}", self.clock_of(replica));
                self.made += 1;
                self.keys.push((format!("{:08x}", self.made.wrapping_mul(2_654_435_761)), from));
                self.keys.sort_by(|(a, a_from), (b, b_from)| (a_from, a).cmp(&(b_from, b)));
            }
        }
    }

    /// As the gateway chooses.
    fn signing_kid(&self, replica: usize) -> Option<String> {
        let key = |(kid, from): &(String, i64)| TokenKey {
            kid: kid.clone(),
            signs_from: time(*from),
            signing: EncodingKey::from_secret(b""),
            verifying: DecodingKey::from_secret(b""),
            public: self.public.clone(),
        };
        let keys: Vec<TokenKey> = self.keys.iter().map(key).collect();
        signing(&keys, time(self.clock_of(replica))).map(|key| key.kid.clone())
    }

    /// Whoever serves signs a token now, and every token that somebody still takes for good has its key.
    fn look(&mut self) {
        for replica in [0, 1].into_iter().filter(|replica| self.serves[*replica]).collect::<Vec<_>>() {
            let kid = self.signing_kid(replica);
            let kid = kid.unwrap_or_else(|| panic!("{replica} has no key at {}: {:?}", self.now, self.keys));
            self.tokens.push(Signed { kid, at: self.clock_of(replica) });
        }
        let (last_clock, life) = (self.now - self.skew, self.rotation.token_ms - self.skew);
        self.tokens.retain(|token| last_clock < token.at + life);
        for token in &self.tokens {
            let is_there = self.keys.iter().any(|(kid, _)| *kid == token.kid);
            assert!(is_there, "at {} the key {} of {} has gone", self.now, token.kid, token.at);
        }
    }

    /// Time passes: everyone is looked at on the way, also at the moments at which keys begin.
    fn wait(&mut self, gap: i64) {
        let end = self.now + gap;
        let begin = self.keys.iter().flat_map(|(_, from)| [from - 1, *from, from + self.skew - 1, from + self.skew]);
        let mut moments: Vec<i64> = begin.chain([self.now + gap / 2, end]).collect();
        moments.retain(|moment| (self.now..=end).contains(moment));
        moments.sort_unstable();
        for moment in moments {
            self.now = moment;
            self.look();
        }
    }
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just(Who::Ahead), 2 => Just(Who::Behind), 1 => Just(Who::BothAtOnce)]
}

/// With how far clocks are apart: less than a key is published before it signs.
fn rotations() -> impl Strategy<Value = (Rotation, i64)> {
    let leads = (1..20_000_i64).prop_flat_map(|period_ms| (Just(period_ms), 1..=period_ms));
    let skews = leads.prop_flat_map(|(period_ms, lead_ms)| (Just((period_ms, lead_ms)), 0..lead_ms));
    (skews, 1..20_000_i64)
        .prop_map(|(((period_ms, lead_ms), skew), life)| (Rotation { period_ms, lead_ms, token_ms: life + skew }, skew))
}

fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..2_000_i64, 3 => 0..20_000_i64, 1 => 0..300_000_i64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn there_is_always_one_key_that_signs_and_every_token_has_its_key(
        (rotation, skew) in rotations(),
        turns in proptest::collection::vec((gap(), who()), 1..60),
    ) {
        let mut simulation = Simulation::new(rotation, skew);
        let kept_ms = rotation.token_ms + rotation.lead_ms + 2 * skew;
        let most = 2 * usize::try_from(kept_ms / rotation.period_ms + 3).unwrap();
        for (gap, who) in turns {
            simulation.wait(gap);
            simulation.turn(who);
            simulation.look();
            prop_assert!(simulation.keys.len() <= most, "{} keys are kept", simulation.keys.len());
        }
    }

    #[test]
    fn one_replica_that_looks_often_changes_keys_by_the_period_and_keeps_no_old_ones(
        period_ms in 1000..20_000_i64,
        (lead, token) in (1..100_i64, 1..100_i64),
    ) {
        let (lead_ms, token_ms) = (period_ms * lead / 100, period_ms * token / 200);
        let mut simulation = Simulation::new(Rotation { period_ms, lead_ms, token_ms }, 0);
        simulation.turn(Who::Ahead);
        let end = simulation.now + 10 * period_ms;
        while simulation.now < end {
            simulation.wait(period_ms / 50);
            simulation.turn(Who::Ahead);
            simulation.look();
            prop_assert!(simulation.keys.len() <= 3, "{:?}", simulation.keys);
            for pair in simulation.keys.windows(2) {
                let apart = pair[1].1 - pair[0].1;
                prop_assert!((period_ms..=period_ms + period_ms / 50).contains(&apart), "{:?}", simulation.keys);
            }
        }
        prop_assert!((10..=11).contains(&simulation.made), "{} keys in ten periods", simulation.made);
    }
}

#[test]
fn a_key_must_be_published_for_longer_than_clocks_may_be_apart() {
    let loads = |lead: u32, skew: u32| {
        let more = format!("access = {{ token_key_lead_s = {lead}, clock_skew_s = {skew} }}");
        Deployment::new("http://127.0.0.1:1", &more).unwrap().load().map(drop).map_err(|mistakes| mistakes.to_string())
    };
    assert_eq!(loads(31, 30), Ok(()));
    let mistakes = loads(30, 30).unwrap_err();
    assert!(mistakes.contains("access.token_key_lead_s") && mistakes.contains("more than clock_skew_s"), "{mistakes}");
}

fn rotate(keys: &Arc<Keys>, store: &lienthong::wiring::Stores, name: String, rotation: Rotation) -> Rotate {
    Rotate {
        store: Arc::clone(&store.access),
        bodies: Arc::new(Bodies::new(Arc::clone(keys))),
        recorder: Arc::new(Recorder::new(name, Arc::clone(keys), clock())),
        clock: clock(),
        rotation,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_follows_its_keys_and_forgets_those_that_are_gone() {
    let lead = Duration::from_millis(1000);
    let world = World::start().await;
    let (settings, beside) = stores(&world.deployment).await;
    let keys = Arc::new(Keys::open(Path::new(&settings.storage.keys_folder), false, &[]).unwrap());
    let name = settings.deployment.name;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let published = async || -> Vec<String> {
        let set = Answer::of(world.request(Method::GET, "/.well-known/jwks.json")).await.is(200).json();
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let accepted = async |token: &str| {
        let list = world.request(Method::GET, "/v1/dossiers").bearer_auth(token);
        Answer::of(list).await.status == 200
    };
    assert_eq!(published().await, [kid(&world.token)]);

    // One that is due: published at once, and signing when its time has come.
    let due = Rotation { period_ms: 1, lead_ms: 1000, token_ms: 3_600_000 };
    let begun = Instant::now();
    assert_eq!(rotate(&keys, &beside, name.clone(), due).turn().await, Ok(true));
    soon("it is published", async || published().await.len() == 2).await;
    let early = world.deployment.token(PROVINCE).await.unwrap();
    if begun.elapsed() < lead {
        assert_eq!(kid(&early), kid(&world.token), "not before its time");
    }
    soon("it signs", async || kid(&world.deployment.token(PROVINCE).await.unwrap()) != kid(&world.token)).await;
    assert!(begun.elapsed() >= lead, "{:?}", begun.elapsed());
    let new = world.deployment.token(PROVINCE).await.unwrap();
    assert_eq!(published().await, [kid(&world.token), kid(&new)]);
    assert!(accepted(&world.token).await && accepted(&new).await);

    // As if the last token of the first had expired.
    let over = Rotation { period_ms: 3_600_000, lead_ms: 1000, token_ms: 0 };
    assert_eq!(rotate(&keys, &beside, name.clone(), over).turn().await, Ok(true));
    assert_eq!(rotate(&keys, &beside, name, over).turn().await, Ok(false), "there is nothing left to do");
    soon("the first has gone", async || published().await == [kid(&new)]).await;
    assert!(accepted(&new).await);
    let list = world.request(Method::GET, "/v1/dossiers").bearer_auth(&world.token);
    Answer::of(list).await.refused(401, "access.token_invalid");
    let mut operations = Vec::new();
    for shard in beside.audit.shards().await.unwrap() {
        for record in beside.audit.records(&shard, 0, 1000).await.unwrap() {
            let record: Value = serde_json::from_slice(&record.bytes).unwrap();
            operations.extend(record["op"].as_str().filter(|op| op.starts_with("token_key")).map(str::to_owned));
        }
    }
    assert_eq!(operations, ["token_key.add", "token_key.add", "token_key.remove"]);
}
