//! A ledger in memory to import into, and the report read back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use runledger_app::system::{RandomIds, SystemClock};
use runledger_app::{Ledger, Ports, Registry};
use runledger_domain::{CreationPermit, CreationPolicy, RunKey, RunRecord};
use runledger_legacy::import::{Import, ImportError, Input, Mode, REPORT_COLUMNS, Report, SOURCE};
use runledger_memory::MemoryStore;
use runledger_ports::{CreateError, CreateOutcome, ListFilter, PageSize, RunCreator, RunReader, Unavailable};

/// A store that can be made to fail, and the ledger over it.
pub(crate) struct Target {
    pub(crate) store: Arc<Failing>,
    pub(crate) ledger: Ledger,
}

/// The store in memory; after some creations every further one fails.
pub(crate) struct Failing {
    pub(crate) inner: Arc<MemoryStore>,
    /// How many calls reached the store.
    pub(crate) calls: AtomicI64,
    left: AtomicI64,
    busy: AtomicI64,
    in_doubt: bool,
}

#[async_trait]
impl RunCreator for Failing {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        if self.busy.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(Unavailable::Busy.into());
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        let records = i64::try_from(permits.len()).unwrap();
        if self.left.fetch_sub(records, Ordering::SeqCst) >= records {
            return self.inner.create(permits).await;
        }
        if self.in_doubt {
            let intents = permits.iter().map(|permit| permit.intent().clone()).collect();
            let _ = self.inner.create(permits).await?;
            return Err(CreateError::Indeterminate {
                intents,
                reason: "the answer was lost".into(),
            });
        }
        Err(Unavailable::Stopped {
            reason: "the disk is full".into(),
        }
        .into())
    }
}

impl Target {
    pub(crate) fn new() -> Self {
        Self::failing(i64::MAX, 0, false)
    }

    pub(crate) fn failing(after: i64, busy: i64, in_doubt: bool) -> Self {
        Self::with_policy(
            CreationPolicy::default().allow_import(SOURCE.parse().unwrap()),
            Failing {
                inner: Arc::new(MemoryStore::new()),
                calls: AtomicI64::new(0),
                left: AtomicI64::new(after),
                busy: AtomicI64::new(busy),
                in_doubt,
            },
        )
    }

    /// A ledger that does not let the import create.
    pub(crate) fn closed() -> Self {
        Self::with_policy(
            CreationPolicy::default(),
            Failing {
                inner: Arc::new(MemoryStore::new()),
                calls: AtomicI64::new(0),
                left: AtomicI64::new(i64::MAX),
                busy: AtomicI64::new(0),
                in_doubt: false,
            },
        )
    }

    fn with_policy(policy: CreationPolicy, store: Failing) -> Self {
        let store = Arc::new(store);
        let ids = Arc::new(RandomIds::new().unwrap());
        let ports = Ports {
            creator: store.clone(),
            ..Ports::of(&store.inner, Arc::new(SystemClock), ids)
        };
        let ledger = Ledger::new(ports, policy, Registry::new(1_000, true));
        Self { store, ledger }
    }

    pub(crate) fn heal(&self) {
        self.store.left.store(i64::MAX, Ordering::SeqCst);
    }

    pub(crate) async fn import(&self, import: &Import) -> (Result<Report, ImportError>, Rows) {
        run(import, Mode::Into(&self.ledger)).await
    }

    /// All records by their keys.
    pub(crate) async fn records(&self) -> BTreeMap<RunKey, Arc<RunRecord>> {
        let (mut records, mut after) = (BTreeMap::new(), None);
        loop {
            let size = PageSize::new(1_000).unwrap();
            let page = self
                .store
                .inner
                .list(&ListFilter::default(), after, size)
                .await
                .unwrap();
            records.extend(page.records.into_iter().map(|record| (record.key().clone(), record)));
            after = page.next;
            if after.is_none() {
                return records;
            }
        }
    }

    pub(crate) async fn record(&self, key: &str) -> Arc<RunRecord> {
        self.store.inner.get(&key.parse().unwrap()).await.unwrap().unwrap()
    }
}

/// One line of the report, by its columns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row(BTreeMap<&'static str, String>);

impl Row {
    pub(crate) fn get(&self, column: &str) -> &str {
        &self.0[column]
    }

    /// `class` or `class:reason`.
    pub(crate) fn verdict(&self) -> String {
        match (self.get("class"), self.get("reason")) {
            (class, "") => class.to_owned(),
            (class, reason) => format!("{class}:{reason}"),
        }
    }

    pub(crate) fn is(&self, table: &str, row: &str) -> bool {
        self.get("table") == table && self.get("row") == row
    }
}

/// The lines of a report.
pub(crate) type Rows = Vec<Row>;

pub(crate) async fn run(import: &Import, mode: Mode<'_>) -> (Result<Report, ImportError>, Rows) {
    let mut bytes = Vec::new();
    let report = import.run(mode, &mut bytes, &mut |_| {}).await;
    (report, read_report(&bytes))
}

fn read_report(bytes: &[u8]) -> Rows {
    let mut reader = csv::Reader::from_reader(bytes);
    let header: Vec<_> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => panic!("{error}"),
    };
    if header.is_empty() {
        return Vec::new();
    }
    assert_eq!(header, REPORT_COLUMNS);
    let row = |record: csv::StringRecord| {
        Row(REPORT_COLUMNS
            .into_iter()
            .zip(record.iter().map(str::to_owned))
            .collect())
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import/fixtures/export-a")
        .join(name)
}

/// The whole of the real export.
pub(crate) fn export_a(clients: Input) -> Import {
    Import {
        jobs: Some(Input::csv(fixture("job_tracking.csv"))),
        clients: Some(clients),
        ..Import::default()
    }
}

/// A directory with files, and an import of them by their extensions.
pub(crate) struct Files {
    pub(crate) dir: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Input {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        Input::by_extension(path)
    }

    /// An import of clients alone.
    pub(crate) fn clients(&self, name: &str, content: impl AsRef<[u8]>) -> Import {
        Import {
            clients: Some(self.write(name, content)),
            ..Import::default()
        }
    }
}
