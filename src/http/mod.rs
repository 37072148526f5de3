//! The way in: routes in one list, layers in one function, and the one shape of every refusal.

pub mod cursor;
pub mod door;
pub mod front;
pub mod health;
pub mod json;
pub mod layers;
pub mod listener;
pub mod metrics;
pub mod observe;
pub mod openapi;
pub mod problem;
pub mod query;
pub mod router;
pub mod rules;
pub mod tls;
