//! The store of kept answers: the first one stands, for each client and key.

use std::time::Duration;

use futures::future::join_all;
use lienthong::access::idempotency::store::KeptReply;
use lienthong::access::idempotency::{Admission, InMemory, KeyedReply, Replies};
use lienthong::storage::StoreError;

use super::writes::{at, key, reply};
use super::{Stores, on_both_engines};

async fn an_answer_is_found_as_it_was_kept(stores: Stores) {
    assert_eq!(stores.replies.find("client", &key("k")).await.unwrap(), None);
    let bytes: Vec<u8> = (0..=255).collect();
    let mut kept = reply("client", "k");
    (kept.reply, kept.fingerprint, kept.status) = (bytes.clone(), [9; 32], 599);
    stores.replies.keep(kept).await.unwrap();
    let found = stores.replies.find("client", &key("k")).await.unwrap();
    assert_eq!(found, Some(KeptReply { fingerprint: [9; 32], status: 599, reply: bytes }));
    let longest = "k".repeat(255);
    stores.replies.keep(reply("client", &longest)).await.unwrap();
    assert!(stores.replies.find("client", &key(&longest)).await.unwrap().is_some());
}

async fn a_second_answer_is_a_conflict_and_the_first_one_stands(stores: Stores) {
    stores.replies.keep(reply("client", "k")).await.unwrap();
    let mut second = reply("client", "k");
    second.reply = b"another".to_vec();
    assert_eq!(stores.replies.keep(second).await, Err(StoreError::Conflict));
    let found = stores.replies.find("client", &key("k")).await.unwrap().unwrap();
    assert_eq!(found.reply, reply("client", "k").reply);
}

async fn the_same_key_of_another_client_is_another_key(stores: Stores) {
    let clients: Vec<String> = (0..20).map(|n| format!("client-{n}")).collect();
    for result in join_all(clients.iter().map(|client| stores.replies.keep(reply(client, "k")))).await {
        result.unwrap();
    }
    for client in &clients {
        let found = stores.replies.find(client, &key("k")).await.unwrap().unwrap();
        assert_eq!(found.reply, reply(client, "k").reply);
    }
    assert_eq!(stores.replies.find("client-1", &key("K")).await.unwrap(), None, "case matters");
}

async fn of_many_answers_to_one_key_at_once_exactly_one_is_kept_and_it_is_the_one_that_was_told_so(stores: Stores) {
    let beside = stores.beside().await;
    for round in 0..10 {
        let name = format!("k{round}");
        let keeps = (0..16).map(|n| {
            let mut mine = reply("client", &name);
            mine.reply = vec![n];
            if n % 2 == 0 { stores.replies.keep(mine) } else { beside.replies.keep(mine) }
        });
        let results = join_all(keeps).await;
        let kept: Vec<_> = (0..).zip(&results).filter(|(_, result)| result.is_ok()).map(|(n, _)| n).collect();
        assert_eq!(kept.len(), 1, "{results:?}");
        assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(StoreError::Conflict))), "{results:?}");
        let found = stores.replies.find("client", &key(&name)).await.unwrap().unwrap();
        assert_eq!(found.reply, kept);
    }
}

async fn answers_that_are_old_are_forgotten_a_bounded_number_at_a_time(stores: Stores) {
    let keep = |n: i64| {
        let mut old = reply("client", &format!("k{n}"));
        old.stored_at = at(n);
        stores.replies.keep(old)
    };
    for result in join_all((0..1100).map(keep)).await {
        result.unwrap();
    }
    assert_eq!(stores.replies.forget(at(0)).await.unwrap(), 0);
    assert_eq!(stores.replies.forget(at(1050)).await.unwrap(), 1000);
    assert_eq!(stores.replies.forget(at(1050)).await.unwrap(), 50);
    assert_eq!(stores.replies.forget(at(1050)).await.unwrap(), 0);
    assert_eq!(stores.replies.find("client", &key("k1049")).await.unwrap(), None);
    assert!(stores.replies.find("client", &key("k1050")).await.unwrap().is_some());
    stores.replies.keep(reply("client", "k0")).await.unwrap();
}

async fn a_personal_answer_is_given_again_from_memory_and_then_it_is_said_that_it_is_gone(stores: Stores) {
    let keep = Duration::from_millis(400);
    let new = |store| Replies::new(store, InMemory { keep, most_bytes: 1_000_000 });
    let (here, there) = (new(stores.replies.clone()), new(stores.beside().await.replies));
    let first = KeyedReply { reply: b"{\"name\":\"personal\"}".to_vec(), ..reply("client", "k") };
    let again =
        async |replies: &Replies, fingerprint: [u8; 32]| match replies.admit("client", &key("k"), fingerprint).await {
            Ok(Admission::First(_)) => Err("done again".to_owned()),
            Ok(Admission::Replay(answer)) => {
                let (status, replayed) = (answer.status().as_u16(), answer.headers()["idempotent-replayed"].clone());
                assert_eq!((status, replayed.as_bytes()), (first.status, &b"true"[..]));
                Ok(axum::body::to_bytes(answer.into_body(), 1000).await.unwrap().to_vec())
            }
            Err(problem) => Err(problem.code.as_str().to_owned()),
        };
    assert_eq!(again(&here, first.fingerprint).await, Err("done again".to_owned()), "nothing is kept yet");
    here.keep_in_memory(first.clone()).await.unwrap();
    assert_eq!(here.keep_in_memory(first.clone()).await, Err(StoreError::Conflict));
    assert_eq!(again(&here, first.fingerprint).await, Ok(first.reply.clone()));
    let not_kept = Err("idempotency.reply_not_kept".to_owned());
    assert_eq!(again(&there, first.fingerprint).await, not_kept, "the memory is that of one replica");
    assert_eq!(again(&here, [0xee; 32]).await, Err("idempotency.key_reused".to_owned()));
    let stored = stores.replies.find("client", &key("k")).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.reply), (first.status, Vec::new()), "nothing personal is stored");
    tokio::time::sleep(keep + Duration::from_millis(100)).await;
    assert_eq!(again(&here, first.fingerprint).await, not_kept);
}

on_both_engines! {
    a_personal_answer_is_given_again_from_memory_and_then_it_is_said_that_it_is_gone,
    an_answer_is_found_as_it_was_kept,
    a_second_answer_is_a_conflict_and_the_first_one_stands,
    the_same_key_of_another_client_is_another_key,
    of_many_answers_to_one_key_at_once_exactly_one_is_kept_and_it_is_the_one_that_was_told_so,
    answers_that_are_old_are_forgotten_a_bounded_number_at_a_time,
}
