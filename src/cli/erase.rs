//! `lienthong erase …`: contents go for ever, on a legal ground that is recorded. Works beside a running gateway.

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use lienthong_domain::dossier::DossierCode;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, SystemClock};
use uuid::Uuid;

use super::Failure;
use crate::audit::LegalGround;
use crate::config::Loaded;
use crate::erasure::{NotErased, Order, Target};
use crate::wiring::Stores;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Mọi nội dung đang giữ của một hồ sơ: mọi lần đồng bộ và mọi bước / All contents of a dossier: every revision and step
    Dossier {
        /// Mã hồ sơ / The dossier's code
        #[arg(value_parser = dossier_code)]
        code: DossierCode,
        #[command(flatten)]
        order: Options,
    },
    /// Nội dung mà một bản ghi nhật ký nói tới / The content that one audit record tells of
    Record {
        /// Mã bản ghi tiếp nhận (kind accept) / The id of a record of kind accept
        id: Uuid,
        #[command(flatten)]
        order: Options,
    },
}

#[derive(Args)]
pub(super) struct Options {
    /// Căn cứ (Điều 14 Luật Bảo vệ dữ liệu cá nhân) / Legal ground
    #[arg(long)]
    ground: Ground,
    /// Số văn bản yêu cầu xóa; vào nhật ký nguyên văn / Number of the document that orders it; enters the log as it is
    #[arg(long, value_parser = document_number)]
    document: Option<String>,
    /// Người thực hiện; chỉ vào nhật ký dưới dạng bí danh / Who does it; enters the log as a pseudonym only
    #[arg(long)]
    by: String,
    /// Xóa thật; không có thì chỉ nói sẽ xóa gì / Do it; without this it is only said what would go
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ground {
    /// Chủ thể dữ liệu yêu cầu / The person concerned has asked for it
    OnRequest,
    /// Đã hoàn thành mục đích xử lý / What it was kept for is done
    PurposeFulfilled,
    /// Hết thời hạn lưu trữ / The time for which it may be kept is over
    RetentionOver,
    /// Quyết định của cơ quan có thẩm quyền / An authority has ordered it
    Ordered,
}

impl From<Ground> for LegalGround {
    fn from(ground: Ground) -> Self {
        match ground {
            Ground::OnRequest => Self::OnRequest,
            Ground::PurposeFulfilled => Self::PurposeFulfilled,
            Ground::RetentionOver => Self::RetentionOver,
            Ground::Ordered => Self::Ordered,
        }
    }
}

pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(&loaded.settings, &clock).await?;
    let (target, options) = match command {
        Command::Dossier { code, order } => (Target::Dossier(code.as_str().to_owned()), order),
        Command::Record { id, order } => (Target::Record(*id), order),
    };
    let order = Order {
        ground: options.ground.into(),
        document: options.document.clone(),
        officer: Some(options.by.trim().to_owned()).filter(|by| !by.is_empty()),
    };
    if order.officer.is_none() {
        return Err(anyhow::anyhow!("--by: cần tên người thực hiện / who does it must be said").into());
    }
    let eraser = stores.eraser();
    let contents = eraser.find(&target).await?;
    if contents.is_empty() {
        if options.yes {
            // An erasure before this one may have been interrupted.
            eraser.store.scrub().await?;
        }
        println!("Không còn nội dung nào ở đây. / There is no content of it here.");
        return Ok(());
    }
    println!("Nội dung đang giữ / Contents that are kept: {}", contents.len());
    for content in contents.iter().filter(|content| content.is_open) {
        println!(
            "  {}  chưa gửi xong / still to be delivered: lienthong outbox show {}",
            content.dossier, content.item
        );
    }
    if !options.yes {
        println!(
            "\nChưa xóa gì. Thêm --yes để xóa hẳn, không lấy lại được. / Nothing was erased. Add --yes: it is for ever."
        );
        return Ok(());
    }
    match eraser.erase(&contents, &order).await {
        Ok(erased) => {
            println!("Đã xóa / Erased: {erased}");
            println!("{}", stores.what_erasure_leaves());
            Ok(())
        }
        Err(NotErased::Undelivered(count)) => {
            let what = format!(
                "{count} nội dung chưa gửi xong: chờ gửi, hoặc `lienthong outbox cancel` rồi xóa lại / have still to be \
                 delivered: wait, or cancel them, and erase again; nothing was erased"
            );
            Err(anyhow::anyhow!(what).into())
        }
        Err(NotErased::Store(error)) => Err(error.into()),
    }
}

fn dossier_code(text: &str) -> Result<DossierCode, String> {
    DossierCode::parse(text).map_err(|refusal| format!("{} / {}", refusal.message.vi, refusal.message.en))
}

/// What a document's number may look like; never an identity number or a name.
fn document_number(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '.');
    let longest_run = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    let has_digit = longest_run > 0;
    if (1..=40).contains(&text.chars().count()) && text.chars().all(is_allowed) && has_digit && longest_run <= 8 {
        return Ok(text.to_owned());
    }
    Err("cần số văn bản như 123/QĐ-UBND, tối đa 40 ký tự / a document's number like 123/QĐ-UBND is needed, at most 40 characters"
        .to_owned())
}
