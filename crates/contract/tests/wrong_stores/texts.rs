//! What wrong stores make of the texts that they are given.

use runledger_domain::{Command, NoteText};

use crate::flaws::Flaw;

/// The note as this store keeps it; `None` when it keeps notes as they are.
pub(crate) fn distorted(flaw: Flaw, note: &NoteText) -> Option<NoteText> {
    let text = note.as_str();
    let kept = match flaw {
        Flaw::TrimsNotes => text.trim().to_owned(),
        Flaw::ShortensNotes => text.chars().take(255).collect(),
        Flaw::TranslatesLineEnds => text.replace("\r\n", "\n"),
        _ => return None,
    };
    kept.parse().ok()
}

/// The command with its note as this store keeps it.
pub(crate) fn distort(flaw: Flaw, command: &mut Command) {
    let note = match command {
        Command::Update(update) => &mut update.note,
        Command::Complete(completion) => &mut completion.note,
        Command::StartStage { .. } | Command::FinishStage { .. } | Command::Heartbeat | Command::DeclareLost { .. } => {
            return;
        }
    };
    if let Some(kept) = note.as_ref().and_then(|note| distorted(flaw, note)) {
        *note = Some(kept);
    }
}
