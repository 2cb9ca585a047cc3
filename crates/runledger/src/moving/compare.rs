//! Two ledgers, record by record: both are read in the order of their keys, so that neither is ever held in memory.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use runledger_domain::access::TokenRecord;
use runledger_domain::{ClientId, RunKey, RunRecord};
use runledger_ports::{DeliveryState, LedgerSnapshot, Unavailable, WebhookName};
use serde_json::{Value, json};

use super::Source;
use crate::commands::Context;
use crate::failure::{Exit, Failure, Outcome};

/// How many records are read at once, of each ledger.
const RECORDS_AT_ONCE: u32 = 1_000;
/// The most findings that are shown; the rest are counted.
const FINDINGS_MAX: usize = 100;

/// Compares the ledger of the settings with another one.
///
/// # Errors
/// They differ, or one of them cannot be read, or they are one.
pub(crate) async fn compare(context: &Context<'_>, other: &str) -> Outcome {
    if Source::is_named(context.settings, other) {
        return Err(
            Failure::usage("that is this ledger itself, and of that nothing differs").advise(
                "name the other one; which is this one say --data and store.kind, as `runledger config show` shows them",
            ),
        );
    }
    let here = Source::open(context.settings).await?;
    let there = Source::named(context.settings, other).await?;
    let compared = {
        let (mut one, mut two) = (here.snapshot().await?, there.snapshot().await?);
        compare_all(one.as_mut(), two.as_mut()).await
    };
    here.close().await;
    there.close().await;
    let report = compared.map_err(Failure::unavailable)?;
    report.print(context)?;
    if report.is_equal() {
        return Ok(());
    }
    context.output.flush()?;
    Err(Failure::new(Exit::Fault, "the two ledgers differ").advise(
        "if one of them is still written to, stop that and compare again; else docs/moving.md says what each finding means",
    ))
}

/// What was found.
#[derive(Debug, Default)]
struct Report {
    records: [u64; 2],
    lines: [u64; 2],
    /// The last line up to which both logs are the same.
    common: u64,
    /// Records that are only here, only there, and in both but not alike.
    missing: u64,
    extra: u64,
    differing: u64,
    /// Tokens and webhooks that are not alike.
    others: u64,
    findings: Vec<Value>,
}

impl Report {
    fn is_equal(&self) -> bool {
        let logs = self.lines[0] == self.lines[1] && self.common == self.lines[0];
        logs && self.missing + self.extra + self.differing + self.others == 0
    }

    fn found(&mut self, finding: impl FnOnce() -> Value) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }

    fn print(&self, context: &Context<'_>) -> Outcome {
        let output = context.output;
        if output.is_json() {
            return output.value(&json!({
                "equal": self.is_equal(),
                "records": {"here": self.records[0], "there": self.records[1]},
                "lines": {"here": self.lines[0], "there": self.lines[1], "equal_up_to": self.common},
                "missing": self.missing,
                "extra": self.extra,
                "differing": self.differing,
                "tokens_and_webhooks": self.others,
                "findings": self.findings,
            }));
        }
        let [here, there] = self.records;
        output.line(&format!("{here} records here, {there} there"))?;
        let [here, there] = self.lines;
        output.line(&match (here == there, self.common == here) {
            (true, true) => format!("{here} lines of the log, the same in both"),
            _ => format!(
                "{here} lines of the log here, {there} there; the same up to line {}",
                self.common
            ),
        })?;
        for finding in &self.findings {
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            output.line(&format!("{}: {}", text("subject"), text("problem")))?;
        }
        if self.is_equal() {
            return output.line("nothing differs");
        }
        output.line(&format!(
            "{} missing there, {} there alone, {} differing; {} tokens or webhooks differ",
            self.missing, self.extra, self.differing, self.others
        ))
    }
}

async fn compare_all(here: &mut dyn LedgerSnapshot, there: &mut dyn LedgerSnapshot) -> Result<Report, Unavailable> {
    let mut report = Report {
        lines: [here.head().seq, there.head().seq],
        common: common(here, there).await?,
        ..Report::default()
    };
    records(here, there, &mut report).await?;
    let tokens = (here.tokens().await?, there.tokens().await?);
    let named = |tokens: Vec<TokenRecord>| {
        let each = tokens.into_iter();
        each.map(|token| (token.id().as_str().to_owned(), token)).collect()
    };
    others("token", &named(tokens.0), &named(tokens.1), &mut report);
    let webhooks = (here.deliveries().await?, there.deliveries().await?);
    let named = |webhooks: Vec<(WebhookName, DeliveryState)>| {
        let each = webhooks.into_iter();
        each.map(|(name, state)| (name.as_str().to_owned(), state)).collect()
    };
    others("webhook", &named(webhooks.0), &named(webhooks.1), &mut report);
    Ok(report)
}

