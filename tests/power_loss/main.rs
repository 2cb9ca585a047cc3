//! Power loss and failing disks: what was acknowledged is there afterwards, whole, or nothing was served (I4, I16).
//!
//! The driver runs under a shim that records every write and sync in their order. From that record images of the disk
//! are made as a power cut could leave them: everything that was synced, and of the rest any part, torn at sectors. Each
//! image is opened with the store and compared with what had been acknowledged up to that point.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

mod disk;
mod recording;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use runledger_domain::RunKey;
use runledger_embedded::{DATABASE_FILE, EmbeddedOptions, EmbeddedStore};
use runledger_ports::RunReader as _;

use crate::disk::Image;
use crate::recording::{Recording, Shim};

/// Images of one run; many more behind `cargo xtask verify`.
#[expect(
    clippy::disallowed_methods,
    reason = "the length of the verification comes from xtask"
)]
fn images() -> u64 {
    if std::env::var_os("RUNLEDGER_VERIFY").is_some() {
        4_000
    } else {
        150
    }
}

/// What is wrong with the ledger in `directory`, given what had been acknowledged: the highest version of each key.
async fn faults(directory: &Path, acknowledged: &BTreeMap<String, u64>) -> Vec<String> {
    let store = match EmbeddedStore::open(directory, EmbeddedOptions::default()) {
        Ok(store) => store,
        Err(error) => return vec![format!("cannot be opened: {error}")],
    };
    let mut faults = Vec::new();
    for (key, version) in acknowledged {
        let key: RunKey = key.parse().unwrap();
        let found = store.get(&key).await.unwrap().map_or(0, |record| record.version());
        if found < *version {
            faults.push(format!("{key} was acknowledged at version {version}, found {found}"));
        }
    }
    let report = store.verify().await.unwrap();
    faults.extend(
        report
            .findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.subject, finding.problem)),
    );
    store.close();
    faults
}

#[tokio::test]
async fn i4_no_power_cut_takes_back_what_was_acknowledged() {
    let shim = Shim::build();
    let recording = shim.record("ledger", 12, None);
    assert!(recording.succeeded, "{}", recording.complaint);
    for seed in 0..images() {
        let image = Image::after_power_cut(&recording, seed);
        let directory = tempfile::tempdir().unwrap();
        image.write_to(directory.path());
        let faults = faults(directory.path(), &image.acknowledged).await;
        assert_eq!(
            faults,
            Vec::<String>::new(),
            "seed {seed}, cut at event {} of {}",
            image.cut,
            recording.events.len()
        );
    }
}

#[test]
fn the_check_notices_rows_that_are_lost() {
    let shim = Shim::build();
    let recording = shim.record("control", 12, None);
    assert!(recording.succeeded, "{}", recording.complaint);
    let mut lost = 0;
    for seed in 0..100 {
        let image = Image::after_power_cut(&recording, seed);
        let directory = tempfile::tempdir().unwrap();
        image.write_to(directory.path());
        let connection = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).unwrap();
        let rows: i64 = connection
            .query_row("SELECT count(*) FROM control", [], |row| row.get(0))
            .unwrap_or(0);
        lost += usize::from(rows < i64::try_from(image.acknowledged.len()).unwrap());
    }
    assert!(
        lost > 20,
        "only {lost} of 100 images lost rows of a writer that does not sync"
    );
}

#[tokio::test]
async fn i16_a_failing_sync_stops_the_ledger_before_it_loses_anything() {
    let shim = Shim::build();
    let mut refused = 0;
    for sync in 1..=24 {
        let recording = shim.record("ledger", 4, Some(sync));
        let Some(failed) = recording.events.iter().position(|event| event.kind == 'F') else {
            continue;
        };
        // The pages of a failed sync are gone: the worst image is the one with nothing but what was synced.
        let image = Image::synced_only(&recording);
        let directory = tempfile::tempdir().unwrap();
        image.write_to(directory.path());
        let faults = faults(directory.path(), &image.acknowledged).await;
        assert_eq!(faults, Vec::<String>::new(), "sync {sync} failed");
        let acknowledged_after = recording.events[failed..]
            .iter()
            .filter(|event| event.is_acknowledgement())
            .count();
        if !recording.succeeded {
            refused += 1;
            // Tasks that were answered just before may note it just after; nothing new is accepted.
            assert!(
                acknowledged_after <= 4,
                "sync {sync}: {acknowledged_after} acknowledgements after the failure"
            );
        }
    }
    assert!(refused >= 5, "only {refused} of 24 failing syncs were noticed");
}

#[test]
fn the_shim_sees_what_the_ledger_asks_of_the_disk() {
    let recording: Recording = Shim::build().record("ledger", 2, None);
    let count = |kind: char| recording.events.iter().filter(|event| event.kind == kind).count();
    assert!(
        count('W') > 10 && count('S') >= 8 && count('D') >= 1,
        "W {} S {} D {}",
        count('W'),
        count('S'),
        count('D')
    );
    assert_eq!(
        recording
            .events
            .iter()
            .filter(|event| event.is_acknowledgement())
            .count(),
        16
    );
    assert!(fs::metadata(recording.directory.path()).is_ok());
}
