//! Secrets come in by files, by systemd's credentials and by the environment, and show nowhere: not in the list of processes,
//! not in the log, not in what the commands print.

use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client};
use lienthong_sandbox::{PortalSettings, Sandbox, Settings};

use super::soon;
use crate::support::{Answer, dossier, dossier_path};

const PASSWORD: &str = "a-password-that-nobody-may-see";
const SHARED: &str = "redis://quotas:another-secret-that-nobody-may-see@127.0.0.1:1";

/// Delivers with a password that came in this way, changes something else, and looks everywhere.
async fn shows_nowhere(account: &str, environment: &[(&str, &str)]) {
    let portal = PortalSettings { password: PASSWORD.to_owned(), ..PortalSettings::default() };
    let sandbox = Sandbox::start(Settings { portal, ..Settings::default() }).await.unwrap();
    let deployment = Deployment::new(&sandbox.url(), "configuration.reload_ms = 20").unwrap();
    deployment.secret(PROVINCE).await.unwrap();
    deployment.change(&format!("log.filter = \"trace\"\nadapters.portal-dvcqg.account = {account}")).unwrap();
    let environment = [environment, &[("LIENTHONG__QUOTAS__SHARED__URL", SHARED)]].concat();
    let (program, _) = deployment.spawn_with(&environment).await.unwrap();
    let token = deployment.token(PROVINCE).await.unwrap();
    let code = "H15.50-261121-0001";
    let put = client().put(format!("{}{}", deployment.url(), dossier_path(code))).bearer_auth(&token);
    Answer::of(put.json(&dossier("received"))).await.is(202);
    soon("the password is the right one", async || sandbox.dossier(code).is_some()).await;
    deployment.change("dossiers.page_items = 3").unwrap();
    soon("it is read again", async || deployment.whole_log().contains("the configuration was read again")).await;
    deployment.change("dossiers.page_itemz = 3").unwrap();
    soon("it is refused", async || deployment.whole_log().contains("nothing was changed")).await;

    let list_of_processes = std::fs::read_to_string(format!("/proc/{}/cmdline", program.id())).unwrap();
    assert!(list_of_processes.contains("serve"), "{list_of_processes}");
    let check = |command: &str| {
        let output = deployment.command().unwrap().arg(command).envs(environment.iter().copied()).output().unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
    };
    let mistakes = check("check-config");
    assert!(mistakes.contains("page_itemz"), "{mistakes}");
    let text = std::fs::read_to_string(&deployment.file).unwrap();
    std::fs::write(&deployment.file, text.replace("page_itemz", "batch_items")).unwrap();
    let values = check("check-config");
    assert!(values.matches("[secret]").count() >= 2, "{values}");
    for (place, text) in [
        ("the list of processes", list_of_processes),
        ("the log", deployment.whole_log()),
        ("check-config", values),
        ("check-config with mistakes", mistakes),
    ] {
        for secret in [PASSWORD, "another-secret-that-nobody-may-see"] {
            assert!(!text.contains(secret), "{place} shows {secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_from_a_file_works_and_shows_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    shows_nowhere(&format!("{{ password = \"\", password_file = {file:?} }}"), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_from_systemds_credentials_works_and_shows_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("portal-password"), PASSWORD).unwrap();
    let account = "{ password = \"\", password_file = \"$CREDENTIALS_DIRECTORY/portal-password\" }";
    shows_nowhere(account, &[("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_from_the_environment_works_and_shows_nowhere() {
    let name = "LIENTHONG__ADAPTERS__PORTAL_DVCQG__ACCOUNT__PASSWORD";
    shows_nowhere("{ password = \"an-old-one\" }", &[(name, PASSWORD)]).await;
}
