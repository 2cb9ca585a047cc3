//! The import, run as the binary runs it: files in, a ledger and a report out.

mod export_a;
mod odd_files;
mod support;
