//! Which operations of a call stand or fall together: those that touch the same run, client, attempt, token or webhook.

use std::collections::HashMap;

use runledger_domain::access::TokenId;
use runledger_domain::{AttemptId, ClientId, RunId, Source};
use runledger_ports::WebhookName;

/// What operations may have in common.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Common {
    /// Anything of a run.
    Run(RunId),
    /// What a client's open records come to, of whatever run.
    Load(ClientId),
    /// The attempt of a source to start a run.
    Minted(Source, AttemptId),
    Token(TokenId),
    Delivery(WebhookName),
}

/// Sets of operations that grow together.
#[derive(Debug, Default)]
pub(super) struct Groups {
    parents: Vec<usize>,
    by_common: HashMap<Common, usize>,
}

impl Groups {
    /// A group of its own.
    pub(super) fn open(&mut self) -> usize {
        self.parents.push(self.parents.len());
        self.parents.len() - 1
    }

    /// How many members there are.
    pub(super) const fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whoever touches this is in one group with all others who do.
    pub(super) fn join(&mut self, member: usize, common: Common) {
        if let Some(other) = self.by_common.get(&common).copied() {
            let (one, other) = (self.root(member), self.root(other));
            self.parents[one.max(other)] = one.min(other);
        } else {
            self.by_common.insert(common, member);
        }
    }

    /// The number of the group in which this member is, once nobody joins any more.
    pub(super) fn of(&mut self, member: usize) -> i32 {
        i32::try_from(self.root(member)).unwrap_or(i32::MAX)
    }

    /// The group of those who touch this.
    pub(super) fn of_run(&mut self, run: &RunId) -> i32 {
        let member = self.by_common.get(&Common::Run(run.clone())).copied().unwrap_or(0);
        self.of(member)
    }

    fn root(&mut self, member: usize) -> usize {
        let mut root = member;
        while self.parents[root] != root {
            self.parents[root] = self.parents[self.parents[root]];
            root = self.parents[root];
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_something_in_common_is_in_one_group_whatever_the_order() {
        let mut groups = Groups::default();
        let members: Vec<_> = (0..4).map(|_| groups.open()).collect();
        let run = |name: &str| Common::Run(name.parse().unwrap());
        groups.join(members[0], run("250925-231841"));
        groups.join(members[1], run("250926-231841"));
        groups.join(members[2], run("250927-231841"));
        assert_ne!(groups.of(members[0]), groups.of(members[1]));
        groups.join(members[3], run("250926-231841"));
        groups.join(members[3], run("250925-231841"));
        let first = groups.of(members[0]);
        assert_eq!((groups.of(members[1]), groups.of(members[3])), (first, first));
        assert_ne!(groups.of(members[2]), first);
        assert_eq!(groups.of_run(&"250926-231841".parse().unwrap()), first);
    }
}
