//! PATCH, PUT and DELETE: records that are there are changed; nothing here creates (I3). A request to update or create
//! updates, and is refused for what is not there.
//!
//! What a row shows already says nothing, so clients that send a whole row back change what differs. An empty or a missing
//! cell empties nothing.

use std::sync::Arc;

use runledger_airtable_formula::moment;
use runledger_app::ReadError;
use runledger_domain::access::Scope;
use runledger_domain::{Command, Completion, Outcome, RunKey, RunRecord, Source, Status, Subject};
use runledger_ports::Changed;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::answer::{Answered, Asked};
use super::body::{Sent, SentRecord, known_column};
use super::create::key_of;
use super::row::{Row, notes};
use super::table::Deletes;
use crate::fields::{
    APIFY_RUN_ID, CLIENT_ID, COMPLETION_NOTES, END_TIME, PROGRESS_LOG, RUN_ID, START_TIME, STATUS, SYSTEM_NOTES,
};
use crate::service::arguments::string;
use crate::service::columns::{Columns, Numbers, number};
use crate::service::decision::decide;
use crate::service::failure::Failure;
use crate::service::key;
use crate::service::record::APIFY;
use crate::status;

/// Changes the records of a body.
pub(super) async fn update(asked: &Asked<'_>, claimed: &mut Subject) -> Result<Answered, Failure> {
    let source = asked.source(Scope::Change)?;
    let sent = Sent::read(asked.table, asked.body, "updated")?;
    if asked.row.is_some() != sent.is_single {
        let detail = "a record in the path takes fields, a path without one takes records";
        return Err(Failure::new("body_invalid", detail));
    }
    check_merge(asked, &sent)?;
    let mut targets: Vec<Target> = Vec::with_capacity(sent.records.len());
    for record in &sent.records {
        let stored = meant(asked, &sent, record, claimed).await?;
        if targets.iter().any(|other| other.record.key() == stored.key()) {
            let detail = "You cannot update the same record multiple times in a single request.";
            return Err(Failure::new("records_invalid", detail));
        }
        targets.push(Target::read(asked, &source, stored, record)?);
    }
    dry_run(asked, &source, &targets, claimed).await?;
    let (rows, came_to) = carry_out(asked, &source, targets, claimed).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id().to_owned()).collect();
    Answered::rows(&rows, &sent, came_to, &ids)
}

/// Ends the records as cancelled, where the settings say so, and refuses otherwise. They stay, and are listed (I1).
pub(super) async fn delete(asked: &Asked<'_>, claimed: &mut Subject) -> Result<Answered, Failure> {
    let source = asked.source(Scope::Change)?;
    let in_query = form_urlencoded::parse(asked.query.as_bytes())
        .filter(|(name, _)| matches!(&**name, "records[]" | "records"))
        .map(|(_, id)| id.into_owned());
    let ids: Vec<String> = asked.row.map(str::to_owned).into_iter().chain(in_query).collect();
    if ids.is_empty() || ids.len() > super::body::BATCH_MAX {
        let detail = format!("{} records in one request; send 1 to 10", ids.len());
        return Err(Failure::new("records_invalid", detail));
    }
    let mut targets = Vec::new();
    for id in &ids {
        let record = by_id(asked, id, claimed).await?;
        targets.push(Target {
            commands: vec![end(&record, Outcome::Cancelled)],
            record,
        });
    }
    if asked.table.deletes == Deletes::Refuse {
        let detail = "records of runs are never deleted; end the run instead, by an update of its Status";
        return Err(Failure::new("delete_refused", detail));
    }
    dry_run(asked, &source, &targets, claimed).await?;
    let (_, came_to) = carry_out(asked, &source, targets, claimed).await?;
    let deleted = |id: &String| serde_json::json!({ "id": id, "deleted": true });
    if let (Some(_), [id]) = (&asked.row, &ids[..]) {
        return Answered::of(&deleted(id), came_to);
    }
    let records: Vec<_> = ids.iter().map(deleted).collect();
    Answered::of(&serde_json::json!({ "records": records }), came_to)
}

