//! E0451: a record to insert is put together by hand, without a permit.

use runledger_domain::RunRecord;
use runledger_domain::creation::NewRecord;

fn forged(record: Box<RunRecord>) -> NewRecord {
    NewRecord { record }
}

fn main() {}
