//! `config show`: every effective value with its origin.

use runledger_webhook::Endpoint;
use serde_json::{Value, json};

use super::keys::KEYS;
use super::{Kind, Loaded, Origin};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, Table};

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// Prints every key, its effective value and its origin.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn show(loaded: &Loaded, output: &Output) -> Outcome {
    let values = serde_json::to_value(&loaded.settings).map_err(|error| Failure::new(Exit::Fault, error))?;
    let mut table = Table::new(&["KEY", "VALUE", "ORIGIN"], "");
    let mut object = serde_json::Map::new();
    for key in KEYS {
        let value = key.name.split('.').try_fold(&values, |value, part| value.get(part));
        let mut value = value.cloned().unwrap_or_default();
        if key.kind == Kind::SecretText && value != "" {
            value = HIDDEN.into();
        }
        let value = without_secrets(value);
        let origin = loaded.origins.get(key.name).unwrap_or(&Origin::Default);
        table.row([key.name.to_owned(), toml(&value), origin.to_string()]);
        object.insert(key.name.into(), json!({"value": value, "origin": origin.to_string()}));
    }
    if output.is_json() {
        output.value(&Value::Object(object))
    } else {
        output.line(&table.text())
    }
}

/// A value of which nothing is secret: of a webhook, the secret is hidden, and all of the URL but where it leads.
fn without_secrets(mut value: Value) -> Value {
    for webhook in value.as_array_mut().into_iter().flatten() {
        if let Some(secret) = webhook.get_mut("secret") {
            *secret = HIDDEN.into();
        }
        if let Some(url) = webhook.get_mut("url") {
            let endpoint = url.as_str().and_then(|url| url.parse::<Endpoint>().ok());
            *url = endpoint.map_or_else(|| HIDDEN.into(), |endpoint| format!("{endpoint}/{HIDDEN}").into());
        }
    }
    value
}

/// The value as a configuration file has it, on one line.
pub(super) fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{} = {}", quoted_where_needed(name), toml(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        // JSON strings are TOML strings, save for the one escape that JSON has and TOML has not, which serde_json
        // never writes (\/).
        other => other.to_string(),
    }
}

fn quoted_where_needed(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(bare) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}
