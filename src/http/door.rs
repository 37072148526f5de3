//! Where connections come in. When the door is closed, those that had arrived by then are still taken in, and every later
//! one is refused by the system. (Between its last look and its end a socket has an instant in which the system lets one in
//! and resets it: to whoever comes then, that is a refusal, too.)

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::SocketAddr;

use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};

/// The address of a door: whose it is, or who came in.
#[derive(Debug, Clone, Copy)]
pub struct At(pub SocketAddr);

/// A door that can be closed before the connections end that came in by it.
pub struct Door {
    inside: Mutex<Inside>,
    address: SocketAddr,
    closed: watch::Receiver<bool>,
}

struct Inside {
    /// Until it is closed.
    listener: Option<TcpListener>,
    /// Had arrived when it was closed.
    arrived: VecDeque<(TcpStream, SocketAddr)>,
}

impl Door {
    /// Open until `closed` says so.
    pub fn open(listener: TcpListener, closed: watch::Receiver<bool>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { inside: Mutex::new(Inside { listener: Some(listener), arrived: VecDeque::new() }), address, closed })
    }
}

impl Inside {
    /// The runtime may not know yet of all that have arrived: the system is asked until there are no more.
    fn close(&mut self) -> io::Result<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let listener = listener.into_std()?;
        while let Ok((stream, address)) = listener.accept() {
            stream.set_nonblocking(true)?;
            self.arrived.push_back((TcpStream::from_std(stream)?, address));
        }
        Ok(())
    }
}

impl Address for At {
    type Stream = TcpStream;
    type Listener = Door;
}

impl AddrListener<TcpStream, At> for Door {
    async fn bind_to(address: At) -> io::Result<Self> {
        Self::open(TcpListener::bind(address.0).await?, watch::channel(false).1)
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, At)> {
        let mut inside = self.inside.lock().await;
        if let Some(listener) = &inside.listener {
            let mut closed = self.closed.clone();
            tokio::select! {
                biased;
                accepted = listener.accept() => return accepted.map(|(stream, from)| (stream, At(from))),
                Ok(_) = closed.wait_for(|closed| *closed) => {}
            }
            inside.close()?;
        }
        match inside.arrived.pop_front() {
            Some((stream, from)) => Ok((stream, At(from))),
            None => pending().await,
        }
    }

    fn get_local_addr(&self) -> io::Result<At> {
        Ok(At(self.address))
    }
}
