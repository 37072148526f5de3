//! One suite a port: the promises that every adapter of that port must keep, whatever system is behind it.
//! A suite sees an adapter only as its port, and the other side only through a probe.

pub mod dossier_portal;
