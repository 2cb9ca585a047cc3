//! Records that this server has seen lately. What is here may be old: it only ever supports a write that fails when it is,
//! and never an answer (I8).

use std::num::NonZeroUsize;

use lru::LruCache;
use runledger_domain::{RunKey, RunRecord};

use crate::evidence::Seen;

/// How many records are remembered.
const RECORDS: NonZeroUsize = NonZeroUsize::new(2_048).expect("not zero");
/// Records that were changed more often than this are not remembered: each change may have left something in them.
const VERSION_MAX: u64 = 256;

/// Records that were seen lately.
#[derive(Debug)]
pub(crate) struct Cache(LruCache<RunKey, Seen>);

impl Default for Cache {
    fn default() -> Self {
        Self(LruCache::new(RECORDS))
    }
}

impl Cache {
    pub(crate) fn peek(&self, key: &RunKey) -> Option<&Seen> {
        self.0.peek(key)
    }

    pub(crate) fn remember(&mut self, seen: Seen) {
        let record: &RunRecord = &seen.record;
        if record.version() > VERSION_MAX {
            self.0.pop(record.key());
        } else {
            self.0.put(record.key().clone(), seen);
        }
    }

    pub(crate) fn forget(&mut self, key: &RunKey) {
        self.0.pop(key);
    }
}
