//! A gateway and the agency's own key, in a token behind PKCS#11.

use std::path::{Path, PathBuf};
use std::process::Command;

use lienthong_contract_tests::timestamp_authority::{Signer, TimestampAuthority, openssl};
use lienthong_contract_tests::token::{LABEL, PIN, Token, driver};

use super::{is_up, key, printed};
use crate::stores::eventually;
use crate::support::{World, dossier};

/// Who has issued the agency's certificate.
struct Agency {
    authority: std::sync::Arc<TimestampAuthority>,
    token: Token,
    certificates: PathBuf,
}

impl Agency {
    fn new(is_rsa: bool) -> Self {
        let authority = TimestampAuthority::new(Signer::Ecdsa).unwrap();
        authority.make_key("agency", is_rsa).unwrap();
        authority.sign("agency", |_| {}).unwrap();
        let read = |name: &str| std::fs::read_to_string(authority.file(name)).unwrap();
        let certificates = authority.file("agency-chain.pem");
        std::fs::write(&certificates, read("agency.pem") + &read("between.pem")).unwrap();
        let token = Token::new().unwrap();
        token.import(&authority.file("agency.key"), "agency", "01").unwrap();
        Self { authority, token, certificates }
    }

    async fn world(&self, driver: &Path, key: &str, pin: &str) -> World {
        let settings = format!(
            "[audit.agency_signature]\nmodule = {driver:?}\ntoken = \"{LABEL}\"\nkey = \"{key}\"\npin = \"{pin}\"\n\
             certificate_file = {:?}\nroots_file = {:?}\n",
            self.certificates,
            self.authority.roots()
        );
        World::outside_in(&[("SOFTHSM2_CONF", &self.token.settings())], &settings).await
    }
}

/// A dossier is accepted and its log signed, and then a day goes by.
async fn a_day_goes_by(world: &mut World, code: &str) {
    world.put(code, &dossier("received")).await.is(202);
    world.settle().await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    world.stop().await;
    let database = rusqlite::Connection::open(world.database()).unwrap();
    database.execute("UPDATE audit_checkpoint SET signed_at = signed_at - 86400000000", []).unwrap();
    drop(database);
    world.start_outside().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_ends_with_the_agencys_signature_which_anyone_can_check() {
    for is_rsa in [true, false] {
        let agency = Agency::new(is_rsa);
        let mut world = agency.world(&driver().unwrap(), "agency", PIN).await;
        a_day_goes_by(&mut world, "000.00.50.H15-261122-0001").await;
        eventually("the day is signed", async || is_up(&world, "signature", "agency").await == Some(true)).await;
        let key = key(&world).await;
        let said = printed(&world, &["audit", "verify", "--key", &key], 0).await;
        assert!(said.contains("signed by the agency") && said.contains("  agency  20"), "{said}");

        eventually("its record is signed too", async || {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("log");
            printed(&world, &["audit", "export", &log.display().to_string()], 0).await;
            let signature = std::fs::read_dir(log.join("2026h2/anchors")).ok().and_then(|found| {
                found
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .find(|path| path.extension().is_some_and(|end| end == "p7s"))
            });
            let Some(signature) = signature else { return false };
            let content = signature.with_extension("");
            let judge = |content: &Path| {
                let mut judge = Command::new("openssl");
                judge.args(["cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-in"]).arg(&signature);
                judge.arg("-content").arg(content).arg("-CAfile").arg(log.join("authorities.pem"));
                openssl(judge.arg("-out").arg(log.join("out")))
            };
            judge(&content).unwrap();
            std::fs::write(&content, std::fs::read_to_string(&content).unwrap() + "\n").unwrap();
            judge(&content).expect_err("another content");
            let shown = openssl(
                Command::new("openssl").args(["cms", "-cmsout", "-print", "-inform", "DER", "-in"]).arg(&signature),
            );
            assert!(shown.unwrap().contains("signingCertificateV2"));
            true
        })
        .await;
        // A day without news is not signed again.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let records = world.get("/v1/audit/records?kind=anchor").await.json();
        assert_eq!(records["items"].as_array().unwrap().len(), 1, "{records}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_refuses_or_has_another_key_signs_nothing_and_holds_up_nothing() {
    let agency = Agency::new(false);
    agency.authority.make_key("other", false).unwrap();
    agency.token.import(&agency.authority.file("other.key"), "other", "02").unwrap();
    for (key, pin) in [("agency", "0000"), ("nobody's", PIN), ("other", PIN)] {
        let mut world = agency.world(&driver().unwrap(), key, pin).await;
        a_day_goes_by(&mut world, "000.00.50.H15-261122-0001").await;
        eventually("it is told", async || is_up(&world, "signature", "agency").await == Some(false)).await;
        world.put("000.00.50.H15-261122-0002", &dossier("received")).await.is(202);
        world.settle().await;
        let said = printed(&world, &["audit", "verify"], 0).await;
        assert!(!said.contains("signed by the agency"), "{said}");
        let log = world.deployment.whole_log();
        assert!(!log.contains(pin) || pin == PIN, "the PIN is in the log");
        assert!(!log.contains("2468"), "the PIN is in the log: {log}");
        if pin != PIN {
            // What is not asked again cannot be locked.
            assert!(log.contains("the PIN is wrong"), "{log}");
        }
    }
}

/// A driver that does this as soon as it is loaded.
fn bad_driver(folder: &Path, what: &str) -> PathBuf {
    let (source, library) = (folder.join("driver.c"), folder.join("driver.so"));
    let text = format!(
        "#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void load(void) {{ {what} }}\n"
    );
    std::fs::write(&source, text).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    openssl(Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source)).unwrap();
    library
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_crashes_or_stalls_takes_nothing_with_it() {
    let agency = Agency::new(false);
    for (what, is_told) in [("abort();", true), ("for (;;) sleep(600);", false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut world = agency.world(&bad_driver(folder.path(), what), "agency", PIN).await;
        a_day_goes_by(&mut world, "000.00.50.H15-261122-0001").await;
        if is_told {
            eventually("it is told", async || is_up(&world, "signature", "agency").await == Some(false)).await;
        }
        for n in 10..20 {
            world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
        }
        world.settle().await;
        printed(&world, &["audit", "verify"], 0).await;
        // It ends at once, whoever is still being asked.
        let began = std::time::Instant::now();
        world.stop().await;
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{what}: {:?}", began.elapsed());
    }
}
