//! The configuration: one file, the environment, the flags, in this order. A key that nobody knows is an error, never
//! ignored; nothing outside this module and `main` reads the environment.

mod airtable;
mod broken;
mod gateway;
mod keys;
mod layers;
mod show;
mod span;
mod traces;
mod webhook;
mod words;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use runledger_domain::{CreationPolicy, DeadlineAfter, Quotas, RecordKind, RunIdScheme, Source};
use runledger_postgres::PostgresOptions;
use serde::{Deserialize, Serialize};

pub(crate) use airtable::AirtableSettings;
pub(crate) use gateway::GatewaySettings;
pub(crate) use layers::{Given, Loaded, Origin, load};
pub(crate) use show::show;
pub(crate) use span::Span;
pub(crate) use traces::Traces;
pub(crate) use webhook::{ConfiguredWebhook, WebhookSettings};
pub(crate) use words::{Creates, ExistingRows, LogFormat, LogLevel, Scheme, ShownFrom, StoreKind};

use crate::failure::{Failure, Outcome};
use crate::server_file::Secret;

/// The name of the configuration file in the data directory.
pub(crate) const FILE_NAME: &str = "runledger.toml";

/// What a value looks like where only text can be given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The text is the value.
    Plain,
    /// As well, and it is a secret: no message says anything of the value.
    SecretText,
    /// A list or a table, written as TOML.
    Structured,
    /// A list or a table as well, and it may hold a secret: no message says anything of the value.
    Secret,
}

/// Every setting, with its effective value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// Where the ledger is kept.
    pub(crate) store: StoreChoice,
    /// The database, when the ledger is kept in one.
    pub(crate) postgres: Postgres,
    /// Who may create what.
    pub(crate) creation: Creation,
    /// When silence becomes suspicious.
    pub(crate) deadline: Deadline,
    /// The server's sweeper.
    pub(crate) sweeper: Sweeper,
    /// What one server does for all of them.
    pub(crate) duties: Duties,
    /// The registry of records in memory.
    pub(crate) registry: Registry,
    /// The server's streams of events.
    pub(crate) events: Events,
    /// The functions of the older services.
    // An empty list is lost on its way through the layers.
    #[serde(default)]
    pub(crate) legacy: Legacy,
    /// Airtable's API in front of the ledger.
    pub(crate) gateway: GatewaySettings,
    /// Bounds of the server.
    pub(crate) limits: Limits,
    /// How much one client may hold at once.
    pub(crate) quotas: ClientQuotas,
    /// The server's certificate.
    pub(crate) tls: TlsFiles,
    /// The receivers of the log.
    // The library that merges the layers drops an empty list.
    #[serde(default)]
    pub(crate) webhooks: Vec<WebhookSettings>,
    /// Where records are shown as rows.
    pub(crate) airtable: AirtableSettings,
    /// What is logged, and how.
    pub(crate) log: Log,
    /// Where spans go.
    pub(crate) traces: Traces,
}

/// Who may create what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Creation {
    /// The sources that may create, each with the kinds of records. It replaces the list of the policy as a whole.
    pub(crate) creators: BTreeMap<Source, Vec<Creates>>,
    /// Whether a client run record needs its job record first.
    pub(crate) require_job: bool,
    /// The forms of run ids that are accepted.
    pub(crate) run_id_schemes: Vec<Scheme>,
}

/// Where the ledger is kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreChoice {
    /// In the data directory, or in a database.
    pub(crate) kind: StoreKind,
}

/// The PostgreSQL database of the ledger.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Postgres {
    /// Its address, with user and password.
    pub(crate) url: Secret,
    /// The certificates that its own must come from, as PEM; empty: those of the platform.
    pub(crate) ca_file: PathBuf,
    /// How many connections read; one more writes.
    pub(crate) connections: usize,
    /// How long a write is tried before it is answered as unavailable, or in doubt.
    pub(crate) write_time: Span,
    /// How long a read may take.
    pub(crate) read_time: Span,
    /// Whether a server tells others at once that it wrote.
    pub(crate) notices: bool,
}

impl Postgres {
    /// What the store is opened with.
    pub(crate) fn options(&self) -> Outcome<PostgresOptions> {
        let url = self
            .url
            .0
            .parse()
            .map_err(|error| Failure::usage(format_args!("postgres.url: {error}")))?;
        Ok(PostgresOptions {
            ca_file: Some(self.ca_file.clone()).filter(|file| !file.as_os_str().is_empty()),
            pool: self.connections,
            write_time: self.write_time.duration(),
            read_time: self.read_time.duration(),
            notices: self.notices,
            ..PostgresOptions::new(url)
        })
    }
}

/// When silence becomes suspicious.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deadline {
    /// How long a record may be silent when its creator says nothing else.
    pub(crate) default: Span,
    /// How long past the deadline a sweep waits before it closes a record as lost.
    pub(crate) grace: Span,
}

