//! `[airtable]`: where records are shown as rows, and how often it may be asked.

use std::sync::Arc;

use runledger_airtable::mapping::{FieldMap, Mapping, StatusWords};
use runledger_airtable::{
    Airtable, AirtableTarget, BATCH_ROWS, BaseId, Connection, Pace, PaceSettings, Pat, Places, TablePlace, TokioTime,
};
use runledger_app::PlanLimits;
use runledger_app::system::SystemClock;
use runledger_domain::RecordKind;
use serde::{Deserialize, Serialize};

use super::Span;
use super::words::{ExistingRows, ShownFrom};
use crate::failure::{Failure, Outcome};
use crate::server_file::Secret;

/// The most rows in a request that can be asked for.
const ROWS: std::ops::RangeInclusive<usize> = 1..=100;
/// The bounds of both rates, in requests a second.
const RATE: std::ops::RangeInclusive<f64> = 0.01..=1_000.0;

/// Where records are shown as rows, and how often it may be asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AirtableSettings {
    /// The base; empty: nothing is shown anywhere.
    pub(crate) base: String,
    /// The token.
    pub(crate) token: Secret,
    /// Where Airtable is.
    pub(crate) endpoint: String,
    /// The table of the job records.
    // A table without any default is lost on its way through the layers.
    #[serde(default)]
    pub(crate) jobs: TableSettings,
    /// The table of the client run records.
    #[serde(default)]
    pub(crate) clients: TableSettings,
    /// Which records are shown when the tables are shown for the first time.
    pub(crate) from: ShownFrom,
    /// What to do with tables that have rows before the first one is made.
    pub(crate) existing_rows: ExistingRows,
    /// How many rows go into one request.
    pub(crate) rows: usize,
    /// Requests a second to one base.
    pub(crate) base_rate: f64,
    /// Requests a second with the token.
    pub(crate) token_rate: f64,
    /// How long changes of a record are gathered before its row is sent.
    pub(crate) gather: Span,
    /// How long a row stays as it was sent while nothing but progress is to be shown.
    pub(crate) gather_progress: Span,
    /// How long a request that is not full waits for more rows, from the last one on that was not.
    pub(crate) fill: Span,
    /// How long to wait before a row is looked up of which nobody can say whether it was written.
    pub(crate) quiet: Span,
    /// How long one request may take.
    pub(crate) request_time: Span,
    /// How many rows the plan allows in a base; 0: that is not known.
    pub(crate) plan_rows: u64,
    /// How many requests the plan allows in a month; 0: that is not known, or there is no limit.
    pub(crate) plan_requests: u64,
}

/// What is to be known of one table. What is not given is as in the older tables.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableSettings {
    /// Another base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<String>,
    /// The table, by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<String>,
    /// All fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fields: Option<Vec<FieldMap>>,
    /// The words for statuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) statuses: Option<StatusWords>,
}

impl Default for AirtableSettings {
    fn default() -> Self {
        Self {
            base: String::new(),
            token: Secret::default(),
            endpoint: "https://api.airtable.com".into(),
            jobs: TableSettings::default(),
            clients: TableSettings::default(),
            from: ShownFrom::Beginning,
            existing_rows: ExistingRows::Refuse,
            rows: BATCH_ROWS,
            base_rate: PaceSettings::default().base_per_second,
            token_rate: PaceSettings::default().token_per_second,
            gather: Span::from_secs(5),
            gather_progress: Span::from_secs(600),
            fill: Span::from_secs(60),
            quiet: Span::from_secs(60),
            request_time: Span::from_secs(30),
            plan_rows: 0,
            plan_requests: 0,
        }
    }
}

impl AirtableSettings {
    /// Whether records are shown at Airtable at all.
    pub(crate) fn is_given(&self) -> bool {
        !self.base.is_empty()
    }

    /// The tables, with the way to them. Nothing is sent yet.
    ///
    /// # Errors
    /// A setting that does not fit; a machine that trusts nobody.
    pub(crate) fn target(&self) -> Outcome<AirtableTarget> {
        let pat: Pat = self.token.0.parse().map_err(|error| {
            Failure::usage(format_args!("airtable.token: {error}"))
                .advise("give it best as RUNLEDGER_AIRTABLE__TOKEN, which no file holds")
        })?;
        let connection = Connection {
            endpoint: self.endpoint.clone(),
            pat,
            request_time: self.request_time.duration(),
        };
        let pace = PaceSettings {
            base_per_second: self.base_rate,
            token_per_second: self.token_rate,
        };
        let airtable = Airtable::new(&connection, Pace::new(pace, Arc::new(TokioTime::default())))
            .map_err(|error| Failure::usage(format_args!("airtable.endpoint: {error}")))?;
        Ok(AirtableTarget::new(airtable, self.places()?, Arc::new(SystemClock)))
    }

    /// What the plan allows.
    pub(crate) const fn limits(&self) -> PlanLimits {
        const fn known(limit: u64) -> Option<u64> {
            if limit == 0 { None } else { Some(limit) }
        }
        PlanLimits {
            rows: known(self.plan_rows),
            monthly_requests: known(self.plan_requests),
        }
    }

