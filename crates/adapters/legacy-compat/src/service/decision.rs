//! What a request that changes a record more than once comes to, before any of it is written: a refusal leaves nothing
//! behind but its line (I11).

use std::sync::Arc;

use runledger_app::Ledger;
use runledger_domain::change::{self, Change, ChangeEvidence};
use runledger_domain::{ChangeContext, Command, RunKey, RunRecord, Source};

use super::failure::Failure;

/// Decides all these commands, one after the other, on the record as it is.
///
/// # Errors
/// The refusal of the first that is refused, or that the store cannot say what is to be known for it.
pub(crate) async fn decide(
    ledger: &Ledger,
    source: &Source,
    record: &Arc<RunRecord>,
    commands: &[Command],
) -> Result<(), Failure> {
    let context = ChangeContext::new(source.clone(), ledger.runs.now());
    let mut now = RunRecord::clone(record);
    for command in commands {
        let mut evidence = ChangeEvidence::default();
        if let (RunKey::Job(run), true) = (record.key(), command.ends_record()) {
            let open = ledger.runs.summary(run).await?.open;
            evidence.open_clients = usize::try_from(open).unwrap_or(usize::MAX);
        }
        match change::apply(&now, &context, command, evidence) {
            Ok(Change::Applied { record, .. }) => now = *record,
            Ok(Change::Unchanged) => {}
            Err(refusal) => {
                let failure = Failure::new(refusal.code(), refusal.to_string());
                return Err(failure.against(Arc::clone(record), Vec::new()));
            }
        }
    }
    Ok(())
}
