//! Changing what exists. There is no way from here to a new record (I3).

use std::sync::Arc;

use runledger_domain::change::{apply, close_with_job};
use runledger_domain::{
    Change, ChangeContext, ChangeEvidence, ClientLoad, NewActivity, RecordKind, RunKey, RunRecord, Verdict,
};
use runledger_ports::{ChangeError, ChangeRequest, Changed};

use crate::ledger::Ledger;

pub(crate) fn change(ledger: &mut Ledger, request: ChangeRequest) -> Result<Changed, ChangeError> {
    if let Some(fence) = &request.fence
        && ledger.leases.check(fence, &fence.duty).is_err()
    {
        let (error, line) = request.fenced(&fence.duty);
        ledger.log(line);
        return Err(error);
    }
    let Some(current) = ledger.get(&request.key).cloned() else {
        return Err(not_found(ledger, request));
    };
    let open_clients = if request.command.ends_record() {
        open_clients(ledger, &request.key)
    } else {
        Vec::new()
    };
    let load = match request.key.client() {
        Some(client) if request.context.needs_load(&request.key, &request.command) => ledger.load_of(client),
        _ => ClientLoad::default(),
    };
    let evidence = ChangeEvidence {
        open_clients: open_clients.len(),
        load,
    };
    match apply(&current, &request.context, &request.command, evidence) {
        Ok(Change::Applied {
            record,
            detail,
            close_clients,
        }) => {
            let to_close = if close_clients { open_clients } else { Vec::new() };
            let line = line(&request, Verdict::Changed, Some(&record), detail);
            let record = ledger.replace(*record).unwrap_or(current);
            ledger.log(line);
            let closed = close(ledger, &request, &to_close);
            Ok(Changed::Applied { record, closed })
        }
        Ok(Change::Unchanged) => {
            ledger.log(line(&request, Verdict::Unchanged, Some(&current), String::new()));
            Ok(Changed::Unchanged(current))
        }
        Err(refusal) => {
            let verdict = Verdict::Refused(refusal.code().into());
            ledger.log(line(&request, verdict, Some(&current), refusal.to_string()));
            Err(ChangeError::Refused { refusal, current })
        }
    }
}

fn not_found(ledger: &mut Ledger, request: ChangeRequest) -> ChangeError {
    let verdict = Verdict::Refused("not_found".into());
    let line = line(&request, verdict, None, String::new());
    let error = ChangeError::NotFound { key: request.key };
    ledger.log(NewActivity {
        detail: error.to_string(),
        ..line
    });
    error
}

/// The client records of a job that are still open; none for a client run record.
fn open_clients(ledger: &Ledger, key: &RunKey) -> Vec<Arc<RunRecord>> {
    if key.kind() == RecordKind::Client {
        return Vec::new();
    }
    ledger
        .run(key.run())
        .filter(|record| record.key().kind() == RecordKind::Client && record.status().is_open())
        .cloned()
        .collect()
}

/// Closes the client records that a job's end closes, each with a line of its own.
fn close(ledger: &mut Ledger, request: &ChangeRequest, open: &[Arc<RunRecord>]) -> Vec<RunKey> {
    let mut closed = Vec::with_capacity(open.len());
    for record in open {
        let Some(next) = close_with_job(record, &request.context) else {
            continue;
        };
        let (key, version) = (next.key().clone(), next.version());
        let context: &ChangeContext = &request.context;
        let line = context.line(
            request.command.action(),
            &key,
            Verdict::Changed,
            Some(version),
            format!("{}; closed with its job", next.status()),
        );
        ledger.replace(next);
        ledger.log(line);
        closed.push(key);
    }
    closed
}

fn line(request: &ChangeRequest, verdict: Verdict, record: Option<&RunRecord>, detail: String) -> NewActivity {
    request.context.line(
        request.command.action(),
        &request.key,
        verdict,
        record.map(RunRecord::version),
        detail,
    )
}
