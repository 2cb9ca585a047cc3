//! Stub until the server stands.
use std::path::Path;
use crate::load::Plan;
pub(crate) fn run(_plan: &Plan, _binary: &Path, _records: u64) -> anyhow::Result<()> { anyhow::bail!("not yet") }
