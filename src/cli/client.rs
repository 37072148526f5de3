//! `lienthong client …`: the local systems that may call. Works beside running gateways, which follow within
//! `access.refresh_ms`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use lienthong_domain::catalogue::{AgencyCode, ProcedureCode};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use uuid::Uuid;

use super::Failure;
use crate::access::administer::{Added, NewProof, Refused, is_sound_id};
use crate::access::client::{Client, Credential, Proof, Scope};
use crate::access::issuers::MOST_SUBJECT_BYTES;
use crate::access::{PeerCertificate, public_key};
use crate::config::Loaded;
use crate::storage::hex;
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Thêm một hệ thống địa phương / Add a local system
    Add {
        /// Mã của hệ thống: 1 đến 64 chữ cái, chữ số, . _ - / Its id
        id: String,
        /// Tên cho người đọc / Its name, for people
        #[arg(long)]
        name: String,
        /// Cơ quan mà hệ thống được ghi và đọc, cùng mọi đơn vị bên dưới; có thể lặp lại / An agency, with all below it
        #[arg(long = "agency", required = true)]
        agencies: Vec<String>,
        /// Chỉ những thủ tục này; có thể lặp lại / Only these procedures
        #[arg(long = "procedure")]
        procedures: Vec<String>,
        /// Quyền; có thể lặp lại / What it may do
        #[arg(long = "scope", default_values = ["dossiers:read", "dossiers:write", "catalogue:read"])]
        scopes: Vec<String>,
        #[command(flatten)]
        proof: ProofOptions,
    },
    /// Mọi hệ thống / All of them
    List,
    /// Một hệ thống và các phương thức xác thực / One of them, with its credentials
    Show { id: String },
    /// Cấp phương thức xác thực mới; cái cũ hết hiệu lực sau một thời gian / Give a new credential; the others end later
    Rotate {
        id: String,
        /// Số giờ các phương thức cũ còn hiệu lực / Hours for which the others are still good
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
        /// Giữ các phương thức cũ / The others go on
        #[arg(long, conflicts_with = "overlap_hours")]
        keep_others: bool,
        #[command(flatten)]
        proof: ProofOptions,
    },
    /// Thu hồi một hệ thống, hoặc chỉ một phương thức / Revoke a client, or one credential only
    Revoke {
        id: String,
        #[arg(long)]
        credential: Option<Uuid>,
    },
}

/// Without any of these a secret is made.
#[derive(Args)]
pub(super) struct ProofOptions {
    /// Tệp JWK công khai, cho private_key_jwt / A file with a public JWK
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "certificate_name", "subject"])]
    jwk: Option<PathBuf>,
    /// Tệp chứng thư PEM, cho TLS hai chiều / A file with a certificate (PEM)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate_name", "subject"])]
    certificate: Option<PathBuf>,
    /// Tên DNS trong chứng thư / A DNS name in the certificate
    #[arg(long, value_name = "NAME", conflicts_with = "subject")]
    certificate_name: Option<String>,
    /// Máy chủ cấp mã của tỉnh, một trong [[access.issuers]] / One of the configured issuers of tokens
    #[arg(long, value_name = "URL", requires = "subject")]
    issuer: Option<String>,
    /// Tên của hệ thống trong mã của máy chủ đó / What its tokens call this client (client_claim)
    #[arg(long, value_name = "SUBJECT", requires = "issuer")]
    subject: Option<String>,
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    let administration = stores.administration(&clock);
    match command {
        Command::Add { id, name, agencies, procedures, scopes, proof } => {
            if !is_sound_id(id) {
                return Err(anyhow!(
                    "mã hệ thống: 1 đến 64 chữ cái, chữ số, . _ - / a client id: 1 to 64 letters, digits, . _ -"
                )
                .into());
            }
            let client = Client {
                id: id.clone(),
                name: name.chars().take(200).collect(),
                agencies: read_all::<AgencyCode>("--agency", agencies)?,
                procedures: read_all::<ProcedureCode>("--procedure", procedures)?,
                scopes: read_all::<Scope>("--scope", scopes)?,
                created_at: clock.now(),
                revoked_at: None,
            };
            let register = loaded.settings.agency_register();
            let today = clock.now().date_in_vietnam();
            if let Some(unknown) = client.agencies.iter().find(|agency| register.find(agency, today).is_none()) {
                let code = unknown.original();
                return Err(anyhow!(
                    "không có cơ quan {code} trong cấu hình / there is no agency {code} in the configuration"
                )
                .into());
            }
            let added = administration.add(client, proof.read(loaded)?).await.map_err(explain)?;
            println!("Đã thêm / added: {id}");
            print_added(loaded, id, &added);
            Ok(())
        }
        Command::List => {
            let everything = stores.access.everything().await?;
            if everything.clients.is_empty() {
                println!("Chưa có hệ thống nào / no clients yet: lienthong client add ID --name … --agency …");
            }
            for client in everything.clients {
                let state = if client.revoked_at.is_some() { "ĐÃ THU HỒI / REVOKED" } else { "" };
                let agencies: Vec<_> = client.agencies.iter().map(AgencyCode::original).collect();
                println!("{:24} {:20} {}  {state}", client.id, agencies.join(" "), client.name);
            }
            Ok(())
        }
        Command::Show { id } => {
            let everything = stores.access.everything().await?;
            let client = everything.clients.iter().find(|client| client.id == *id);
            let client = client.ok_or_else(|| anyhow!("không có hệ thống {id} / there is no client {id}"))?;
            print_client(client);
            for credential in everything.credentials.iter().filter(|credential| credential.client_id == *id) {
                print_credential(credential, clock.now());
            }
            Ok(())
        }
        Command::Rotate { id, overlap_hours, keep_others, proof } => {
            let overlap_ms = (!keep_others).then_some(i64::from(*overlap_hours) * 3_600_000);
            let added = administration.rotate(id, proof.read(loaded)?, overlap_ms).await.map_err(explain)?;
            print_added(loaded, id, &added);
            if !keep_others {
                println!(
                    "Các phương thức cũ còn hiệu lực {overlap_hours} giờ / the others are good for {overlap_hours} hours"
                );
            }
            Ok(())
        }
        Command::Revoke { id, credential: None } => {
            administration.revoke(id).await.map_err(explain)?;
            println!("Đã thu hồi / revoked: {id}");
            Ok(())
        }
        Command::Revoke { id, credential: Some(credential) } => {
            administration.revoke_credential(id, *credential).await.map_err(explain)?;
            println!("Đã thu hồi / revoked: {id}, {credential}");
            Ok(())
        }
    }
}

