//! The settings: each used, mistakes told at once, secrets never printed.

use lienthong::adapters::CARDS;
use lienthong::config::{self, Mistake};
use lienthong_contract_tests::gateway::Deployment;
use lienthong_sandbox::PortalSettings;

use super::{read, root, run};

/// Leaves of the settings with their dotted keys.
fn leaves(prefix: &str, table: &toml::Table, found: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => leaves(&key, inner, found),
            _ => found.push(key),
        }
    }
}

#[test]
fn every_setting_is_used_somewhere() {
    let table: toml::Table = read("config/gateway.toml").parse().unwrap();
    let mut keys = Vec::new();
    leaves("", &table, &mut keys);
    assert!(keys.len() > 35, "{keys:?}");
    let users: String = [
        "src/wiring/mod.rs",
        "src/wiring/configuration.rs",
        "src/wiring/parts.rs",
        "src/wiring/serving.rs",
        "src/wiring/stores.rs",
        "src/wiring/duties.rs",
        "src/config/settings/tables.rs",
        "src/config/settings/webhooks.rs",
        "src/cli/serve.rs",
        "adapters/kit/src/breaker.rs",
    ]
    .map(read)
    .concat();
    for key in keys {
        let last = key.rsplit('.').next().unwrap();
        let is_used = users.contains(&format!(".{last}"));
        assert!(is_used, "config/gateway.toml: {key} is read and then nobody looks at it");
    }
}

fn mistakes(deployment: &Deployment, environment: &[(&str, &str)]) -> Vec<Mistake> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    config::load(Some(&deployment.file), environment, CARDS).err().expect("the settings were taken")
}