/// The last line up to which both logs are the same: a hash stands for all before it, so few lines are looked at.
async fn common(here: &mut dyn LedgerSnapshot, there: &mut dyn LedgerSnapshot) -> Result<u64, Unavailable> {
    let last = here.head().seq.min(there.head().seq);
    let (mut same, mut other) = (0, last + 1);
    let mut at = last;
    while same + 1 < other {
        let line = (here.lines(at - 1, 1).await?.pop(), there.lines(at - 1, 1).await?.pop());
        match line {
            (Some(one), Some(two)) if one.hash == two.hash => same = at,
            _ => other = at,
        }
        at = same + (other - same) / 2;
    }
    Ok(same)
}

/// The records of a snapshot in the order of their keys, a page ahead.
struct Walk<'s> {
    snapshot: &'s mut dyn LedgerSnapshot,
    page: VecDeque<Arc<RunRecord>>,
    last: Option<RunKey>,
    done: bool,
}

impl<'s> Walk<'s> {
    fn of(snapshot: &'s mut dyn LedgerSnapshot) -> Self {
        Self {
            snapshot,
            page: VecDeque::new(),
            last: None,
            done: false,
        }
    }

    /// Has a record ready, if there is another one.
    async fn fill(&mut self) -> Result<(), Unavailable> {
        if self.page.is_empty() && !self.done {
            let page = self
                .snapshot
                .records_by_key(self.last.as_ref(), RECORDS_AT_ONCE)
                .await?;
            self.done = page.is_empty();
            self.last = page.last().map(|record| record.key().clone()).or(self.last.take());
            self.page = page.into();
        }
        Ok(())
    }
}

async fn records(
    here: &mut dyn LedgerSnapshot,
    there: &mut dyn LedgerSnapshot,
    report: &mut Report,
) -> Result<(), Unavailable> {
    let (mut one, mut two) = (Walk::of(here), Walk::of(there));
    loop {
        one.fill().await?;
        two.fill().await?;
        let order = match (one.page.front(), two.page.front()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(two)) => columns(one.key()).cmp(&columns(two.key())),
        };
        let from_one = if order.is_le() { one.page.pop_front() } else { None };
        let from_two = if order.is_ge() { two.page.pop_front() } else { None };
        report.records[0] += u64::from(from_one.is_some());
        report.records[1] += u64::from(from_two.is_some());
        match (from_one, from_two) {
            (Some(one), Some(two)) if one == two => {}
            (Some(one), Some(two)) => {
                report.differing += 1;
                report.found(|| differs(&one, &two));
            }
            (Some(one), None) => {
                report.missing += 1;
                report.found(|| alone(&one, "missing", "is not there"));
            }
            (None, Some(two)) => {
                report.extra += 1;
                report.found(|| alone(&two, "extra", "is only there"));
            }
            (None, None) => {}
        }
    }
}

fn alone(record: &RunRecord, kind: &str, problem: &str) -> Value {
    json!({"subject": record.key().to_string(), "kind": kind, "problem": problem})
}

fn differs(one: &RunRecord, two: &RunRecord) -> Value {
    let fields = fields(one, two);
    let versions = (one.version(), two.version());
    let problem = format!(
        "differs in {} (version {} here, {} there)",
        fields.join(", "),
        versions.0,
        versions.1
    );
    json!({"subject": one.key().to_string(), "kind": "differing", "fields": fields, "problem": problem})
}

/// The fields of the stored form in which two records differ.
fn fields(one: &RunRecord, two: &RunRecord) -> Vec<String> {
    let (one, two) = (serde_json::to_value(one), serde_json::to_value(two));
    let (Ok(Value::Object(one)), Ok(Value::Object(two))) = (one, two) else {
        return Vec::new();
    };
    let mut names: Vec<_> = one
        .keys()
        .chain(two.keys())
        .filter(|name| one.get(*name) != two.get(*name))
        .cloned()
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What keys are ordered by.
fn columns(key: &RunKey) -> (&str, &str) {
    (key.run().as_str(), key.client().map_or("", ClientId::as_str))
}

/// Compares what there is little of, by name.
fn others<T: PartialEq>(what: &str, here: &BTreeMap<String, T>, there: &BTreeMap<String, T>, report: &mut Report) {
    let names: BTreeSet<_> = here.keys().chain(there.keys()).collect();
    for name in names {
        let problem = match (here.get(name), there.get(name)) {
            (Some(one), Some(two)) if one == two => continue,
            (Some(_), Some(_)) => "is not the same in both",
            (Some(_), None) => "is not there",
            (None, _) => "is only there",
        };
        report.others += 1;
        report.found(|| json!({"subject": format!("{what} {name}"), "kind": what, "problem": problem}));
    }
}
