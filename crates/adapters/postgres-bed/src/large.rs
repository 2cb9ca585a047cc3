//! A large ledger, made by the database itself: a client would need hours.

/// The statements, with what they are about left open.
const STATEMENTS: &str = include_str!("large.sql");

/// The statements that put the records numbered from `first` to `last`, of a ledger that is to have `of` of them, into a
/// ledger of schema 1 or newer that has all before them. They are run by the owner, as one batch.
///
/// ```
/// let statements = runledger_postgres_bed::large_ledger(1, 10, 100);
/// assert!(statements.contains("generate_series(1::bigint, 10::bigint)"));
/// ```
pub fn large_ledger(first: u64, last: u64, of: u64) -> String {
    STATEMENTS
        .replace("{first}", &first.to_string())
        .replace("{last}", &last.to_string())
        .replace("{of}", &of.to_string())
}
