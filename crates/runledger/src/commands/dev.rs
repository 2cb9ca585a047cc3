//! `dev`: what helps to try things out. It touches no ledger.

use std::fs;

use runledger_airtable_fake::{BaseSpec, Fake, FakeError, FakeOptions, Role, TokenSpec};
use serde_json::{Map, Value, json};

use crate::cli::{DevCommand, FakeAirtableArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::serve::Signals;

/// Does it until a signal comes.
///
/// # Errors
/// A setting, a file or an address cannot be used.
pub(crate) async fn dev(command: &DevCommand, output: &Output) -> Outcome {
    match command {
        DevCommand::FakeAirtable(args) => fake_airtable(args, output).await,
    }
}

async fn fake_airtable(args: &FakeAirtableArgs, output: &Output) -> Outcome {
    let mut options = FakeOptions {
        listen: args.listen,
        control: args.control,
        seed: args.seed,
        ..FakeOptions::default()
    };
    if let Some(path) = &args.bases {
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::usage(format_args!("the bases in {} cannot be used: {error}", path.display()))
                .advise("docs/fake-airtable.md shows how they are written")
        };
        let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
        options.bases = serde_json::from_str::<Vec<BaseSpec>>(&text).map_err(|error| unusable(&error))?;
    }
    let known = args.known_tokens.iter().map(|token| TokenSpec {
        token: token.0.clone(),
        scopes: None,
        bases: None,
        role: Role::Create,
    });
    options.tokens = known.collect();
    let mut signals = Signals::listen()?;
    let fake = Fake::start(options).await.map_err(|error| match error {
        FakeError::Listen { .. } => Failure::unavailable(error),
        error => Failure::usage(error),
    })?;
    let settings = settings(args)?;
    fake.control("PATCH", "settings", &Value::Object(settings))
        .map_err(|error| Failure::usage(error).advise("docs/fake-airtable.md lists the settings"))?;
    greet(&fake, output)?;
    signals.next().await;
    Ok(())
}

/// What the control plane is told at the start. A value that is no JSON is a text.
fn settings(args: &FakeAirtableArgs) -> Outcome<Map<String, Value>> {
    let mut settings = Map::from_iter([("plan".to_owned(), json!(args.plan))]);
    for setting in &args.settings {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::usage(format_args!("--set {setting:?} has no value: write --set KEY=VALUE")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        settings.insert(key.to_owned(), value);
    }
    Ok(settings)
}

fn greet(fake: &Fake, output: &Output) -> Outcome {
    let tables = fake.table_ids();
    if output.is_json() {
        let bases = tables
            .iter()
            .map(|(base, tables)| json!({ "id": base, "tables": tables }));
        output.value(&json!({
            "url": fake.url(), "control_url": fake.control_url(), "bases": bases.collect::<Vec<_>>(),
        }))?;
    } else {
        output.line(&format!("a fake Airtable is at {} (Ctrl-C ends it)", fake.url()))?;
        output.line(&format!("its control plane is at {}", fake.control_url()))?;
        for (base, tables) in &tables {
            output.line(&format!("base {base}: tables {}", tables.join(", ")))?;
        }
    }
    output
        .flush()
        .map_err(|_| Failure::new(Exit::Fault, "nobody reads where the fake is"))
}