fn at(mistakes: &[Mistake]) -> Vec<&str> {
    mistakes.iter().map(|mistake| mistake.key.as_str()).collect()
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_key_and_where_it_came_from() {
    let more = r#"
[http]
body_bites = 1
concurrent_requests = "many"
[outbox]
retry_delays_ms = [1, -5]
[outbox.breaker]
window = 1
[portal]
adaptor = "portal-dvcqg"
[surprise]
x = 1
[adapters.portal-dvcqg]
adapter_urls = "x"
[adapters.portal-dvcqg.after_ambiguity]
append_step = "look_up"
"#;
    let deployment = Deployment::new("http://127.0.0.1:1", more).unwrap();
    let variable = ("LIENTHONG__DOSSIERS__PAGE_ITEMS", "lots");
    let found = mistakes(&deployment, &[variable]);
    let file = deployment.file.display().to_string();
    for (key, source) in [
        ("http.body_bites", file.as_str()),
        ("http.concurrent_requests", &file),
        ("outbox.retry_delays_ms.1", &file),
        ("outbox.breaker.window", &file),
        ("portal.adaptor", &file),
        ("surprise", &file),
        ("adapters.portal-dvcqg.adapter_urls", &file),
        ("adapters.portal-dvcqg.after_ambiguity.append_step", &file),
        ("dossiers.page_items", "environment LIENTHONG__DOSSIERS__PAGE_ITEMS"),
    ] {
        let mistake = found.iter().find(|mistake| mistake.key == key).unwrap_or_else(|| panic!("no {key}: {found:#?}"));
        assert_eq!(mistake.source, source, "{key}");
        assert!(!mistake.vi.is_empty() && !mistake.en.is_empty() && mistake.vi != mistake.en, "{mistake:?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
    let (output, printed) = run(deployment.command().unwrap().arg("check-config").env(variable.0, variable.1));
    assert_eq!(output.status.code(), Some(2));
    for key in at(&found) {
        assert!(printed.contains(key), "{key} is not printed: {printed}");
    }
    assert!(printed.contains(&file));
    let (refused, _) = run(deployment.command().unwrap().arg("serve").env(variable.0, variable.1));
    assert_eq!(refused.status.code(), Some(2), "nothing starts with a mistake");
}

#[test]
fn values_that_cannot_work_together_are_mistakes() {
    for (more, key) in [
        ("outbox = { lease_ms = 1000, attempt_timeout_ms = 1000 }", "outbox.attempt_timeout_ms"),
        ("outbox = { retry_delays_ms = [] }", "outbox.retry_delays_ms"),
        ("outbox = { retry_jitter_percent = 51 }", "outbox.retry_jitter_percent"),
        ("idempotency = { keep_hours = 23 }", "idempotency.keep_hours"),
        ("server = { listen = \"0.0.0.0:8686\" }", "server.listen"),
        ("server = { listen = \"localhost\" }", "server.listen"),
        ("log = { format = \"xml\" }", "log.format"),
        ("portal = { adapter = \"portal-dvcqgg\" }", "portal.adapter"),
        ("storage = { sqlite = { readers = 0 } }", "storage.sqlite.readers"),
        ("deployment = { name = \"Cổng\" }", "deployment.name"),
        ("server = { public_url = \"http://lienthong.example\" }", "server.public_url"),
        ("server = { public_url = \"https://lienthong.example/\" }", "server.public_url"),
        ("access = { token_lifetime_s = 3601 }", "access.token_lifetime_s"),
        ("access = { remember_token_ms = 30001 }", "access.remember_token_ms"),
        ("agencies = [{ code = \"Sở\", name = \"x\" }]", "agencies.0.code"),
        ("agencies = [{ code = \"H15\", name = \"x\", valid_to = \"2026-13-01\" }]", "agencies.0.valid_to"),
        (
            "status_maps = [{ agency = \"H15\", entries = [] }, { agency = \"000.00.00.H15\", entries = [] }]",
            "status_maps.1.agency",
        ),
        (
            "procedures = [{ code = \"1.001193\", name = \"a\" }, { code = \"1.001193.H15\", name = \"b\" }]",
            "procedures.1.code",
        ),
    ] {
        let deployment = Deployment::new("http://127.0.0.1:1", more).unwrap();
        assert_eq!(at(&mistakes(&deployment, &[])), [key], "{more}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_line_and_without_its_words() {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    std::fs::write(&deployment.file, "[server]\nlisten = \"127.0.0.1:1\"\nkey = so-secret-a-word\n").unwrap();
    let found = mistakes(&deployment, &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].en.contains("Line 3") && found[0].vi.contains("Dòng 3"), "{found:?}");
    assert!(!format!("{found:?}").contains("so-secret-a-word"), "{found:?}");
    std::fs::remove_file(&deployment.file).unwrap();
    assert_eq!(at(&mistakes(&deployment, &[])), [deployment.file.display().to_string()]);
}

#[test]
fn the_environment_goes_over_the_file_and_a_misspelt_variable_is_told() {
    let deployment = Deployment::new("http://127.0.0.1:1", "http.body_bytes = 1000").unwrap();
    let load = |environment: &[(&str, &str)]| {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        config::load(Some(&deployment.file), environment, CARDS)
    };
    assert_eq!(load(&[]).ok().unwrap().settings.http.body_bytes, 1000);
    let loaded = load(&[
        ("LIENTHONG__HTTP__BODY_BYTES", "2000"),
        ("LIENTHONG__OUTBOX__RETRY_DELAYS_MS", "[1, 2]"),
        ("LIENTHONG__DEPLOYMENT__NAME", ""),
        ("HOME", "/root"),
    ]);
    // An empty name is refused and says which variable it came from.
    let refused = loaded.err().unwrap();
    assert_eq!(
        (at(&refused), refused[0].source.as_str()),
        (vec!["deployment.name"], "environment LIENTHONG__DEPLOYMENT__NAME")
    );
    let loaded = load(&[
        ("LIENTHONG__HTTP__BODY_BYTES", "2000"),
        ("LIENTHONG__OUTBOX__RETRY_DELAYS_MS", "[1, 2]"),
        ("LIENTHONG__ADAPTERS__PORTAL_DVCQG__ACCOUNT__USERNAME", "12345"),
    ]);
    let loaded = loaded.ok().unwrap();
    assert_eq!(
        (loaded.settings.http.body_bytes, loaded.settings.outbox.retry_delays_ms.as_slice()),
        (2000, &[1, 2][..])
    );
    assert_eq!(loaded.adapters["portal-dvcqg"]["account"]["username"], "12345", "a text stays a text");
    for (variable, key) in [
        ("LIENTHONG__HTP__BODY_BYTES", "htp.body_bytes"),
        ("LIENTHONG__HTTP__BODY_BITES", "http.body_bites"),
        ("LIENTHONG__ADAPTERS__PORTAL__ADAPTER_URL", "adapters.portal.adapter_url"),
        ("LIENTHONG__HTTP", "http"),
    ] {
        let found = mistakes(&deployment, &[(variable, "1")]);
        assert!(at(&found).contains(&key), "{variable}: {found:?}");
        assert!(found.iter().all(|mistake| mistake.source.contains(variable)), "{found:?}");
    }
}

#[test]
fn secrets_come_from_files_and_are_never_printed() {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    let folder = deployment.folder();
    let (database, password) = ("a-secret-of-the-database-in-a-file", "a-secret-password-in-a-file");
    std::fs::write(folder.join("database"), format!("{database}\n")).unwrap();
    std::fs::write(folder.join("password"), format!("{password}\r\n")).unwrap();
    let text = std::fs::read_to_string(&deployment.file).unwrap();
    let mut settings: toml::Table = text.parse().unwrap();
    let postgres = format!("password_file = {:?}", folder.join("database"));
    settings["storage"]
        .as_table_mut()
        .unwrap()
        .insert("postgres".into(), postgres.parse::<toml::Table>().unwrap().into());
    let account = settings["adapters"]["portal-dvcqg"]["account"].as_table_mut().unwrap();
    account.remove("password");
    account.insert("password_file".into(), folder.join("password").display().to_string().into());
    std::fs::write(&deployment.file, toml::to_string(&settings).unwrap()).unwrap();

    let loaded = deployment.load().unwrap();
    assert_eq!(loaded.settings.storage.postgres.password.expose(), database, "without the line's end");
    assert_eq!(loaded.adapters["portal-dvcqg"]["account"]["password"], password);
    let (output, printed) = run(deployment.command().unwrap().arg("check-config"));
    assert!(output.status.success(), "{printed}");
    for secret in [database, password, &PortalSettings::default().password] {
        assert!(!printed.contains(secret), "{secret} is printed: {printed}");
    }
    assert_eq!(printed.matches("[secret]").count(), 2, "two passwords: {printed}");
    assert!(printed.contains(&format!("secret file {}", folder.join("password").display())), "{printed}");
    for (key, value) in [("http.body_bytes", "4194304"), ("log.filter", "\"warn\"")] {
        let line = printed.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}: {printed}"));
        assert!(line.contains(value), "{line}");
    }
    let debug = format!("{:?}", loaded.settings);
    assert!(!debug.contains(database) && debug.contains("[secret]"), "{debug}");

    std::fs::remove_file(folder.join("password")).unwrap();
    assert_eq!(at(&mistakes(&deployment, &[])), ["adapters.portal-dvcqg.account.password_file"]);
}

#[test]
fn the_examples_of_the_settings_have_no_mistake_but_the_secrets_that_are_not_here() {
    for file in ["config/dev.toml", "config/production.example.toml"] {
        let loaded = config::load(Some(&root().join(file)), std::iter::empty(), CARDS);
        let Err(mistakes) = loaded else { continue };
        let others: Vec<&Mistake> = mistakes.iter().filter(|mistake| !mistake.key.ends_with("_file")).collect();
        assert!(others.is_empty(), "{file}: {others:?}");
    }
}
