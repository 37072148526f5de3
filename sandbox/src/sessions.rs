//! Portal sessions: opened by a login, ended by age, by a later login where only one may live, or by a fault.
//! They must never be prolonged by use: the lifetime counts from the login.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::locks::{read, write};

/// Most sessions alive at once; the one that would end first gives way.
const LIMIT: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Sessions {
    ends: RwLock<HashMap<String, Instant>>,
    lifetime: Duration,
    single: bool,
}

impl Sessions {
    pub(crate) fn new(lifetime: Duration, single: bool) -> Self {
        Self { ends: RwLock::default(), lifetime, single }
    }

    pub(crate) fn open(&self) -> String {
        let session = Uuid::now_v7().to_string();
        let now = Instant::now();
        let mut ends = write(&self.ends);
        if self.single {
            ends.clear();
        }
        if ends.len() >= LIMIT {
            ends.retain(|_, end| *end > now);
        }
        if ends.len() >= LIMIT
            && let Some(first) = ends.iter().min_by_key(|(_, end)| **end).map(|(session, _)| session.clone())
        {
            ends.remove(&first);
        }
        ends.insert(session.clone(), now + self.lifetime);
        session
    }

    pub(crate) fn is_open(&self, session: &str) -> bool {
        read(&self.ends).get(session).is_some_and(|end| Instant::now() < *end)
    }

    pub(crate) fn end(&self, session: &str) {
        write(&self.ends).remove(session);
    }

    pub(crate) fn clear(&self) {
        write(&self.ends).clear();
    }
}
