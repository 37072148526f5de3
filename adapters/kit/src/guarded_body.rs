//! A request body that asks, right when its bytes are taken for the socket, whether this replica may still act: between
//! the start of a call and that instant the process may have been paused. It must not change a byte of the request.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

use crate::standing::Standing;

/// Why the bytes were not given out.
#[derive(Debug, thiserror::Error)]
#[error("this replica's lease has ended")]
pub(crate) struct LeaseEnded;

impl LeaseEnded {
    /// Whether this is the reason behind `error`.
    pub(crate) fn is_behind(error: &(dyn Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| (*error).source()).any(|error| error.is::<Self>())
    }
}

/// Wraps reqwest's own body, so that length, end and bytes are those of an unguarded one.
pub(crate) struct GuardedBody {
    body: reqwest::Body,
    standing: Arc<dyn Standing>,
    /// Under which the call began.
    epoch: u64,
}

impl GuardedBody {
    pub(crate) fn of(bytes: Vec<u8>, standing: Arc<dyn Standing>, epoch: u64) -> reqwest::Body {
        reqwest::Body::wrap(Self { body: bytes.into(), standing, epoch })
    }
}

impl Body for GuardedBody {
    type Data = <reqwest::Body as Body>::Data;
    type Error = Box<dyn Error + Send + Sync>;

    /// All bytes at once, or none: there is no half that was given out before a refusal. For the same reason nobody is
    /// asked once they are out: a refusal always means that not one byte left.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if !self.is_end_stream() && self.standing.epoch() != Some(self.epoch) {
            return Poll::Ready(Some(Err(LeaseEnded.into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    /// Exact: it becomes Content-Length. Without it the body would be sent in chunks, which not every portal reads.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
