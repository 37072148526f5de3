//! The list of adapters, one line each. Nothing else in the gateway names an adapter.

use lienthong_adapter_kit::card::Card;

/// Every adapter that is built in.
pub const CARDS: &[Card] = &[lienthong_portal_dvcqg::CARD];
