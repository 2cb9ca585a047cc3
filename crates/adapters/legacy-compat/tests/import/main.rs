//! The import, run as the binary runs it: files in, a ledger and a report out.

#[cfg(test)]
mod broken_rows;
#[cfg(test)]
mod export_a;
#[cfg(test)]
mod held;
#[cfg(test)]
mod odd_files;
#[cfg(test)]
mod support;
#[cfg(test)]
mod values;
