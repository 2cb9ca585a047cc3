//! Changes to the contents of an open record: metrics, notes, references.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::{ChangeContext, ChangeRefusal, UPDATES_MAX, Update};
use crate::external_id::{EXTERNAL_IDS_MAX, normalised};
use crate::metric::{MetricChange, MetricName, MetricValue};
use crate::note::{NOTES_MAX_BYTES, Note, NoteText};
use crate::quota::ClientLoad;
use crate::record::RunRecord;
use crate::status::State;

pub(super) fn apply(
    record: &mut RunRecord,
    context: &ChangeContext,
    update: &Update,
    load: ClientLoad,
) -> Result<String, ChangeRefusal> {
    let has_content = !update.metrics.is_empty() || update.note.is_some() || !update.external_ids.is_empty();
    if !has_content && !update.start {
        return Err(ChangeRefusal::NothingToChange);
    }
    let mut done = Vec::new();
    if update.start && matches!(record.state, State::Queued) {
        begin(record, context);
        done.push("started".to_string());
    }
    if !update.metrics.is_empty() {
        record.metrics = record.metrics.merge(&update.metrics)?;
        done.push(describe(&update.metrics));
    }
    if let Some(text) = &update.note {
        append_note(record, context, text, load)?;
        done.push("note".to_string());
    }
    for id in &update.external_ids {
        if !record.external_ids.contains(id) {
            record.external_ids.push(id.clone());
            done.push(format!("reference {id}"));
        }
    }
    if record.external_ids.len() > EXTERNAL_IDS_MAX {
        return Err(ChangeRefusal::TooManyExternalIds);
    }
    record.external_ids.sort_unstable();
    if let Some(id) = &update.update_id {
        if record.updates.len() >= UPDATES_MAX {
            return Err(ChangeRefusal::TooManyUpdates {
                key: record.key.clone(),
            });
        }
        record.updates.insert(id.clone(), fingerprint(update));
    }
    Ok(done.join("; "))
}

/// Whether an update without a name of its own asks for nothing but what the open record holds already.
pub(super) fn is_in_place(record: &RunRecord, update: &Update) -> bool {
    let asks_for_something = update.start || !update.external_ids.is_empty();
    asks_for_something
        && update.metrics.is_empty()
        && update.note.is_none()
        && !(update.start && matches!(record.state, State::Queued))
        && update.external_ids.iter().all(|id| record.external_ids.contains(id))
        && record.status().is_open()
}

pub(super) fn begin(record: &mut RunRecord, context: &ChangeContext) {
    if matches!(record.state, State::Queued) {
        record.state = State::Running { started_at: context.at };
    }
}

fn append_note(
    record: &mut RunRecord,
    context: &ChangeContext,
    text: &NoteText,
    load: ClientLoad,
) -> Result<(), ChangeRefusal> {
    let held: usize = record.notes.iter().map(|note| note.text.as_str().len()).sum();
    if held + text.as_str().len() > NOTES_MAX_BYTES {
        return Err(ChangeRefusal::NotesFull {
            key: record.key.clone(),
        });
    }
    if let Some(client) = record.key.client()
        && let Some(bound) = context.quotas.stands_against_a_note(load)
    {
        return Err(ChangeRefusal::NotesQuota {
            client: client.clone(),
            bound,
        });
    }
    record.notes.push(Note {
        at: context.at,
        source: context.source.clone(),
        text: text.clone(),
    });
    Ok(())
}

pub(super) fn describe(change: &MetricChange) -> String {
    let part = |word: &str, values: &BTreeMap<MetricName, MetricValue>| {
        let listed: Vec<_> = values
            .iter()
            .take(8)
            .map(|(name, value)| format!("{word} {name} {value}"))
            .collect();
        let more = if values.len() > listed.len() {
            format!(" and {} more", values.len() - listed.len())
        } else {
            String::new()
        };
        (!listed.is_empty()).then(|| listed.join(", ") + &more)
    };
    let parts = [
        part("add", &change.add),
        part("max", &change.max),
        part("set", &change.set),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// 64 bits of a hash over everything that the update changes: enough to notice that an id is used for something else.
pub(super) fn fingerprint(update: &Update) -> u64 {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    put(if update.start { "start" } else { "" });
    // Each list begins with its length: no text in it can be taken for what follows it.
    for values in [&update.metrics.add, &update.metrics.max, &update.metrics.set] {
        put(&values.len().to_string());
        for (name, value) in values {
            put(name.as_str());
            put(&value.to_string());
        }
    }
    put(update.note.as_ref().map_or("", NoteText::as_str));
    for id in normalised(&update.external_ids) {
        put(id.system());
        put(id.id());
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}
