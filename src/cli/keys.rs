//! `lienthong keys …`: the deployment's keys, and how they are changed. Works beside a running gateway.

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use lienthong_domain::time::{Clock, SystemClock};

use super::Failure;
use super::progress::{Line, grouped};
use crate::config::Loaded;
use crate::keyring::{Keyring, Standing};
use crate::storage::generations::{KeyName, Purpose};
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Liệt kê các khóa thay được / List the keys that can be changed
    List,
    /// Tạo khóa kế tiếp; chưa dùng / Make the next key; nothing uses it yet
    Add { purpose: For },
    /// Bắt đầu dùng một khóa đã có ở mọi bản sao / Take a key into use that every replica has
    Use(Change),
    /// Thôi dùng và hủy một khóa cũ / Retire an old key, and destroy it
    Retire(Change),
}

#[derive(Args)]
pub(super) struct Change {
    /// Ví dụ audit-2 hay bodies-1 / Such as audit-2 or bodies-1
    #[arg(value_parser = key_name)]
    key: KeyName,
    /// Người thực hiện; chỉ vào nhật ký dưới dạng bí danh / Who does it; enters the log as a pseudonym only
    #[arg(long)]
    by: String,
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum For {
    /// Ký đỉnh nhật ký / Signs the heads of the audit log
    Audit,
    /// Bọc khóa của từng nội dung / Wraps the keys of contents
    Bodies,
}

impl From<For> for Purpose {
    fn from(purpose: For) -> Self {
        match purpose {
            For::Audit => Self::Log,
            For::Bodies => Self::Contents,
        }
    }
}

fn key_name(text: &str) -> Result<KeyName, String> {
    KeyName::parse(text)
        .ok_or_else(|| "cần tên như audit-2 hay bodies-2 / a name such as audit-2 or bodies-2 is needed".into())
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    let keyring = stores.keyring(&clock);
    match command {
        Command::List => list(&keyring).await,
        Command::Add { purpose } => {
            let name = keyring.add((*purpose).into()).await?;
            println!("{}", keyring.keys.folder().join(name.file()).display());
            println!(
                "Chép tệp này vào thư mục khóa của mọi bản sao và vào bản sao lưu của khóa, rồi / Copy this file into the key folder of \
                 every replica, and into the backup of the keys; then:\n  lienthong keys use {name} --by … --yes"
            );
            Ok(())
        }
        Command::Use(Change { key, by, yes }) => {
            let by = named(by)?;
            if !yes {
                println!("{}\nChưa làm gì; thêm --yes. / Nothing was done; add --yes.", what_use_means(*key));
                return Ok(());
            }
            keyring.take_into_use(*key, by).await?;
            println!("{key}: đang dùng / in use");
            if key.purpose == Purpose::Log {
                println!("Công bố khóa mới / Publish the new key: lienthong audit key");
            }
            Ok(())
        }
        Command::Retire(Change { key, by, yes }) => {
            let by = named(by)?;
            if !yes {
                println!("{}\nChưa làm gì; thêm --yes. / Nothing was done; add --yes.", what_retiring_means(*key));
                return Ok(());
            }
            let mut line = Line::new("nội dung / contents");
            let mut done = 0;
            let mut show = |more| {
                done += more;
                line.show("bọc lại / wrapping anew", done, |rate| {
                    format!("{}  {}/s", grouped(done), grouped(rate as u64))
                });
            };
            let retired = keyring.retire(*key, by, &mut show).await;
            line.end();
            retired?;
            println!("{key}: đã hủy ở đây / destroyed here");
            println!(
                "Các bản sao khác đang chạy tự hủy trong hai giờ. Hãy xóa {} trong mọi bản sao lưu của khóa. / Other running replicas destroy theirs \
                 within two hours. Remove it from every backup of the keys.",
                key.file()
            );
            Ok(())
        }
    }
}

fn named(by: &str) -> Result<&str, Failure> {
    match by.trim() {
        "" => Err(anyhow::anyhow!("--by: cần tên người thực hiện / who does it must be said").into()),
        by => Ok(by),
    }
}

async fn list(keyring: &Keyring) -> Result<(), Failure> {
    for (name, standing) in keyring.all().await? {
        let what = match name.purpose {
            Purpose::Log => "ký nhật ký / signs the log          ",
            Purpose::Contents => "bọc khóa nội dung / wraps contents  ",
        };
        let standing = match standing {
            Standing::Made => "chưa dùng / not in use",
            Standing::InUse => "đang dùng / in use",
            Standing::Retired => "đã hủy / retired",
            Standing::RetiredAndHere => {
                "đã thôi dùng, tệp vẫn còn: chạy retire lần nữa / retired, its file is here still: run retire again"
            }
        };
        println!("{:<12}  {what}  {standing}", name.to_string());
    }
    Ok(())
}

fn what_use_means(key: KeyName) -> &'static str {
    match key.purpose {
        Purpose::Log => {
            "Từ nay mỗi đỉnh nhật ký có thêm chữ ký của khóa này, cạnh các khóa đang dùng.\n\
             Every head of the log is signed by this key too, beside those in use."
        }
        Purpose::Contents => {
            "Từ nay nội dung mới dùng khóa này; nội dung cũ vẫn theo khóa cũ đến khi khóa cũ bị hủy.\n\
             New contents are under this key; older ones stay under theirs until that is retired."
        }
    }
}

fn what_retiring_means(key: KeyName) -> &'static str {
    match key.purpose {
        Purpose::Log => {
            "Khóa này thôi ký và bị hủy. Chữ ký cũ vẫn kiểm được. Ai chỉ biết khóa này sẽ cần khóa mới.\n\
             It signs no more, and is destroyed. What it has signed can still be verified. Whoever knows only this key needs the new one."
        }
        Purpose::Contents => {
            "Mọi nội dung được bọc lại bằng khóa mới, rồi khóa này bị hủy: nội dung đã xóa không đọc được nữa ở bất cứ bản sao nào, kể cả \
             bản sao lưu cũ của cơ sở dữ liệu, và bản sao lưu ấy cũng không khôi phục được nữa nếu không còn khóa này.\n\
             All contents are wrapped anew, and then it is destroyed: what was erased opens no more wherever a copy may be. Nor do the \
             contents of older backups of the database: make a new backup first."
        }
    }
}