impl ProofOptions {
    fn read(&self, loaded: &Loaded) -> anyhow::Result<NewProof> {
        let text = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("{}", path.display()));
        if let Some(path) = &self.jwk {
            let key =
                public_key::read(&text(path)?).map_err(|why| anyhow!("{}: {} / {}", path.display(), why.vi, why.en))?;
            return Ok(NewProof::Own(key));
        }
        if let Some(path) = &self.certificate {
            let certificate = CertificateDer::from_pem_file(path).map_err(|error| {
                anyhow!("{}: không phải chứng thư PEM / not a PEM certificate: {error}", path.display())
            })?;
            return Ok(NewProof::Own(Proof::Certificate(PeerCertificate::of(&certificate).thumbprint())));
        }
        if let (Some(issuer), Some(subject)) = (&self.issuer, &self.subject) {
            return Ok(NewProof::Own(subject_of(loaded, issuer, subject)?));
        }
        Ok(match &self.certificate_name {
            Some(name) => NewProof::Own(Proof::CertificateName(name.to_ascii_lowercase())),
            None => NewProof::Secret,
        })
    }
}

fn subject_of(loaded: &Loaded, issuer: &str, subject: &str) -> anyhow::Result<Proof> {
    let configured: Vec<&str> = loaded.settings.access.issuers.iter().map(|issuer| issuer.url.as_str()).collect();
    if !configured.contains(&issuer) {
        let known = configured.join(" ");
        return Err(anyhow!(
            "không có máy chủ {issuer} trong [[access.issuers]], chỉ có / no such issuer there, only: {known}"
        ));
    }
    if subject.is_empty() || subject.len() > MOST_SUBJECT_BYTES || subject.chars().any(char::is_control) {
        return Err(anyhow!(
            "--subject: 1 đến {MOST_SUBJECT_BYTES} byte, không có ký tự điều khiển / 1 to {MOST_SUBJECT_BYTES} bytes, no control characters"
        ));
    }
    Ok(Proof::Subject { issuer: issuer.to_owned(), subject: subject.to_owned() })
}

fn read_all<T: Scalar>(option: &str, texts: &[String]) -> anyhow::Result<Vec<T>> {
    let read = |text: &String| {
        T::parse(text).map_err(|wrong| anyhow!("{option} {text}: {} / {}", wrong.message.vi, wrong.message.en))
    };
    texts.iter().map(read).collect()
}

fn explain(refused: Refused) -> Failure {
    match refused {
        Refused::Because(why) => anyhow!("{} / {}", why.vi, why.en).into(),
        Refused::Store(error) => error.into(),
    }
}

fn print_added(loaded: &Loaded, id: &str, added: &Added) {
    println!("  credential     {}", added.credential);
    let url = &loaded.settings.server.public_url;
    if let Some(secret) = &added.secret {
        println!("  client_id      {id}");
        println!("  client_secret  {secret}");
        println!("Chỉ hiện một lần, hãy cất giữ / shown only this once, keep it. Thử / try:");
        println!("  curl -s -u '{id}:{secret}' -d grant_type=client_credentials {url}/oauth/token");
    }
}

fn print_client(client: &Client) {
    let list = |items: Vec<String>| if items.is_empty() { "tất cả / all".to_owned() } else { items.join(" ") };
    println!("{}  {}", client.id, client.name);
    println!("  cơ quan / agencies      {}", list(client.agencies.iter().map(|a| a.original().to_owned()).collect()));
    println!("  thủ tục / procedures    {}", list(client.procedures.iter().map(|p| p.original().to_owned()).collect()));
    println!("  quyền / scopes          {}", list(client.scopes.iter().map(|s| s.as_str().to_owned()).collect()));
    println!("  thêm lúc / added        {}", client.created_at);
    if let Some(at) = client.revoked_at {
        println!("  thu hồi / revoked       {at}");
    }
}

fn print_credential(credential: &Credential, now: Timestamp) {
    let what = match &credential.proof {
        Proof::Secret(_) => "client_secret".to_owned(),
        Proof::Key(text) => text.clone(),
        Proof::Certificate(thumbprint) => format!("SHA-256 {}", hex::write(thumbprint)),
        Proof::CertificateName(name) => format!("DNS {name}"),
        Proof::Subject { issuer, subject } => format!("{subject} @ {issuer}"),
    };
    let end = match credential.ends_at {
        None => String::new(),
        Some(end) if end <= now => format!("  hết hiệu lực / ended {end}"),
        Some(end) => format!("  đến / until {end}"),
    };
    println!("  {}  {what}  từ / since {}{end}", credential.id, credential.created_at);
}
