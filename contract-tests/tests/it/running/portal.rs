//! The account at the portal is given another password, as happens every few months: nobody has to restart anything.

use std::time::Duration;

use lienthong_sandbox::{PortalSettings, Settings};
use serde_json::json;

use super::{Running, is_a_chain, soon};
use crate::support::dossier;

const NEW: &str = "the-new-password-of-the-portal";

/// The portal knows the new password, the gateway still the old one, in a file.
async fn with_an_old_password(more: &str) -> (Running, std::path::PathBuf) {
    let portal = PortalSettings { password: NEW.to_owned(), ..PortalSettings::default() };
    let secret = tempfile::Builder::new().prefix("portal-password-").tempfile().unwrap().keep().unwrap().1;
    std::fs::write(&secret, "the-old-password\n").unwrap();
    let more = format!(
        "outbox.credential_pause_ms = 3_600_000\n\
         adapters.portal-dvcqg.account = {{ password = \"\", password_file = {:?} }}\n{more}",
        secret
    );
    (Running::with(Settings { portal, ..Settings::default() }, &more).await, secret)
}

async fn is_delivered(running: &Running, code: &str) {
    running.put(code, &dossier("received")).await.is(202);
    soon("it reaches the portal", async || running.sandbox.dossier(code).is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_in_a_secret_file_is_used_without_a_signal_and_the_route_no_longer_rests() {
    let (running, secret) = with_an_old_password("configuration.reload_ms = 50").await;
    running.put("H15.50-261121-0001", &dossier("received")).await.is(202);
    running.until_logged("our account was refused", 1).await;
    // It rests for an hour, unless it is told.
    std::fs::write(&secret, format!("{NEW}\n")).unwrap();
    running.until_logged("the configuration was read again", 1).await;
    is_delivered(&running, "H15.50-261121-0002").await;
    let records = running.records().await;
    is_a_chain(&records);
    let change = records.last().unwrap();
    let name = "adapters.portal-dvcqg.account.password";
    assert_eq!((&change["purpose"], &change["config"]["changed"]), (&json!("file"), &json!([name])));
    for secret in [NEW, "the-old-password"] {
        assert!(!running.deployment.whole_log().contains(secret) && !format!("{records:?}").contains(secret));
    }
    std::fs::remove_file(secret).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_used_after_a_signal_and_what_was_under_way_ends_as_it_began() {
    let (running, secret) = with_an_old_password("").await;
    // Another file, and other limits, at once.
    let other = secret.with_extension("next");
    std::fs::write(&other, NEW).unwrap();
    running
        .change(&format!(
            "adapters.portal-dvcqg = {{ account.password_file = {other:?}, http.total_timeout_ms = 2000 }}"
        ))
        .await;
    is_delivered(&running, "H15.50-261121-0001").await;
    // An adapter that was changed logs in anew, and goes on under load.
    let logins = running.sandbox.counters().operations["login"].accepted;
    let sent = async |from: usize| {
        for n in from..from + 40 {
            running.put(&format!("H15.50-261122-{n:04}"), &dossier("received")).await.is(202);
        }
    };
    sent(0).await;
    running.change("adapters.portal-dvcqg.session.max_age_ms = 500000").await;
    sent(40).await;
    soon("all of them are there", async || running.sandbox.dossiers().len() == 81).await;
    let ledger = running.sandbox.ledger();
    assert_eq!(ledger.len(), 81, "each once");
    assert_eq!(running.sandbox.counters().operations["login"].accepted, logins + 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    for file in [secret, other] {
        std::fs::remove_file(file).unwrap();
    }
}
