//! The store of clients, credentials and token keys: each change is whole, has its record, and makes the number grow.

use futures::future::join_all;
use lienthong::access::client::{Client, Credential, Proof, Scope};
use lienthong::access::store::{Change, SealedTokenKey};
use lienthong::audit::{Draft, Kind, Outcome, SealedRecord};
use lienthong::storage::StoreError;
use lienthong_domain::catalogue::{AgencyCode, ProcedureCode};
use lienthong_domain::scalar::Scalar;
use uuid::Uuid;

use super::writes::at;
use super::{Stores, on_both_engines};

fn client(id: &str) -> Client {
    Client {
        id: id.to_owned(),
        name: "Một cửa điện tử".to_owned(),
        agencies: ["H15", "000.00.61.H16"].map(|code| AgencyCode::parse(code).unwrap()).to_vec(),
        procedures: vec![ProcedureCode::parse("1.001193").unwrap()],
        scopes: Scope::ALL.to_vec(),
        created_at: at(1),
        revoked_at: None,
    }
}

fn credential(client_id: &str, proof: Proof) -> Credential {
    Credential { id: Uuid::now_v7(), client_id: client_id.to_owned(), proof, created_at: at(1), ends_at: None }
}

fn secret(client_id: &str) -> Credential {
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    credential(client_id, Proof::Secret(digest))
}

fn record(stores: &Stores, op: &'static str) -> SealedRecord {
    stores.recorder.seal(&Draft::new(Kind::Operator, op, Outcome::decided("done"))).unwrap()
}

async fn change(stores: &Stores, change: Change) -> Result<(), StoreError> {
    stores.access.change(change, record(stores, "client.add")).await
}

async fn add(stores: &Stores, id: &str) -> Credential {
    let credential = secret(id);
    change(stores, Change::AddClient(client(id), credential.clone())).await.unwrap();
    credential
}

async fn everything_is_read_as_it_was_written(stores: Stores) {
    assert_eq!(stores.access.everything().await.unwrap(), lienthong::access::store::Everything::default());
    add(&stores, "a").await;
    let mut unlimited = client("b");
    unlimited.procedures.clear();
    let proofs = [
        Proof::Key("{\"kty\":\"EC\"}".into()),
        Proof::Certificate([255; 32]),
        Proof::CertificateName("một-cửa.example".into()),
        Proof::Subject { issuer: "https://idp.example".into(), subject: "hệ thống 1".into() },
    ];
    let credentials: Vec<Credential> = proofs.into_iter().map(|proof| credential("b", proof)).collect();
    change(&stores, Change::AddClient(unlimited.clone(), credentials[0].clone())).await.unwrap();
    for credential in &credentials[1..] {
        let credential = credential.clone();
        change(&stores, Change::AddCredential { credential, others_end_at: None }).await.unwrap();
    }
    let key = SealedTokenKey { kid: "k".into(), sealed: vec![0, 1, 255], signs_from: at(5) };
    change(&stores, Change::AddTokenKey(key.clone())).await.unwrap();
    let everything = stores.access.everything().await.unwrap();
    assert_eq!(everything.clients, [client("a"), unlimited]);
    let of_b: Vec<_> = everything.credentials.into_iter().filter(|credential| credential.client_id == "b").collect();
    assert_eq!(of_b, credentials);
    assert_eq!((everything.token_keys, everything.change), (vec![key], 6));
}

async fn an_id_is_given_once_and_a_refused_change_leaves_nothing(stores: Stores) {
    add(&stores, "a").await;
    let before = stores.access.everything().await.unwrap();
    let again = change(&stores, Change::AddClient(client("a"), secret("a"))).await;
    assert_eq!(again, Err(StoreError::Conflict));
    let key = SealedTokenKey { kid: "k".into(), sealed: vec![1], signs_from: at(5) };
    for (wrong, why) in [
        (Change::AddCredential { credential: secret("x"), others_end_at: Some(at(2)) }, StoreError::NotApplicable),
        (Change::RevokeClient { id: "x".into(), at: at(2) }, StoreError::NotApplicable),
        (
            Change::RevokeCredential { client_id: "x".into(), id: before.credentials[0].id, at: at(2) },
            StoreError::NotApplicable,
        ),
        (Change::RemoveTokenKey { kid: "x".into() }, StoreError::NotApplicable),
    ] {
        assert_eq!(change(&stores, wrong.clone()).await, Err(why), "{wrong:?}");
    }
    assert_eq!(stores.access.everything().await.unwrap(), before, "the number too");
    assert_eq!(stores.log().await.len(), 1, "what did not happen is not recorded");
    change(&stores, Change::AddTokenKey(key.clone())).await.unwrap();
    assert_eq!(change(&stores, Change::AddTokenKey(key)).await, Err(StoreError::Conflict));
}

async fn a_new_credential_ends_the_others_at_their_time_and_no_later_than_they_ended(stores: Stores) {
    let first = add(&stores, "a").await;
    let second = secret("a");
    let change_of =
        |credential: &Credential, end| Change::AddCredential { credential: credential.clone(), others_end_at: end };
    change(&stores, change_of(&second, Some(at(50)))).await.unwrap();
    let third = secret("a");
    change(&stores, change_of(&third, Some(at(100)))).await.unwrap();
    change(&stores, change_of(&secret("a"), None)).await.unwrap();
    let ends: Vec<_> =
        stores.access.everything().await.unwrap().credentials.iter().map(|c| (c.id, c.ends_at)).collect();
    assert_eq!(ends[..3], [(first.id, Some(at(50))), (second.id, Some(at(100))), (third.id, None)]);
}

