//! The layers of the configuration: for each key the last layer that gives it wins, as a whole, and is remembered as
//! the key's origin. Tables and lists are not merged: an allow-list that is given is the whole list.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat, Map, Source as _, Value, ValueKind};

use super::broken;
use super::keys::{KEYS, Key, OPTION_VARIABLES, PREFIX, nearest};
use super::{FILE_NAME, Kind, Settings};
use crate::failure::{Exit, Failure, Outcome};

/// What the command line and the environment say.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// The environment, as the process has it.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// The configuration file that the command line (or `RUNLEDGER_CONFIG`) names.
    pub(crate) file: Option<PathBuf>,
    /// Keys set by flags: the key, the flag, the value.
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
}

/// Where the effective value of a key comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// Nobody gave one.
    Default,
    /// This file.
    File(PathBuf),
    /// This environment variable.
    Variable(String),
    /// This flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// The effective settings, and where each comes from.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) settings: Settings,
    /// The origin of every key.
    pub(crate) origins: BTreeMap<&'static str, Origin>,
}

/// A value, and where it comes from. The value remembers that as well, so that an error of conversion says it.
type Layer = BTreeMap<&'static str, (Value, Origin)>;

/// Reads all layers.
///
/// # Errors
/// An unknown key (with the nearest known one), a value that does not fit, a file that cannot be read.
pub(crate) fn load(given: &Given) -> Outcome<Loaded> {
    let variables = read_environment(&given.environment)?;
    let flags: Layer = given
        .flags
        .iter()
        .map(|(key, flag, value)| (*key, from(Origin::Flag(flag), ValueKind::from(value.as_str()))))
        .collect();
    // The data directory first: the configuration file lies in it unless one is named.
    let early = flags.get("data").or_else(|| variables.get("data"));
    let early = early.map(path_of);
    let (path, in_data) = match (&given.file, &early) {
        (Some(path), _) => (Some(path.clone()), false),
        (None, Some(data)) => (existing(data), true),
        (None, None) => (
            default_data(&given.environment).ok().as_deref().and_then(existing),
            true,
        ),
    };
    let file = path.as_deref().map(read_file).transpose()?.unwrap_or_default();
    if let (true, Some(_), Some(path)) = (in_data, file.get("data"), &path) {
        return Err(Failure::usage(format_args!(
            "{} lies in the data directory and cannot name another one (key data)",
            path.display()
        ))
        .advise("remove the key, or keep the file elsewhere and name it with --config"));
    }
    let data = match early.or_else(|| file.get("data").map(path_of)) {
        Some(data) => data,
        None => default_data(&given.environment)?,
    };
    merge(&Settings::defaults(data), &[file, variables, flags])
}

fn existing(data: &Path) -> Option<PathBuf> {
    let path = data.join(FILE_NAME);
    path.exists().then_some(path)
}

/// `$XDG_DATA_HOME/runledger`, or `~/.local/share/runledger`.
fn default_data(environment: &[(OsString, OsString)]) -> Outcome<PathBuf> {
    let find = |name: &str| {
        let found = environment.iter().find(|(key, value)| key == name && !value.is_empty());
        found
            .map(|(_, value)| PathBuf::from(value))
            .filter(|path| path.is_absolute())
    };
    find("XDG_DATA_HOME")
        .or_else(|| find("HOME").map(|home| home.join(".local/share")))
        .map(|share| share.join("runledger"))
        .ok_or_else(|| {
            Failure::usage("there is no data directory: neither HOME nor XDG_DATA_HOME is set")
                .advise("name one with --data DIR or RUNLEDGER_DATA")
        })
}

fn path_of((value, _): &(Value, Origin)) -> PathBuf {
    PathBuf::from(value.to_string())
}

fn from(origin: Origin, kind: ValueKind) -> (Value, Origin) {
    (Value::new(Some(&origin.to_string()), kind), origin)
}

/// `layers` from the weakest to the strongest.
fn merge(defaults: &Settings, layers: &[Layer]) -> Outcome<Loaded> {
    let defaults = Config::try_from(defaults)
        .and_then(|defaults| defaults.collect())
        .map_err(|error| Failure::new(Exit::Fault, format_args!("the defaults cannot be read: {error}")))?;
    let mut tree = defaults.clone();
    let mut origins = BTreeMap::new();
    for key in KEYS {
        let given = layers.iter().rev().find_map(|layer| layer.get(key.name));
        let origin = given.map_or(Ok(Origin::Default), |(value, origin)| {
            set(&mut tree, key.name, value.clone());
            // Each value by itself first, so that an error can name its key and its place.
            let mut alone = defaults.clone();
            set(&mut alone, key.name, value.clone());
            match read(alone) {
                Ok(_) => Ok(origin.clone()),
                Err(error) => Err(unfit(key, origin, &error)),
            }
        })?;
        origins.insert(key.name, origin);
    }
    // Each value fits by itself, so that there is nothing left to say of one.
    let settings = read(tree).map_err(|_| Failure::usage("the configuration does not fit together"))?;
    settings.check()?;
    Ok(Loaded { settings, origins })
}

fn read(tree: Map<String, Value>) -> Result<Settings, ConfigError> {
    Value::new(None, tree).try_deserialize()
}

fn unfit(key: &Key, origin: &Origin, error: &ConfigError) -> Failure {
    let why = match key.kind {
        Kind::Plain | Kind::Structured => plain(error),
        Kind::SecretText | Kind::Secret => without_value(error),
    };
    Failure::usage(format_args!("{} in the {origin} does not fit: {why}", key.name))
        .advise("docs/configuration.md says what each key takes; `runledger config show` shows the values in force")
}

