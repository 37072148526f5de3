//! What the gateway's own parts promise, one module a part.

mod audit;
mod bodies;
mod keys;
mod sealers;
mod witness;
