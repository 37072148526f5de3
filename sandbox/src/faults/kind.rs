//! The closed list of faults, one row each: kind, rate field, whether the caller is left not knowing.
//! A new fault is a new row here and an arm in `portal` or `wire::deliver`, and must never be only one of the two.

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $kind:ident, $field:ident, ambiguous: $ambiguous:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind { $($(#[$doc])* $kind,)* }

        /// Rates (0 to 1, together at most 1) and latency of one operation.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct OperationFaults {
            $($(#[$doc])* pub $field: f64,)*
            /// Least and most latency of every answer, milliseconds. The work is done before the wait.
            pub delay_ms: (u64, u64),
            /// How long a `slow_drip` answer takes to arrive, milliseconds.
            pub drip_ms: u64,
        }

        impl Default for OperationFaults {
            fn default() -> Self {
                Self { $($field: 0.0,)* delay_ms: (0, 0), drip_ms: 2_000 }
            }
        }

        impl FaultKind {
            pub const ALL: &[FaultKind] = &[$(FaultKind::$kind),*];

            pub fn name(self) -> &'static str {
                match self { $(FaultKind::$kind => stringify!($field),)* }
            }

            /// Whether the caller cannot know from what it saw if the call took effect.
            pub fn is_ambiguous(self) -> bool {
                match self { $(FaultKind::$kind => $ambiguous,)* }
            }
        }

        impl OperationFaults {
            pub fn rate(&self, kind: FaultKind) -> f64 {
                match kind { $(FaultKind::$kind => self.$field,)* }
            }

            pub fn set_rate(&mut self, kind: FaultKind, rate: f64) {
                match kind { $(FaultKind::$kind => self.$field = rate,)* }
            }
        }
    };
}

fault_kinds! {
    /// Work done, then silence until the caller hangs up or `hold_ms` is over.
    EffectThenTimeout, effect_then_timeout, ambiguous: true;
    /// A business refusal, no effect.
    Refuse, refuse, ambiguous: false;
    /// Connection reset, no effect.
    ResetBefore, reset_before, ambiguous: true;
    /// Work done, then connection reset.
    ResetAfter, reset_after, ambiguous: true;
    /// Work done, then half of the promised bytes and an end of connection.
    HalfReply, half_reply, ambiguous: true;
    /// Work done, answer whole but byte by byte. Ambiguous for a caller less patient than `drip_ms`.
    SlowDrip, slow_drip, ambiguous: true;
    /// HTTP 503 from the adapter, which says the call was not passed on; no effect.
    ServerErrorBefore, server_error_before, ambiguous: false;
    /// Work done, then HTTP 500 or 502.
    ServerErrorAfter, server_error_after, ambiguous: true;
    /// The session is ended, the call refused for it, no effect. Not for `login`.
    SessionExpired, session_expired, ambiguous: false;
    /// The portal's reply as a JSON string in the `message` of another reply.
    DoubleEncoded, double_encoded, ambiguous: false;
    /// Work done, success code, but a message without `thành công`.
    PhraseMissing, phrase_missing, ambiguous: true;
    /// `error_code` as a JSON number.
    CodeAsNumber, code_as_number, ambiguous: false;
    /// Success as `"00"`.
    #[serde(rename = "code_as_00")]
    CodeAs00, code_as_00, ambiguous: false;
    /// A page or error of the adapter in place of a portal reply, no effect; nothing in it says so.
    AdapterFault, adapter_fault, ambiguous: true;
    /// The exchange hands the call on twice; the answer is that of the second. A step is then there twice, whatever the
    /// caller does, unless the portal drops repeats.
    Duplicate, duplicate, ambiguous: false;
    /// A good login reply that holds no `session`. Only for `login`.
    LoginWithoutSession, login_without_session, ambiguous: false;
}

impl FaultKind {
    pub fn applies_to(self, operation: Operation) -> bool {
        match self {
            FaultKind::SessionExpired => operation != Operation::Login,
            FaultKind::LoginWithoutSession => operation == Operation::Login,
            _ => true,
        }
    }
}

impl OperationFaults {
    /// One kind at one rate and nothing else.
    pub fn only(kind: FaultKind, rate: f64) -> Self {
        let mut faults = Self::default();
        faults.set_rate(kind, rate);
        faults
    }
}