/// A record, and what is to happen to it.
struct Target {
    record: Arc<RunRecord>,
    commands: Vec<Command>,
}

impl Target {
    fn read(
        asked: &Asked<'_>,
        source: &Source,
        record: Arc<RunRecord>,
        sent: &SentRecord<'_>,
    ) -> Result<Self, Failure> {
        let row = asked.row(Arc::clone(&record))?;
        let mut changed: Vec<(String, Box<RawValue>)> = Vec::new();
        let mut texts = Vec::new();
        for (older, value) in &sent.cells {
            match *older {
                SYSTEM_NOTES | COMPLETION_NOTES | PROGRESS_LOG if value.get() != "null" => {
                    let text = string(asked.table.name_of(older), value)?;
                    texts.push(appended(&text, &notes(&record)).trim_end().to_owned());
                }
                _ if says_nothing_new(&row, older, value) => {}
                _ => changed.push(((*older).into(), (*value).to_owned())),
            }
        }
        texts.retain(|text| !text.trim().is_empty());
        let text = to_raw_value(&texts.join("\n")).map_err(|error| Failure::new("internal", error.to_string()))?;
        changed.insert(0, (SYSTEM_NOTES.into(), text));
        // The end that is said again comes with its time again.
        let ends = sent
            .cells
            .iter()
            .any(|(older, value)| *older == STATUS && is_end(value));
        if ends {
            changed.retain(|(older, _)| older != END_TIME);
        }
        let members: Vec<_> = changed.iter().map(|(older, value)| (older.clone(), &**value)).collect();
        let mut columns = Columns::read(&members, record.key(), Numbers::Set)?;
        if record.key().client().is_some() && asked.triggers.contains(source) {
            columns.end_is_a_note(source)?;
        }
        let commands = commands(&record, columns);
        Ok(Self { record, commands })
    }
}

fn commands(record: &RunRecord, columns: Columns) -> Vec<Command> {
    let has_contents = columns.has_contents() || columns.update.start;
    let Columns { mut update, end } = columns;
    // A text that the last note says already is one that was sent again.
    let last = notes(record).last().copied();
    if update.note.as_ref().is_some_and(|note| Some(note.as_str()) == last) {
        update.note = None;
    }
    let note = if end.is_some() { update.note.take() } else { None };
    let mut commands = Vec::new();
    let is_something =
        update.start || update.note.is_some() || !update.metrics.is_empty() || !update.external_ids.is_empty();
    if has_contents && is_something {
        commands.push(Command::Update(update));
    }
    if let Some(outcome) = end {
        commands.push(Command::Complete(Completion {
            outcome,
            note,
            close_open: false,
        }));
    }
    if commands.is_empty() {
        commands.push(nothing_new(record));
    }
    commands
}

/// What leaves its line and changes nothing but the deadline: the program is alive, and of an ended record it says what
/// was said before.
fn nothing_new(record: &RunRecord) -> Command {
    match record.state().ending() {
        None => Command::Heartbeat,
        Some(ending) => end(record, ending.outcome),
    }
}

/// The end of a record; said again, it changes nothing.
fn end(record: &RunRecord, outcome: Outcome) -> Command {
    Command::Complete(Completion {
        outcome,
        note: record.state().ending().and_then(|ending| ending.note.clone()),
        close_open: false,
    })
}

/// Finds the record that is meant: by the path, by its id, or by the columns that a request to update or create says.
async fn meant(
    asked: &Asked<'_>,
    sent: &Sent<'_>,
    record: &SentRecord<'_>,
    claimed: &mut Subject,
) -> Result<Arc<RunRecord>, Failure> {
    if let Some(id) = asked.row.or(record.id.as_deref()) {
        return by_id(asked, id, claimed).await;
    }
    if sent.merge_on.is_none() {
        let detail = "a record of the batch has no id; send the id of each record that is to be updated";
        return Err(Failure::new("records_invalid", detail));
    }
    let key = key_of(asked.table, record, claimed)?;
    let missing = format!(
        "there is no record {key}, and a request to update or create never creates; create it with POST, on purpose"
    );
    stored(asked, &key, missing).await
}

