//! On what terms this server does what one server at a time does for all of them.

use std::{fs, process};

use runledger_app::Terms;

use crate::failure::{Exit, Failure, Outcome};
use crate::settings::Settings;

/// The longest name of a machine that is shown.
const MACHINE_MAX: usize = 48;

/// The terms of the configuration, for this process.
///
/// # Errors
/// Never: what is made of the machine's name is a source.
pub(crate) fn terms(settings: &Settings) -> Outcome<Terms> {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let machine: String = machine.trim().chars().filter(fits).take(MACHINE_MAX).collect();
    let holder = format!("at:{machine}:{}", process::id());
    Ok(Terms {
        holder: holder
            .parse()
            .map_err(|error| Failure::new(Exit::Fault, format_args!("{holder}: {error}")))?,
        time: settings.duties.time.duration(),
    })
}
