//! A gateway and a time-stamping authority.

use std::process::Command;
use std::sync::Arc;

use lienthong_contract_tests::timestamp_authority::{Manner, Signer, TimestampAuthority, openssl};
use lienthong_sandbox::Settings;

use super::{is_up, key, metric, printed};
use crate::stores::eventually;
use crate::support::{World, dossier};

const NAME: &str = "tsa.example";

async fn stamped_by(authority: &Arc<TimestampAuthority>) -> String {
    let url = Arc::clone(authority).serve().await.unwrap();
    format!(
        "[audit]\ntimestamp_ms = 1000\ntimestamp_authorities = [{{ name = \"{NAME}\", url = \"{url}\", roots_file = {:?} }}]\n",
        authority.roots()
    )
}

async fn is_stamped(world: &World) -> bool {
    is_up(world, "timestamp", NAME).await == Some(true)
        && metric(world, "lienthong_audit_exposure_seconds").await == Some(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_stamped_and_anyone_can_tell_by_when_it_was_there() {
    let authority = TimestampAuthority::new(Signer::Rsa).unwrap();
    let world = World::with(Settings::default(), &stamped_by(&authority).await).await;
    world.put("000.00.50.H15-261122-0001", &dossier("received")).await.is(202);
    world.settle().await;
    eventually("the head is stamped", async || is_stamped(&world).await).await;
    let key = key(&world).await;
    let roots = authority.roots().display().to_string();

    let said = printed(&world, &["audit", "verify", "--key", &key], 0).await;
    assert!(said.contains("time-stamped") && said.contains("Tổ chức cấp dấu thời gian thử"), "{said}");
    // Of the stamps of somebody who is not trusted nothing is said.
    let other = TimestampAuthority::new(Signer::Ecdsa).unwrap();
    let trusted = other.roots().display().to_string();
    let said = printed(&world, &["audit", "verify", "--key", &key, "--authority", &trusted], 0).await;
    assert!(!said.contains("time-stamped") && said.contains("not judged"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    printed(&world, &["audit", "export", &log.display().to_string()], 0).await;
    let verify = ["audit", "verify", "--folder", &log.display().to_string(), "--key", &key, "--authority", &roots];
    assert!(printed(&world, &verify, 0).await.contains("time-stamped"));
    // With OpenSSL alone.
    let anchors = std::fs::read_dir(log.join("2026h2/anchors")).unwrap().map(|entry| entry.unwrap().path());
    let stamps: Vec<_> = anchors.filter(|path| path.extension().is_some_and(|end| end == "tsr")).collect();
    assert!(!stamps.is_empty());
    for stamp in &stamps {
        let mut judge = Command::new("openssl");
        judge.args(["ts", "-verify", "-data"]).arg(stamp.with_extension("")).arg("-in").arg(stamp);
        openssl(judge.arg("-CAfile").arg(log.join("authorities.pem"))).unwrap();
    }
    // A stamp that was changed is found; so is one that was put beside another head.
    let mut bytes = std::fs::read(&stamps[0]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&stamps[0], &bytes).unwrap();
    let said = printed(&world, &verify, 1).await;
    assert!(said.contains("the time stamp of") && said.contains("not to be believed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_fails_or_lies_holds_up_nothing_and_none_of_its_answers_is_kept() {
    let authority = TimestampAuthority::new(Signer::Ecdsa).unwrap();
    let world = World::with(Settings::default(), &stamped_by(&authority).await).await;
    let bad =
        [Manner::Garbage, Manner::OtherNonce, Manner::OtherBytes, Manner::Refuses, Manner::Status500, Manner::Stalls];
    for (n, manner) in bad.into_iter().enumerate() {
        authority.behaves(manner);
        world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
        world.settle().await;
        eventually(&format!("{manner:?} is told"), async || is_up(&world, "timestamp", NAME).await == Some(false))
            .await;
        authority.behaves(Manner::Stamps);
        eventually("it stamps again", async || is_stamped(&world).await).await;
    }
    // One that is not right would be found.
    let said = printed(&world, &["audit", "verify"], 0).await;
    assert!(said.contains("time-stamped") && !said.contains("not judged"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_are_no_news_that_would_be_stamped_again() {
    let authority = TimestampAuthority::new(Signer::Ecdsa).unwrap();
    let world = World::with(Settings::default(), &stamped_by(&authority).await).await;
    eventually("the start is stamped", async || is_stamped(&world).await).await;
    tokio::time::sleep(std::time::Duration::from_millis(3500)).await;
    let records = world.get("/v1/audit/records?kind=anchor").await.json();
    let count = records["items"].as_array().unwrap().len();
    assert!(count <= 2, "{records}");
}
