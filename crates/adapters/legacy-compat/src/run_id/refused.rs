//! The forms of run ids that are refused, by name: what an id is when it names no record of the ledger.

use std::fmt;

use runledger_domain::CalendarPart;

use super::begins_like_base;

/// What a refused run id is.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RefusedForm {
    /// Nothing at all, or only white space.
    Empty,
    /// B25: a text that stands for "no value", such as `undefined` or `INITIALIZING`.
    Placeholder,
    /// B7 to B11: the `SR-` family.
    SrFamily,
    /// B12: an Apify run id.
    ApifyId,
    /// B13: an Apify run id with a client behind it.
    ApifyIdWithClient,
    /// B14: `YYMMDD-HHMMSS-apify-<id>`.
    ApifySuffix,
    /// B15: `YYMMDD-HHMMSS-batch-all-clients`, with or without a client.
    BatchMaster,
    /// B16: a run with the name of a step behind it.
    Step,
    /// B17: `YYYYMMDDHHMM-<client>`.
    MinuteId,
    /// B18: `YYYY-MM-DD-HH-MM-SS-<client>`.
    DashedDate,
    /// B19 and B20: `job_...`, the id of a job in another table.
    JobId,
    /// B21: `client-fallback-<client>-<ms>`.
    ClientFallback,
    /// B22: `fallback_<ms>`, `auto_gen...`: invented when an id was missing.
    Fallback,
    /// B23: the label of a process, such as `smart_resume_<ms>_<random>`.
    ProcessLabel,
    /// B24: `YYYYMMDD-HHMMSS-mmm`, the session id of a logger.
    SessionId,
    /// B26: ids of tests and of single features.
    TestLabel,
    /// `YYMMDD-HHMMSS` by shape, but there is no such date or time.
    ImpossibleDate(CalendarPart),
    /// A timestamp id with another client, or something else, behind it.
    OtherClient {
        /// What stands behind the base.
        suffix: String,
    },
    /// A job's id with a client behind it.
    ClientOnJob {
        /// What stands behind the base.
        suffix: String,
    },
    /// White space before or after.
    Whitespace,
    /// Begins like a timestamp id, but is none.
    NearMiss,
    /// None of the above.
    Unknown,
}

/// Texts that programs wrote in the place of an id that was missing, of a run, a client or anything else. Compared
/// without regard to case.
const MISSING_VALUES: [&str; 6] = ["undefined", "null", "nan", "none", "unknown", "system"];

/// What programs and people wrote beside those when they had no run id.
const PLACEHOLDERS: [&str; 7] = ["initializing", "n/a", "na", "tbd", "false", "true", "(empty)"];

/// How the forms begin that have a word in front.
const PREFIXES: [(&str, RefusedForm); 16] = [
    ("job_", RefusedForm::JobId),
    ("fallback_job_", RefusedForm::JobId),
    ("client-fallback-", RefusedForm::ClientFallback),
    ("fallback_", RefusedForm::Fallback),
    ("auto_gen", RefusedForm::Fallback),
    ("post_batch_", RefusedForm::ProcessLabel),
    ("smart_resume_", RefusedForm::ProcessLabel),
    ("pipeline_", RefusedForm::ProcessLabel),
    ("client_pipeline_", RefusedForm::ProcessLabel),
    ("simple_client_by_client_", RefusedForm::ProcessLabel),
    ("client_by_client_", RefusedForm::ProcessLabel),
    ("test-run-", RefusedForm::TestLabel),
    ("multi-client-test-", RefusedForm::TestLabel),
    ("TEST-", RefusedForm::TestLabel),
    ("CC-SEND-", RefusedForm::TestLabel),
    ("RESCORE-", RefusedForm::TestLabel),
];

/// Names of operations that were hung behind a run id.
const STEPS: [&str; 6] = [
    "lead_scoring",
    "post_scoring",
    "post_harvesting",
    "profile_scoring",
    "lead_processing",
    "post_processing",
];

