//! LISTEN and NOTIFY: a replica that made something due tells the others. Only a hint: whoever misses it looks by itself
//! soon after.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// However much is told, the others are woken this often at most.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// After a lost connection.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// What the replicas tell each other: that there is something to do.
pub struct Notices {
    told: Arc<Notify>,
    heard: Arc<Notify>,
    task: AbortHandle,
}

impl Notices {
    pub(super) fn start(config: Config, tls: MakeRustlsConnect) -> Self {
        let (told, heard) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let task = tokio::spawn(run(config, tls, Arc::clone(&told), Arc::clone(&heard))).abort_handle();
        Self { told, heard, task }
    }

    /// Tells every replica, this one included.
    pub fn tell(&self) {
        self.told.notify_one();
    }

    /// Rung when a replica told something.
    pub fn heard(&self) -> &Arc<Notify> {
        &self.heard
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(config: Config, tls: MakeRustlsConnect, told: Arc<Notify>, heard: Arc<Notify>) {
    loop {
        if let Err(error) = listen(&config, &tls, &told, &heard).await {
            tracing::debug!(%error, "no notices from other replicas until the database is reached again");
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
        // Something may have been told meanwhile.
        heard.notify_one();
    }
}

async fn listen(config: &Config, tls: &MakeRustlsConnect, told: &Notify, heard: &Notify) -> Result<(), Error> {
    let (client, connection) = config.connect(tls.clone()).await?;
    let tell = async {
        client.batch_execute("LISTEN lienthong").await?;
        loop {
            told.notified().await;
            client.batch_execute("NOTIFY lienthong").await?;
            tokio::time::sleep(LEAST_PAUSE).await;
        }
    };
    tokio::select! {
        ended = tell => ended,
        ended = hear(connection, heard) => ended,
    }
}

async fn hear<S>(mut connection: Connection<Socket, S>, heard: &Notify) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message? {
            heard.notify_one();
        }
    }
    Ok(())
}