/// The error without key and place, which are known better than the configuration knows them.
fn plain(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => plain(error),
        ConfigError::Type {
            unexpected, expected, ..
        } => format!("it is {unexpected}, not {expected}"),
        other => other.to_string(),
    }
}

/// Where in a value that may hold a secret the error lies, and what was expected there; nothing of what is there.
fn without_value(error: &ConfigError) -> String {
    let (why, place) = match error {
        ConfigError::At { error, key, .. } => (without_value(error), key),
        ConfigError::Type { expected, key, .. } => (format!("{expected} is expected where something else is"), key),
        // They name keys and no values.
        ConfigError::NotFound(name) => return format!("{} is missing", dotted(name)),
        ConfigError::Message(why) if why.starts_with("unknown field") => {
            return why.clone();
        }
        _ => return "it is not understood, and not shown, because it may hold a secret".to_owned(),
    };
    match place {
        Some(place) => format!("{}: {why}", dotted(place)),
        None => why,
    }
}

/// A place in a list as one writes it: the configuration knows it as `webhooks[0]url`.
fn dotted(place: &str) -> String {
    let dotted = place.replace(']', "].").replace("..", ".");
    dotted.trim_end_matches('.').to_owned()
}

fn set(tree: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((table, key)) = name.split_once('.') else {
        tree.insert(name.to_owned(), value);
        return;
    };
    // A table whose only default is an empty list is not there.
    let empty = || Value::new(None, ValueKind::Table(Map::new()));
    if let ValueKind::Table(entries) = &mut tree.entry(table.to_owned()).or_insert_with(empty).kind {
        entries.insert(key.to_owned(), value);
    }
}

fn read_file(path: &Path) -> Outcome<Layer> {
    // Read here, so that a missing file and a broken one are told apart.
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format_args!(
            "cannot read the configuration file {}: {error}",
            path.display()
        ))
    })?;
    let table = File::from_str(&text, FileFormat::Toml).collect().map_err(|_| {
        let path = path.display();
        match broken::describe(&text) {
            Some(what) => Failure::usage(format_args!("the configuration file {path} is not TOML: {what}")),
            // It is, and holds a number that nothing can hold.
            None => Failure::usage(format_args!(
                "the configuration file {path} holds a value that cannot be read"
            )),
        }
    })?;
    let mut layer = Layer::new();
    flatten(path, "", table, &mut layer)?;
    Ok(layer)
}

fn flatten(path: &Path, prefix: &str, table: Map<String, Value>, layer: &mut Layer) -> Outcome {
    for (word, value) in table {
        let name = format!("{prefix}{word}");
        if let Some(key) = Key::find(&name) {
            layer.insert(key.name, from(Origin::File(path.to_owned()), value.kind));
            continue;
        }
        let inner = format!("{name}.");
        let is_table = KEYS.iter().any(|key| key.name.starts_with(&inner));
        match value.kind {
            ValueKind::Table(entries) if is_table => flatten(path, &inner, entries, layer)?,
            _ if is_table => {
                return Err(Failure::usage(format_args!(
                    "{name} in {} is a table: write [{name}]",
                    path.display()
                )));
            }
            _ => {
                let known = KEYS.iter().map(|key| key.name.to_owned());
                return Err(unknown("key", &name, &path.display().to_string(), known));
            }
        }
    }
    Ok(())
}

fn unknown(what: &str, name: &str, place: &str, known: impl IntoIterator<Item = String>) -> Failure {
    let failure = Failure::usage(format_args!("{place} has the unknown {what} {name}"));
    let all: Vec<_> = known.into_iter().collect();
    match nearest(name, all.iter().cloned()) {
        Some(near) => failure.advise(format_args!("did you mean {near}?")),
        None => failure.advise(format_args!("there is {}", all.join(", "))),
    }
}

fn read_environment(environment: &[(OsString, OsString)]) -> Outcome<Layer> {
    let mut layer = Layer::new();
    for (variable, value) in environment {
        let variable = variable.to_string_lossy();
        if !variable.starts_with(PREFIX) || OPTION_VARIABLES.contains(&&*variable) {
            continue;
        }
        let Some(key) = KEYS.iter().find(|key| key.variable() == variable) else {
            let known = KEYS.iter().map(Key::variable);
            let known = known.chain(OPTION_VARIABLES.map(String::from));
            return Err(unknown("variable", &variable, "the environment", known));
        };
        let text = value
            .to_str()
            .ok_or_else(|| Failure::usage(format_args!("the environment variable {variable} is not UTF-8")))?;
        let kind = match key.kind {
            Kind::Plain | Kind::SecretText => ValueKind::from(text),
            Kind::Structured | Kind::Secret => structured(text).ok_or_else(|| not_toml(&variable))?,
        };
        layer.insert(key.name, from(Origin::Variable(variable.into_owned()), kind));
    }
    Ok(layer)
}

/// Lists and tables are written as TOML.
fn structured(text: &str) -> Option<ValueKind> {
    let table = File::from_str(&format!("value = {text}"), FileFormat::Toml).collect();
    let table = table.ok().filter(|table| table.len() == 1);
    table
        .and_then(|mut table| table.remove("value"))
        .map(|value| value.kind)
}

/// The value is not quoted: it may be a secret, in the variable of another key by mistake.
fn not_toml(variable: &str) -> Failure {
    Failure::usage(format_args!("the environment variable {variable} is not TOML"))
        .advise("write a list as [\"timestamp\", \"ulid\"], a table as { orchestrator = [\"job\", \"client\"] }")
}

#[cfg(test)]
mod tests;
