//! What every request meets first: the routes of the configuration in force, which another configuration's replace between
//! two requests. Whoever has begun with the old ones ends with them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use axum::{BoxError, Router};
use tower::{Service, ServiceExt};

/// The way to the routes in force.
#[derive(Clone)]
pub struct Front(Arc<State>);

struct State {
    routes: RwLock<Router>,
    /// No connection is to have another request.
    closes: AtomicBool,
}

impl Front {
    pub fn new(routes: Router) -> Self {
        Self(Arc::new(State { routes: RwLock::new(routes), closes: AtomicBool::new(false) }))
    }

    /// From the next request on.
    pub fn replace(&self, routes: Router) {
        *self.0.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    /// From now on every answer is the last one on its connection, and says so.
    pub fn close(&self) {
        self.0.closes.store(true, Ordering::Relaxed);
    }
}

impl<B> Service<Request<B>> for Front
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = Arc::clone(&self.0);
        let routes = state.routes.read().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let mut response = routes.oneshot(request).await?;
            // Asked when the answer is there: those that were under way when the stop came are told, too.
            if state.closes.load(Ordering::Relaxed) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}