const APIFY_BYTES: usize = 17;

impl RefusedForm {
    /// The form of a text that is no timestamp id. Looks at the text alone.
    pub(super) fn of(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Empty;
        }
        if text.trim() != text {
            return Self::Whitespace;
        }
        if is_placeholder(text) {
            return Self::Placeholder;
        }
        if text.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("SR-")) {
            return Self::SrFamily;
        }
        if let Some((_, form)) = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            return form.clone();
        }
        if let Some(form) = dated(text) {
            return form;
        }
        match text.split_once('-') {
            None if is_apify_id(text) => Self::ApifyId,
            Some((head, _)) if is_apify_id(head) => Self::ApifyIdWithClient,
            _ if text.starts_with(|c: char| c.is_ascii_digit()) => Self::NearMiss,
            _ => Self::Unknown,
        }
    }

    /// The form of a timestamp id by what stands behind its base, when that is not the client given.
    pub(super) fn behind_base(rest: &str, client: Option<&str>) -> Self {
        if let Some(suffix) = rest.strip_prefix('-') {
            if suffix.strip_prefix("apify-").is_some_and(is_apify_id) {
                return Self::ApifySuffix;
            }
            if suffix == "batch-all-clients" || suffix.starts_with("batch-all-clients-") {
                return Self::BatchMaster;
            }
            if STEPS.contains(&suffix) {
                return Self::Step;
            }
        }
        let suffix = super::clip(rest.trim_start_matches(['-', ':']));
        match client {
            _ if suffix.is_empty() => Self::NearMiss,
            Some(_) => Self::OtherClient { suffix },
            None => Self::ClientOnJob { suffix },
        }
    }

    /// A stable word for reports. Forms of one family share it; [`Display`](fmt::Display) tells them apart.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Empty => "empty-id",
            Self::Placeholder => "placeholder",
            Self::SrFamily => "sr-family",
            Self::ApifyId | Self::ApifyIdWithClient | Self::ApifySuffix => "apify-id",
            Self::BatchMaster
            | Self::Step
            | Self::MinuteId
            | Self::DashedDate
            | Self::JobId
            | Self::ClientFallback
            | Self::Fallback
            | Self::ProcessLabel
            | Self::SessionId
            | Self::TestLabel
            | Self::Unknown => "foreign-id",
            Self::ImpossibleDate(_) => "impossible-date",
            Self::OtherClient { .. } => "client-mismatch",
            Self::ClientOnJob { .. } => "client-on-job",
            Self::Whitespace | Self::NearMiss => "unreadable-id",
        }
    }

    /// What to do about it.
    pub(super) const fn advice(&self) -> &'static str {
        match self {
            Self::Empty | Self::Placeholder => "give the id of the run that this belongs to",
            Self::SrFamily => "it has no time of day and cannot be converted",
            Self::ApifyId | Self::ApifyIdWithClient | Self::ApifySuffix => {
                "keep the Apify id as an external id and give the run's own id"
            }
            Self::BatchMaster | Self::Step | Self::ClientOnJob { .. } => {
                "give YYMMDD-HHMMSS alone if the row is about the run, or the client's own id"
            }
            Self::OtherClient { .. } => "the run id or the client is wrong; correct the one that is",
            Self::ImpossibleDate(_) | Self::Whitespace | Self::NearMiss => "write it as YYMMDD-HHMMSS",
            Self::MinuteId
            | Self::DashedDate
            | Self::JobId
            | Self::ClientFallback
            | Self::Fallback
            | Self::ProcessLabel
            | Self::SessionId
            | Self::TestLabel
            | Self::Unknown => "only YYMMDD-HHMMSS ids name a run here; give the run's own id",
        }
    }
}

