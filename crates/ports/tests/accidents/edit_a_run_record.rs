//! E0616: a record is changed past the rules.

use runledger_domain::RunRecord;

fn edited(mut record: RunRecord) -> RunRecord {
    record.version = 7;
    record
}

fn main() {}