/// What one server does for all of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Duties {
    /// After how long another server takes over the duties of one that is lost.
    pub(crate) time: Span,
}

/// The server's sweeper.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sweeper {
    /// How often it looks; `0s` turns it off.
    pub(crate) interval: Span,
}

/// The registry of records in memory.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registry {
    /// About how many records it holds.
    pub(crate) records: usize,
}

/// The server's streams of events.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    /// How many may be open at once.
    pub(crate) streams: usize,
    /// How long one may say nothing.
    pub(crate) keep_alive: Span,
}

/// The functions of the older services.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Legacy {
    /// The sources whose completion of a client's record says only that its work was started.
    #[serde(default)]
    pub(crate) triggers: Vec<Source>,
}

/// Bounds of the server.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// The largest body of a request, in bytes.
    pub(crate) body_bytes: usize,
    /// How long a body may take to arrive.
    pub(crate) body_time: Span,
    /// How long a server that is told to end waits for requests that it accepted.
    pub(crate) drain_time: Span,
    /// How many requests a second each token may send, and as many at once after a pause; 0 for no limit.
    pub(crate) token_rate: u32,
    /// How many requests a second may name each client, and as many at once after a pause; 0 for no limit.
    pub(crate) client_rate: u32,
    /// How many connections are served at the same time.
    pub(crate) connections: usize,
    /// How long the head of a request may take, and how long a connection may be silent between two.
    pub(crate) head_time: Span,
}

/// How much one client may hold at once.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientQuotas {
    /// How many of its records may be open, all runs together; 0 for no limit.
    pub(crate) open_records: u32,
    /// How many notes its open records may hold together; 0 for no limit.
    pub(crate) notes: u32,
}

/// Where the server's certificate lies. Both empty: the server speaks in clear.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    /// The certificate chain, as PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, as PEM.
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Whether the server is to speak TLS.
    pub(crate) fn are_given(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// The least severe level that is written.
    pub(crate) level: LogLevel,
    /// How a line looks.
    pub(crate) format: LogFormat,
}

/// The largest registry that can be asked for.
const REGISTRY_RECORDS_MAX: usize = 10_000_000;
/// The most streams of events that can be asked for.
const STREAMS_MAX: usize = 100_000;
/// The bounds of `postgres.connections`.
const CONNECTIONS: std::ops::RangeInclusive<usize> = 1..=1_000;
/// The bounds of `duties.time`, in seconds.
const DUTY_SECS: std::ops::RangeInclusive<u64> = 1..=3_600;
/// The bounds of `limits.body_bytes`.
const BODY_BYTES: std::ops::RangeInclusive<usize> = 1_024..=64 * 1024 * 1024;

impl Settings {
    /// What holds where nobody says otherwise.
    pub(crate) fn defaults(data: PathBuf) -> Self {
        let creators = CreationPolicy::default();
        let creators = creators
            .creators()
            .map(|(source, kinds)| (source.clone(), kinds.iter().copied().map(Creates::from).collect()));
        Self {
            data,
            listen: SocketAddr::from(([127, 0, 0, 1], 7420)),
            store: StoreChoice {
                kind: StoreKind::Embedded,
            },
            postgres: Postgres {
                url: Secret::default(),
                ca_file: PathBuf::new(),
                connections: 8,
                write_time: Span::from_secs(10),
                read_time: Span::from_secs(10),
                notices: true,
            },
            creation: Creation {
                creators: creators.collect(),
                require_job: true,
                run_id_schemes: vec![Scheme::Timestamp, Scheme::Ulid, Scheme::Uuid, Scheme::Name],
            },
            deadline: Deadline {
                default: Span::from_secs(DeadlineAfter::DEFAULT.as_secs()),
                grace: Span::from_secs(60 * 60),
            },
            sweeper: Sweeper {
                interval: Span::from_secs(60),
            },
            duties: Duties {
                time: Span::from_secs(15),
            },
            registry: Registry { records: 50_000 },
            events: Events {
                streams: 256,
                keep_alive: Span::from_secs(15),
            },
            legacy: Legacy::default(),
            gateway: GatewaySettings::default(),
            limits: Limits {
                body_bytes: 1024 * 1024,
                body_time: Span::from_secs(30),
                drain_time: Span::from_secs(30),
                token_rate: 0,
                client_rate: 0,
                connections: 16_384,
                head_time: Span::from_secs(60),
            },
            quotas: ClientQuotas {
                open_records: 0,
                notes: 0,
            },
            tls: TlsFiles::default(),
            webhooks: Vec::new(),
            airtable: AirtableSettings::default(),
            log: Log {
                level: LogLevel::Info,
                format: LogFormat::Auto,
            },
            traces: Traces::default(),
        }
    }