/// The record of a row id.
pub(super) async fn by_id(asked: &Asked<'_>, id: &str, claimed: &mut Subject) -> Result<Arc<RunRecord>, Failure> {
    *claimed = Subject::claimed(id, "");
    let missing = || format!("Record ID {id} does not exist in this table");
    let Some(key) = asked.ids.key(asked.ledger, asked.access, asked.table.kind, id).await? else {
        return Err(Failure::new("not_found", missing()));
    };
    // The key of a record that the caller may not know of stays unsaid in the answer; the line has it.
    *claimed = Subject::of(&key);
    stored(asked, &key, missing()).await
}

async fn stored(asked: &Asked<'_>, key: &RunKey, missing: String) -> Result<Arc<RunRecord>, Failure> {
    if !asked.access.sees(key) {
        return Err(Failure::unseen(missing));
    }
    asked.ledger.runs.get(key).await.map_err(|error| match error {
        ReadError::NotFound { .. } => Failure::new("not_found", missing),
        unavailable @ ReadError::Unavailable(_) => unavailable.into(),
    })
}

/// A request to update or create must find records by what makes them one.
fn check_merge(asked: &Asked<'_>, sent: &Sent<'_>) -> Result<(), Failure> {
    let Some(names) = &sent.merge_on else { return Ok(()) };
    let mut merge_on = Vec::new();
    for name in names {
        merge_on.push(known_column(asked.table, name)?.older);
    }
    let mut wanted = asked.table.key_columns().to_vec();
    merge_on.sort_unstable();
    wanted.sort_unstable();
    if merge_on == wanted {
        return Ok(());
    }
    let wanted: Vec<_> = wanted.iter().map(|older| asked.table.name_of(older)).collect();
    let detail = format!(
        "fieldsToMergeOn must name {}, which say which record a row is",
        wanted.join(" and ")
    );
    Err(Failure::new("body_invalid", detail))
}

/// Decides everything before anything is written, where there is more than one thing to write: a batch is all or nothing as
/// far as can be known before.
async fn dry_run(asked: &Asked<'_>, source: &Source, targets: &[Target], claimed: &mut Subject) -> Result<(), Failure> {
    if targets.iter().map(|target| target.commands.len()).sum::<usize>() < 2 {
        return Ok(());
    }
    for Target { record, commands } in targets {
        *claimed = Subject::of(record.key());
        decide(asked.ledger, source, record, commands).await?;
    }
    Ok(())
}

async fn carry_out<'a>(
    asked: &Asked<'a>,
    source: &Source,
    targets: Vec<Target>,
    claimed: &mut Subject,
) -> Result<(Vec<Row<'a>>, &'static str), Failure> {
    let count = targets.len();
    let mut rows = Vec::with_capacity(count);
    let mut came_to = "unchanged";
    for Target { record, commands } in targets {
        *claimed = Subject::of(record.key());
        let mut last = record;
        for (place, command) in commands.into_iter().enumerate() {
            let key = last.key().clone();
            let changed = asked.ledger.runs.change(source, key, None, command).await;
            let changed = changed.map_err(|error| {
                let failure = Failure::of_change(error, "Cannot update");
                // What was decided before did not hold any more: somebody else was faster.
                let of_this = if place > 0 {
                    "; what this request says beside Status was written"
                } else {
                    ""
                };
                let before = match rows.len() {
                    0 => String::new(),
                    done => format!("; the first {done} of {count} records were updated"),
                };
                let detail = format!("{}{of_this}{before}", failure.detail());
                failure.saying(detail)
            })?;
            if matches!(changed, Changed::Applied { .. }) {
                came_to = "changed";
            }
            last = Arc::clone(changed.record());
        }
        rows.push(asked.row(last)?.with_totals(asked.ledger).await?);
    }
    Ok((rows, came_to))
}

