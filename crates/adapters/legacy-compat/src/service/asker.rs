//! Who asks, and under which name a call may be repeated.

use runledger_app::FunctionCall;
use runledger_domain::access::{AccessError, Scope, TOKEN_PREFIX};
use runledger_domain::{AttemptId, Source, UpdateId};

use super::arguments::Arguments;
use super::columns::parsed;
use super::failure::Failure;
use crate::source::{UNNAMED, ledger_source};

/// The word that the older services wrote when no source was given.
const UNKNOWN: &str = "unknown";

/// Who asks: as the ledger knows them, and by their older name.
pub(super) struct Asker {
    pub(super) source: Source,
    /// Their older name, for the texts that callers match on.
    pub(super) older: String,
}

/// Who asks, as far as their access covers the source that they name (I2).
pub(super) fn asker(call: &FunctionCall<'_>, arguments: &Arguments<'_>, scope: Scope) -> Result<Asker, Failure> {
    let older = arguments.source()?.filter(|text| !text.is_empty() && text != UNKNOWN);
    if older
        .as_ref()
        .is_some_and(|text| text.trim_start().starts_with(TOKEN_PREFIX))
    {
        let detail = "options.source holds a token; send it as Authorization: Bearer rlt_..., and name the program or \
                      step that asks here";
        return Err(Failure::new("source_invalid", detail).at("source"));
    }
    let said = older
        .as_deref()
        .map(ledger_source)
        .map(str::parse::<Source>)
        .transpose();
    let said = said.map_err(|error| Failure::new("source_invalid", error.to_string()).at("source"))?;
    if let (Some(said), Some(named)) = (&said, &call.source)
        && said != named
    {
        let detail = format!("options.source means {said}, but the header Runledger-Source says {named}; say it once");
        return Err(Failure::new("contradiction", detail).at("source"));
    }
    let source = match call.access.source(call.source.clone().or(said)) {
        Err(AccessError::SourceMissing) => parsed("source", UNNAMED)?,
        // A token of several sources speaks for nobody in particular only when it was made to.
        Err(open @ AccessError::SourceOpen { .. }) => {
            call.access.source(Some(parsed("source", UNNAMED)?)).map_err(|_| open)?
        }
        other => other?,
    };
    call.access.allow(scope)?;
    let is_unnamed = older.is_none() && source.as_str() == UNNAMED;
    let older = older.unwrap_or_else(|| if is_unnamed { UNKNOWN.into() } else { source.to_string() });
    Ok(Asker { source, older })
}

/// The attempt that a creation belongs to.
pub(super) fn attempt(call: &FunctionCall<'_>) -> Result<Option<AttemptId>, Failure> {
    retry_name(call, str::parse)
}

/// The name of an update.
pub(super) fn update_id(call: &FunctionCall<'_>) -> Result<Option<UpdateId>, Failure> {
    retry_name(call, str::parse)
}

fn retry_name<T, E: ToString>(
    call: &FunctionCall<'_>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    let wrong = |error: E| Failure::new("idempotency_key_invalid", error.to_string()).at("Idempotency-Key");
    call.idempotency_key.map(parse).transpose().map_err(wrong)
}