    /// Where records are shown.
    ///
    /// # Errors
    /// A setting that does not fit.
    pub(crate) fn places(&self) -> Outcome<Places> {
        Ok(Places {
            jobs: self.place("airtable.jobs", &self.jobs, RecordKind::Job)?,
            clients: self.place("airtable.clients", &self.clients, RecordKind::Client)?,
            rows_max: self.rows,
        })
    }

    fn place(&self, key: &str, table: &TableSettings, kind: RecordKind) -> Outcome<TablePlace> {
        let unfit = |error: &dyn std::fmt::Display| {
            Failure::usage(format_args!("{key}: {error}")).advise("docs/airtable.md says what each key takes")
        };
        let older = Mapping::older(kind);
        let mapping = Mapping {
            table: table.table.clone().unwrap_or(older.table),
            fields: table.fields.clone().unwrap_or(older.fields),
            statuses: table.statuses.clone().unwrap_or_default(),
        };
        mapping.check_key(kind).map_err(|error| unfit(&error))?;
        let base = table.base.as_ref().unwrap_or(&self.base);
        let base: BaseId = base.parse().map_err(|error| unfit(&error))?;
        Ok(TablePlace { base, mapping })
    }

    /// What no type says.
    ///
    /// # Errors
    /// A setting that does not fit.
    pub(super) fn check(&self) -> Outcome {
        if !ROWS.contains(&self.rows) {
            let (least, most) = (ROWS.start(), ROWS.end());
            return Err(Failure::usage(format_args!(
                "airtable.rows is {}; give {least} to {most}",
                self.rows
            )));
        }
        for (key, rate) in [("base_rate", self.base_rate), ("token_rate", self.token_rate)] {
            if !RATE.contains(&rate) {
                let (least, most) = (RATE.start(), RATE.end());
                return Err(Failure::usage(format_args!(
                    "airtable.{key} is {rate}; give {least} to {most}"
                )));
            }
        }
        for (key, span) in [("quiet", self.quiet), ("request_time", self.request_time)] {
            if span.as_secs() == 0 {
                return Err(Failure::usage(format_args!("airtable.{key} is 0s; give 1s or more")));
            }
        }
        if !self.is_given() {
            return Ok(());
        }
        if self.token.0.is_empty() {
            return Err(Failure::usage("airtable.base is given, and airtable.token is not")
                .advise("give the token best as RUNLEDGER_AIRTABLE__TOKEN, which no file holds"));
        }
        self.target().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> AirtableSettings {
        AirtableSettings {
            base: "appRunLedgerDemo1".into(),
            token: Secret("patMARZIPAN".into()),
            ..AirtableSettings::default()
        }
    }

    #[test]
    fn without_anything_else_the_older_tables_are_meant() {
        let base = "appRunLedgerDemo1".parse().unwrap();
        assert_eq!(given().places().unwrap(), Places::older(&base));
        assert!(given().check().is_ok() && AirtableSettings::default().check().is_ok());
        let shown = format!("{:?} {:?}", given(), given().target().unwrap());
        assert!(!shown.contains("MARZIPAN"), "{shown}");
    }

    #[test]
    fn what_does_not_fit_is_named_and_the_token_is_not_quoted() {
        let check = |key: &str, change: fn(&mut AirtableSettings)| {
            let mut settings = given();
            change(&mut settings);
            let failure = settings.check().unwrap_err().for_people();
            assert!(failure.contains(key), "{failure}");
            assert!(!failure.contains("MARZIPAN"), "{failure}");
        };
        check("airtable.jobs", |settings| settings.base = "tblNoBase".into());
        check("airtable.clients", |settings| settings.clients.base = Some("x".into()));
        check("airtable.clients", |settings| {
            settings.clients.fields = Some(Vec::new());
        });
        check("airtable.token", |settings| settings.token = Secret(String::new()));
        check("airtable.token", |settings| {
            settings.token = Secret("pat MARZIPAN".into());
        });
        check("airtable.endpoint", |settings| settings.endpoint = "nowhere".into());
        check("airtable.rows", |settings| settings.rows = 0);
        check("airtable.base_rate", |settings| settings.base_rate = 0.0);
        check("airtable.token_rate", |settings| settings.token_rate = f64::NAN);
        check("airtable.quiet", |settings| settings.quiet = Span::from_secs(0));
    }

    #[test]
    fn a_table_of_ones_own_is_written_as_toml() {
        let table = r#"{ "table": "tblMine", "fields": [
            { "from": "run_id", "to": "Run", "key": true }, { "from": "client_id", "to": "Client", "key": true },
            { "from": "status", "to": "State" } ], "statuses": { "lost": "Gone" } }"#;
        let mut settings = given();
        settings.clients = serde_json::from_str(table).unwrap();
        let places = settings.places().unwrap();
        assert_eq!(
            (
                places.clients.mapping.table.as_str(),
                places.clients.mapping.fields.len()
            ),
            ("tblMine", 3)
        );
    }
}
