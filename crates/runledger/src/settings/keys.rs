//! The keys of the configuration: what each is for, how it is given in the environment, and which one was meant.

use super::Kind;

/// One key of the configuration.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name, with dots.
    pub(crate) name: &'static str,
    /// What its value looks like.
    pub(crate) kind: Kind,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// Every key that there is.
pub(crate) const KEYS: &[Key] = &[
    key("data", Kind::Plain),
    key("listen", Kind::Plain),
    key("store.kind", Kind::Plain),
    key("postgres.url", Kind::SecretText),
    key("postgres.ca_file", Kind::Plain),
    key("postgres.connections", Kind::Plain),
    key("postgres.write_time", Kind::Plain),
    key("postgres.read_time", Kind::Plain),
    key("postgres.notices", Kind::Plain),
    key("creation.creators", Kind::Structured),
    key("creation.require_job", Kind::Plain),
    key("creation.run_id_schemes", Kind::Structured),
    key("deadline.default", Kind::Plain),
    key("deadline.grace", Kind::Plain),
    key("sweeper.interval", Kind::Plain),
    key("duties.time", Kind::Plain),
    key("registry.records", Kind::Plain),
    key("events.streams", Kind::Plain),
    key("events.keep_alive", Kind::Plain),
    key("legacy.triggers", Kind::Structured),
    key("gateway.tables", Kind::Structured),
    key("gateway.upstream", Kind::Plain),
    key("gateway.pat", Kind::SecretText),
    key("gateway.base_rate", Kind::Plain),
    key("gateway.token_rate", Kind::Plain),
    key("gateway.list_records", Kind::Plain),
    key("gateway.wait_time", Kind::Plain),
    key("gateway.request_time", Kind::Plain),
    key("limits.body_bytes", Kind::Plain),
    key("limits.body_time", Kind::Plain),
    key("limits.drain_time", Kind::Plain),
    key("limits.token_rate", Kind::Plain),
    key("limits.client_rate", Kind::Plain),
    key("limits.connections", Kind::Plain),
    key("limits.head_time", Kind::Plain),
    key("quotas.open_records", Kind::Plain),
    key("quotas.notes", Kind::Plain),
    key("tls.certificate", Kind::Plain),
    key("tls.key", Kind::Plain),
    key("webhooks", Kind::Secret),
    key("airtable.base", Kind::Plain),
    key("airtable.token", Kind::SecretText),
    key("airtable.endpoint", Kind::Plain),
    key("airtable.jobs", Kind::Structured),
    key("airtable.clients", Kind::Structured),
    key("airtable.from", Kind::Plain),
    key("airtable.existing_rows", Kind::Plain),
    key("airtable.rows", Kind::Plain),
    key("airtable.base_rate", Kind::Plain),
    key("airtable.token_rate", Kind::Plain),
    key("airtable.gather", Kind::Plain),
    key("airtable.gather_progress", Kind::Plain),
    key("airtable.fill", Kind::Plain),
    key("airtable.quiet", Kind::Plain),
    key("airtable.request_time", Kind::Plain),
    key("airtable.plan_rows", Kind::Plain),
    key("airtable.plan_requests", Kind::Plain),
    key("log.level", Kind::Plain),
    key("log.format", Kind::Plain),
    key("traces.endpoint", Kind::Plain),
    key("traces.headers", Kind::Secret),
    key("traces.ca_file", Kind::Plain),
    key("traces.sample", Kind::Plain),
];

/// What the environment variables of the product begin with.
pub(crate) const PREFIX: &str = "RUNLEDGER_";
/// Variables that stand for options of the command line and are no keys.
pub(crate) const OPTION_VARIABLES: [&str; 5] = [
    "RUNLEDGER_CA_FILE",
    "RUNLEDGER_CONFIG",
    "RUNLEDGER_SOURCE",
    "RUNLEDGER_TOKEN",
    "RUNLEDGER_URL",
];

impl Key {
    /// The key with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The environment variable that sets the key: `creation.require_job` is `RUNLEDGER_CREATION__REQUIRE_JOB`.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.replace('.', "__").to_uppercase())
    }
}

/// The known word that is nearest to an unknown one, if any is near.
pub(crate) fn nearest(word: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let distances = known
        .into_iter()
        .map(|candidate| (distance(word, &candidate), candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= 2.max(word.chars().count() / 3)).then_some(candidate)
}

/// How many letters must be put in, taken out or exchanged to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_a_foreign_word_is_not() {
        let names = || KEYS.iter().map(|key| key.name.to_owned());
        assert_eq!(nearest("listn", names()).as_deref(), Some("listen"));
        assert_eq!(
            nearest("creation.required_job", names()).as_deref(),
            Some("creation.require_job")
        );
        assert_eq!(nearest("colour", names()), None);
    }

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let mut variables: Vec<_> = KEYS.iter().map(Key::variable).collect();
        variables.extend(OPTION_VARIABLES.map(String::from));
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
        assert!(variables.contains(&"RUNLEDGER_CREATION__REQUIRE_JOB".to_owned()));
    }
}