/// Whether a cell says what its row shows already.
fn says_nothing_new(row: &Row<'_>, older: &str, sent: &RawValue) -> bool {
    if matches!(sent.get(), "null" | "\"\"") {
        return true;
    }
    let Ok(sent_value) = serde_json::from_str::<Value>(sent.get()) else {
        return false;
    };
    let record = &row.record;
    match (older, sent_value.as_str()) {
        (APIFY_RUN_ID, Some(text)) => {
            let mut ids = record.external_ids().iter().filter(|id| id.system() == APIFY);
            ids.any(|id| id.id() == text) || row.cell(older).is_some_and(|cell| cell.get() == sent.get())
        }
        (STATUS, Some(word)) => status::said(word).is_ok_and(|said| is_status(record, said)),
        (RUN_ID, Some(text)) => key::key(text, record.key().client()).is_ok_and(|key| key == *record.key()),
        (CLIENT_ID, Some(text)) => record.key().client().is_some_and(|client| client.as_str() == text),
        (START_TIME | END_TIME, Some(text)) => {
            let shown = row
                .cell(older)
                .and_then(|cell| serde_json::from_str::<String>(cell.get()).ok());
            shown.is_some_and(|shown| moment(&shown) == moment(text))
        }
        _ => row.cell(older).is_some_and(|cell| {
            cell.get() == sent.get()
                || is_number(older, cell, sent)
                || serde_json::from_str::<Value>(cell.get()).is_ok_and(|cell| cell == sent_value)
        }),
    }
}

/// Whether a number is shown and sent again, as a number or as its text.
fn is_number(column: &str, shown: &RawValue, sent: &RawValue) -> bool {
    let is_text = shown.get().starts_with('"');
    !is_text && number(column, shown).is_ok_and(|shown| number(column, sent).is_ok_and(|sent| sent == shown))
}

/// Whether the record stands where a word says, as far as the words of the tables tell ends apart.
fn is_status(record: &RunRecord, said: Status) -> bool {
    match (said, record.status()) {
        (Status::Ended(_), Status::Ended(_)) => status::write(said) == status::write(record.status()),
        (said, now) => said == now,
    }
}

fn is_end(value: &RawValue) -> bool {
    let word = serde_json::from_str::<String>(value.get());
    word.is_ok_and(|word| matches!(status::said(&word), Ok(Status::Ended(_))))
}

/// What a text adds to the notes. Clients read the whole text, put a line behind it and write it back; a text that begins
/// with what stands there, or with what stood there when it was read, adds the rest. Any other text is added as it is:
/// nobody's lines are wiped.
fn appended<'a>(text: &'a str, notes: &[&str]) -> &'a str {
    for length in (1..=notes.len()).rev() {
        let Some(rest) = text.strip_prefix(&notes[..length].join("\n")) else {
            continue;
        };
        // Behind the newest text anything may follow; behind an older one only what is plainly another line.
        if length == notes.len() || rest.is_empty() || rest.starts_with('\n') {
            return rest.trim_start();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_adds_what_follows_what_stood_there_when_it_was_read() {
        for (text, notes, expected) in [
            ("new", &[][..], "new"),
            ("a\nb\nnew", &["a", "b"][..], "new"),
            ("a\nb", &["a", "b"][..], ""),
            ("a\nnew", &["a", "b"][..], "new"),
            ("a", &["a", "b"][..], ""),
            ("a\nb. Updated", &["a", "b"][..], ". Updated"),
            ("a and more", &["a", "b"][..], "a and more"),
            ("other", &["a", "b"][..], "other"),
        ] {
            assert_eq!(appended(text, notes), expected, "{text:?} behind {notes:?}");
        }
    }
}