async fn a_proof_is_held_by_one_client_at_a_time(stores: Stores) {
    let beside = stores.beside().await;
    let proof = || Proof::CertificateName("one-stop.example".into());
    let give = |id: &str, at, end| Credential { created_at: at, ends_at: end, ..credential(id, proof()) };
    // Many operators at once, each for a client of its own: some new, some known.
    for n in 0..8 {
        add(&stores, &format!("known-{n}")).await;
    }
    let before = stores.log().await.len();
    let given = (0..16).map(|n| {
        let (stores, id) = (if n % 2 == 0 { &stores } else { &beside }, format!("known-{}", n / 2));
        async move {
            if n % 4 < 2 {
                change(stores, Change::AddCredential { credential: give(&id, at(1), None), others_end_at: None }).await
            } else {
                let id = format!("new-{n}");
                change(stores, Change::AddClient(client(&id), give(&id, at(1), None))).await
            }
        }
    });
    let given = join_all(given).await;
    assert_eq!(given.iter().filter(|done| done.is_ok()).count(), 1, "{given:?}");
    assert!(given.iter().all(|done| matches!(done, Ok(()) | Err(StoreError::Conflict))), "{given:?}");
    let everything = stores.access.everything().await.unwrap();
    let mut holders = everything.credentials.iter().filter(|held| held.proof == proof());
    let holder = holders.next().unwrap().clone();
    assert_eq!(holders.next(), None);
    let is_there = |held: &Credential| everything.clients.iter().any(|client| client.id == held.client_id);
    assert!(everything.credentials.iter().all(is_there), "half of a change was made");
    assert_eq!(stores.log().await.len(), before + 1, "what did not happen is not recorded");

    // Whoever holds it cannot be given it twice; it is free from the moment of its end, and when its client is revoked.
    let again = |id: &str, at| Change::AddCredential { credential: give(id, at, None), others_end_at: Some(at) };
    assert_eq!(change(&stores, again(&holder.client_id, at(2))).await, Err(StoreError::Conflict));
    let end = Change::RevokeCredential { client_id: holder.client_id.clone(), id: holder.id, at: at(10) };
    change(&stores, end).await.unwrap();
    assert_eq!(change(&stores, again("known-7", at(9))).await, Err(StoreError::Conflict), "not before its end");
    change(&stores, again("known-7", at(10))).await.unwrap();
    assert_eq!(change(&stores, again("known-6", at(11))).await, Err(StoreError::Conflict));
    change(&stores, Change::RevokeClient { id: "known-7".into(), at: at(12) }).await.unwrap();
    change(&stores, again("known-6", at(13))).await.unwrap();
}

async fn what_is_revoked_is_revoked_once(stores: Stores) {
    let credential = add(&stores, "a").await;
    let other = secret("a");
    change(&stores, Change::AddCredential { credential: other.clone(), others_end_at: None }).await.unwrap();
    let one = |at| Change::RevokeCredential { client_id: "a".into(), id: credential.id, at };
    change(&stores, one(at(10))).await.unwrap();
    assert_eq!(change(&stores, one(at(20))).await, Err(StoreError::NotApplicable));
    let foreign = Change::RevokeCredential { client_id: "b".into(), id: other.id, at: at(20) };
    assert_eq!(change(&stores, foreign).await, Err(StoreError::NotApplicable));
    change(&stores, Change::RevokeClient { id: "a".into(), at: at(30) }).await.unwrap();
    let again = Change::RevokeClient { id: "a".into(), at: at(40) };
    assert_eq!(change(&stores, again).await, Err(StoreError::NotApplicable));
    let late = Change::AddCredential { credential: secret("a"), others_end_at: None };
    assert_eq!(change(&stores, late).await, Err(StoreError::NotApplicable), "nothing is given to it any more");
    let everything = stores.access.everything().await.unwrap();
    assert_eq!(everything.clients[0].revoked_at, Some(at(30)));
    let ends: Vec<_> = everything.credentials.iter().map(|credential| credential.ends_at).collect();
    assert_eq!(ends, [Some(at(10)), None]);
}

async fn every_change_has_its_record_and_its_number_whoever_makes_it(stores: Stores) {
    let beside = stores.beside().await;
    let adds = (0..20).map(|n| {
        let stores = if n % 2 == 0 { &stores } else { &beside };
        async move { add(stores, &format!("client-{n}")).await }
    });
    join_all(adds).await;
    assert_eq!(stores.access.change_number().await.unwrap(), 20);
    assert_eq!(beside.access.everything().await.unwrap().clients.len(), 20);
    assert_eq!(stores.log().await.len(), 20);
}

async fn an_assertion_counts_once_and_is_forgotten_after_its_end(stores: Stores) {
    let beside = stores.beside().await;
    let uses = (0..16).map(|n| {
        let access = if n % 2 == 0 { &stores.access } else { &beside.access };
        access.use_assertion("a", "once", at(10))
    });
    let counted = join_all(uses).await.into_iter().filter(|used| *used == Ok(true)).count();
    assert_eq!(counted, 1, "of many at once");
    assert_eq!(stores.access.use_assertion("b", "once", at(10)).await, Ok(true), "another client's is another one");
    assert_eq!(stores.access.forget_assertions(at(10)).await, Ok(0), "not before its end");
    assert_eq!(stores.access.forget_assertions(at(11)).await, Ok(2));
    assert_eq!(stores.access.use_assertion("a", "once", at(20)).await, Ok(true));
}

on_both_engines! {
    everything_is_read_as_it_was_written,
    an_id_is_given_once_and_a_refused_change_leaves_nothing,
    a_new_credential_ends_the_others_at_their_time_and_no_later_than_they_ended,
    a_proof_is_held_by_one_client_at_a_time,
    what_is_revoked_is_revoked_once,
    every_change_has_its_record_and_its_number_whoever_makes_it,
    an_assertion_counts_once_and_is_forgotten_after_its_end,
}
