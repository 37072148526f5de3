//! Connections, before any request is read: so many in all and from one address, TLS if it is configured, and who is at
//! the other end. A certificate file that cannot be read leaves the one before it in force. Whoever does not take its
//! answers is cut off.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use metrics::{counter, gauge};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Layer;

use super::tls::Tls;
use crate::access::PeerCertificate;
use crate::telemetry::metrics::{CONNECTIONS, CONNECTIONS_REFUSED};

/// Who is at the other end of a connection: beside each of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: IpAddr,
    pub certificate: Option<PeerCertificate>,
}

/// What the kernel takes of an answer before the other end does; it would take megabytes, for each of those who take
/// nothing, and out of sight of `write_timeout`. At 100 ms from end to end this is 10 Mbit/s for one connection.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    pub all: usize,
    pub of_one_address: usize,
    pub handshake_timeout: Duration,
    /// In which an answer must have been taken.
    pub write_timeout: Duration,
}

/// The connections there are.
#[derive(Debug)]
struct Places {
    limits: ConnectionLimits,
    taken: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

/// Held by a connection while it lasts.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_address) = &mut *taken;
        let of_this = by_address.get(&address).copied().unwrap_or(0);
        if *all >= self.limits.all || of_this >= self.limits.of_one_address {
            counter!(CONNECTIONS_REFUSED.name).increment(1);
            return None;
        }
        *all += 1;
        by_address.insert(address, of_this + 1);
        gauge!(CONNECTIONS.name).increment(1);
        Some(Place { places: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.0 -= 1;
        gauge!(CONNECTIONS.name).decrement(1);
        if let Some(of_this) = taken.1.get_mut(&self.address) {
            *of_this -= 1;
            if *of_this == 0 {
                taken.1.remove(&self.address);
            }
        }
    }
}

/// Takes connections in.
#[derive(Clone)]
pub struct Acceptor {
    places: Arc<Places>,
    tls: Option<Arc<Tls>>,
}

impl Acceptor {
    pub fn new(limits: ConnectionLimits, tls: Option<Arc<Tls>>) -> Self {
        Self { places: Arc::new(Places { limits, taken: Mutex::default() }), tls }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Acceptor {
    type Stream = Connection;
    type Service = AddExtension<S, Peer>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (places, tls) = (Arc::clone(&self.places), self.tls.clone());
        Box::pin(async move {
            let address = stream.peer_addr()?.ip().to_canonical();
            // Not even a refusal: whoever opens too many is not worth an answer, and a handshake least of all.
            let place = places.take(address).ok_or_else(|| io::Error::other("too many connections"))?;
            stream.set_nodelay(true)?;
            set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES)?;
            let (channel, certificate) = match tls {
                None => (Channel::Plain(stream), None),
                Some(tls) => {
                    let shaking = TlsAcceptor::from(tls.config()).accept(stream);
                    let stream = tokio::time::timeout(places.limits.handshake_timeout, shaking).await??;
                    let chain = stream.get_ref().1.peer_certificates();
                    let certificate = chain.and_then(<[_]>::first).map(PeerCertificate::of);
                    (Channel::Tls(Box::new(stream)), certificate)
                }
            };
            let peer = Peer { address, certificate };
            let connection =
                Connection { channel, write_timeout: places.limits.write_timeout, behind: None, _place: place };
            Ok((connection, Extension(peer).layer(service)))
        })
    }
}

enum Channel {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// An accepted connection: gives its place back when it ends.
pub struct Connection {
    channel: Channel,
    write_timeout: Duration,
    /// Runs from when the other end stopped taking what is written to it, until all of it is taken.
    behind: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Connection {
    /// What came of writing, unless the other end has been behind for too long. hyper has no such limit: it would wait for
    /// ever, and for one byte after the other.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let behind = self.behind.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.write_timeout)));
        behind.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.channel {
            Channel::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Channel::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.channel {
            Channel::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Channel::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.channel {
            Channel::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Channel::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
        };
        self.in_time(cx, written)
    }

    /// Asked for once everything was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.channel {
            Channel::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Channel::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        if flushed.is_ready() {
            self.behind = None;
        }
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = match &mut self.channel {
            Channel::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Channel::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        self.in_time(cx, closed)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.channel {
            Channel::Plain(stream) => stream.is_write_vectored(),
            Channel::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;

    /// A connection with small buffers and half a second for an answer, and its other end.
    async fn pair() -> (Connection, TcpStream) {
        let (near, far) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
        near.set_send_buffer_size(4096).unwrap();
        far.set_recv_buffer_size(4096).unwrap();
        near.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = near.listen(1).unwrap();
        let (far, near) = tokio::join!(far.connect(listener.local_addr().unwrap()), listener.accept());
        let (stream, address) = near.unwrap();
        let write_timeout = Duration::from_millis(500);
        let limits = ConnectionLimits { all: 1, of_one_address: 1, handshake_timeout: write_timeout, write_timeout };
        let places = Arc::new(Places { limits, taken: Mutex::default() });
        let place = places.take(address.ip()).unwrap();
        (Connection { channel: Channel::Plain(stream), write_timeout, behind: None, _place: place }, far.unwrap())
    }

    #[tokio::test]
    async fn an_answer_has_its_time_and_each_byte_that_is_taken_does_not_begin_it_anew() {
        let (mut connection, mut far) = pair().await;
        let taking = tokio::spawn(async move {
            let mut taken = 0;
            while let Ok(read @ 1..) = far.read(&mut [0; 512]).await {
                taken += read;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            taken
        });
        let started = Instant::now();
        let written = connection.write_all(&[0; 300_000]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= Duration::from_millis(500));
        drop(connection);
        assert!(taking.await.unwrap() > 5_000, "nothing was taken: this shows nothing");
    }

    #[tokio::test]
    async fn what_is_taken_in_time_goes_on_as_long_as_it_likes() {
        let (mut connection, mut far) = pair().await;
        let taking = tokio::spawn(async move { far.read_to_end(&mut Vec::new()).await.unwrap() });
        let started = Instant::now();
        let mut written = 0;
        while started.elapsed() < Duration::from_millis(1500) {
            connection.write_all(&[0; 20_000]).await.unwrap();
            connection.flush().await.unwrap();
            written += 20_000;
        }
        drop(connection);
        assert_eq!(taking.await.unwrap(), written);
    }
}