impl fmt::Display for RefusedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Placeholder => "a placeholder for a missing value (B25)",
            Self::SrFamily => "of the retired SR- family (B7 to B11)",
            Self::ApifyId => "an Apify run id (B12)",
            Self::ApifyIdWithClient => "an Apify run id with a client behind it (B13)",
            Self::ApifySuffix => "a run with an Apify run id behind it (B14)",
            Self::BatchMaster => "the id of a whole batch (B15)",
            Self::Step => "a run with the name of a step behind it (B16)",
            Self::MinuteId => "an id of minutes, YYYYMMDDHHMM (B17)",
            Self::DashedDate => "a date and time with hyphens (B18)",
            Self::JobId => "the id of a job in another table (B19, B20)",
            Self::ClientFallback => "a stand-in for a lost id (B21)",
            Self::Fallback => "an id that was invented because one was missing (B22)",
            Self::ProcessLabel => "the label of a process (B23)",
            Self::SessionId => "the session id of a logger (B24)",
            Self::TestLabel => "the id of a test or of a single feature (B26)",
            Self::ImpossibleDate(part) => return write!(f, "not a date and time: there is no such {part}"),
            Self::OtherClient { suffix } => {
                return write!(f, "of {suffix:?}, which is not the client of the row");
            }
            Self::ClientOnJob { suffix } => return write!(f, "of a job, but carries {suffix:?}"),
            Self::Whitespace => "surrounded by white space",
            Self::NearMiss => "almost YYMMDD-HHMMSS, but not quite",
            Self::Unknown => "of no known form",
        })
    }
}

/// Whether the text stands for a missing value.
pub(crate) fn is_missing_value(text: &str) -> bool {
    MISSING_VALUES.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn is_placeholder(text: &str) -> bool {
    let is_word =
        |text: &str| is_missing_value(text) || PLACEHOLDERS.iter().any(|word| text.eq_ignore_ascii_case(word));
    // `undefined-Guy-Wilson`, `-Guy-Wilson`: a missing run id with a client behind it.
    let head = text.split_once('-').map_or(text, |(head, _)| head);
    let is_object = text.starts_with("[object ") || text.starts_with("Promise {");
    is_object || is_word(text) || is_word(head) || head.is_empty() || text == "0"
}

/// Forms that begin with a date in another shape than `YYMMDD`.
fn dated(text: &str) -> Option<RefusedForm> {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .take(24)
        .collect();
    let begins = |form: &str| shape.starts_with(form);
    let ends_or_goes_on = |form: &str| shape == form || begins(&format!("{form}-"));
    if ends_or_goes_on("99999999-999999") {
        return Some(RefusedForm::SessionId);
    }
    if ends_or_goes_on("999999999999") {
        return Some(RefusedForm::MinuteId);
    }
    if begins("9999-99-99-") {
        return Some(RefusedForm::DashedDate);
    }
    begins_like_base(text).then_some(RefusedForm::NearMiss)
}

/// 17 letters and digits, not all of them digits.
pub(crate) fn is_apify_id(text: &str) -> bool {
    text.len() == APIFY_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The module for Node has these rules in its own language and walks through the same rows (`node/lib/run-ids.js`).
    #[test]
    fn the_rows_that_both_languages_are_held_to_have_every_word_of_the_rules() {
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/contract/run-ids.json")).unwrap();
        let texts: Vec<_> = rows.iter().map(|row| row[1].as_str().unwrap()).collect();
        let words = MISSING_VALUES.iter().chain(&PLACEHOLDERS);
        for word in words {
            assert!(
                texts.iter().any(|text| text.eq_ignore_ascii_case(word)),
                "no row has {word}"
            );
        }
        for (prefix, _) in &PREFIXES {
            assert!(
                texts.iter().any(|text| text.starts_with(prefix)),
                "no row begins with {prefix}"
            );
        }
        for step in STEPS {
            let end = format!("-{step}");
            assert!(texts.iter().any(|text| text.ends_with(&end)), "no row ends with {end}");
        }
    }
}