    /// The creation policy that the settings come to.
    pub(crate) fn policy(&self) -> Outcome<CreationPolicy> {
        let after = DeadlineAfter::from_secs(self.deadline.default.as_secs())
            .map_err(|error| Failure::usage(format_args!("deadline.default: {error}")))?;
        let schemes = self.creation.run_id_schemes.iter().copied().map(RunIdScheme::from);
        let mut policy = CreationPolicy::closed()
            .accept_schemes(schemes.collect())
            .require_job(self.creation.require_job)
            .deadline_after(after)
            .limit_clients(Quotas {
                open_records: NonZeroU32::new(self.quotas.open_records),
                notes: NonZeroU32::new(self.quotas.notes),
            });
        for (source, kinds) in &self.creation.creators {
            for kind in kinds {
                policy = policy.allow(source.clone(), (*kind).into());
            }
        }
        Ok(policy)
    }

    /// The webhooks, as they are to be set up.
    pub(crate) fn configured_webhooks(&self) -> Outcome<Vec<ConfiguredWebhook>> {
        webhook::read_all(&self.webhooks)
    }

    /// What no type says: bounds of numbers.
    fn check(&self) -> Outcome {
        self.policy()?;
        self.check_store()?;
        self.traces.check()?;
        self.gateway.check()?;
        self.configured_webhooks()?;
        self.airtable.check()?;
        if self.creation.run_id_schemes.is_empty() {
            return Err(Failure::usage(
                "creation.run_id_schemes is empty, so that no run could ever be created",
            ));
        }
        if self.registry.records > REGISTRY_RECORDS_MAX {
            return Err(Failure::usage(format_args!(
                "registry.records is {}; at most {REGISTRY_RECORDS_MAX} fit",
                self.registry.records
            )));
        }
        if self.events.streams > STREAMS_MAX {
            return Err(Failure::usage(format_args!(
                "events.streams is {}; give at most {STREAMS_MAX}",
                self.events.streams
            )));
        }
        if self.events.keep_alive.as_secs() == 0 {
            return Err(Failure::usage(
                "events.keep_alive is 0s, so that streams would never be silent; give 1s or more",
            ));
        }
        if !BODY_BYTES.contains(&self.limits.body_bytes) {
            return Err(Failure::usage(format_args!(
                "limits.body_bytes is {}; give {} to {}",
                self.limits.body_bytes,
                BODY_BYTES.start(),
                BODY_BYTES.end()
            )));
        }
        if self.tls.certificate.as_os_str().is_empty() != self.tls.key.as_os_str().is_empty() {
            return Err(Failure::usage(
                "tls.certificate and tls.key belong together; give both or neither",
            ));
        }
        if self.limits.connections == 0 || self.limits.head_time.as_secs() == 0 {
            return Err(Failure::usage(
                "limits.connections and limits.head_time must not be 0: no request could ever arrive",
            ));
        }
        if self.limits.body_time.as_secs() == 0 {
            return Err(Failure::usage(
                "limits.body_time is 0s, so that no body could ever arrive",
            ));
        }
        Ok(())
    }
}

impl Settings {
    fn check_store(&self) -> Outcome {
        if !DUTY_SECS.contains(&self.duties.time.as_secs()) {
            return Err(Failure::usage(format_args!(
                "duties.time is {} s; give {} s to {} s",
                self.duties.time.as_secs(),
                DUTY_SECS.start(),
                DUTY_SECS.end()
            )));
        }
        let Postgres {
            url,
            connections,
            write_time,
            read_time,
            ..
        } = &self.postgres;
        if self.store.kind == StoreKind::Postgres && url.0.is_empty() {
            return Err(Failure::usage("store.kind is postgres, and postgres.url is not given")
                .advise("give the address of the database, best as RUNLEDGER_POSTGRES__URL, which no file holds"));
        }
        if !url.0.is_empty() {
            self.postgres.options()?;
        }
        if !CONNECTIONS.contains(connections) {
            return Err(Failure::usage(format_args!(
                "postgres.connections is {connections}; give {} to {}",
                CONNECTIONS.start(),
                CONNECTIONS.end()
            )));
        }
        if write_time.as_secs() == 0 || read_time.as_secs() == 0 {
            return Err(Failure::usage(
                "postgres.write_time and postgres.read_time must not be 0s: the database could never answer",
            ));
        }
        Ok(())
    }
}

impl From<RecordKind> for Creates {
    fn from(kind: RecordKind) -> Self {
        match kind {
            RecordKind::Job => Self::Job,
            RecordKind::Client => Self::Client,
        }
    }
}

impl From<Creates> for RecordKind {
    fn from(kind: Creates) -> Self {
        match kind {
            Creates::Job => Self::Job,
            Creates::Client => Self::Client,
        }
    }
}

impl From<Scheme> for RunIdScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Timestamp => Self::Timestamp,
            Scheme::Ulid => Self::Ulid,
            Scheme::Uuid => Self::Uuid,
            Scheme::Name => Self::Name,
        }
    }
}
