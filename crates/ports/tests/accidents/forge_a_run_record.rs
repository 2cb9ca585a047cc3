//! E0451: a record is put together by hand from parts of another one.

use runledger_domain::RunRecord;

fn forged(other: RunRecord) -> RunRecord {
    RunRecord { version: 1, ..other }
}

fn main() {}
