//! `RateLimit` and `RateLimit-Policy` (IETF draft of the HTTPAPI working group, -10 and later): any client library that
//! knows them slows down by itself.

use std::fmt::Write;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

use super::{Charge, Verdict};

pub(super) fn write(charges: &[Charge], verdict: &Verdict, headers: &mut HeaderMap) {
    let (mut policies, mut limits) = (String::new(), String::new());
    for (n, charge) in charges.iter().enumerate() {
        let comma = if n > 0 { ", " } else { "" };
        let _ = write!(
            policies,
            "{comma}\"{}\";q={};w={}",
            charge.policy,
            charge.quota.requests,
            seconds(charge.quota.window)
        );
    }
    match verdict {
        Verdict::Allowed(left) => {
            // The one that ends first is the one to be told of.
            let tightest = charges.iter().zip(left).min_by_key(|(_, left)| left.requests);
            if let Some((charge, left)) = tightest {
                let _ = write!(limits, "\"{}\";r={};t={}", charge.policy, left.requests, seconds(left.until_whole));
            }
        }
        Verdict::Denied { at, retry_after } => {
            let _ = write!(limits, "\"{}\";r=0;t={}", charges[*at].policy, seconds(*retry_after));
        }
    }
    for (name, value) in [("ratelimit-policy", policies), ("ratelimit", limits)] {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

/// Whole seconds, rounded up: whoever waits so long is not too early.
fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
