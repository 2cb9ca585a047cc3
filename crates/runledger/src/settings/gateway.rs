//! `[gateway]`: Airtable's API in front of the ledger. The token for Airtable is a secret: nothing shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use runledger_airtable::{Connection, HandOn, Pace, PaceSettings, TokioTime};
use runledger_domain::Source;
use runledger_legacy::{AirtableGateway, Deletes, LIST_MAX, RunTable, RunTableSpec};
use runledger_ports::Upstream;
use serde::{Deserialize, Serialize};

use super::Span;
use super::words::{Creates, GatewayDeletes};
use crate::failure::{Failure, Outcome};
use crate::server_file::Secret;

/// The longest time that a request may wait for its turn, and that it may take.
const TIME_MAX: Span = Span::from_secs(5 * 60);

/// Airtable's API in front of the ledger.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewaySettings {
    /// The tables whose rows are records of the ledger.
    // The library that merges the layers drops an empty list.
    #[serde(default)]
    pub(crate) tables: Vec<GatewayTable>,
    /// Where Airtable is.
    pub(crate) upstream: String,
    /// The token for it; empty: nothing is handed on.
    pub(crate) pat: Secret,
    /// How many requests a second are sent to one base.
    pub(crate) base_rate: f64,
    /// How many requests a second are sent with the token, over all bases.
    pub(crate) token_rate: f64,
    /// How many records are read through for one page of a list.
    pub(crate) list_records: usize,
    /// How long a request may wait for its turn.
    pub(crate) wait_time: Span,
    /// How long Airtable may take for a request.
    pub(crate) request_time: Span,
}

/// A table whose rows are records of the ledger.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayTable {
    /// Which records its rows are.
    pub(crate) kind: Creates,
    /// The id of its base.
    pub(crate) base: String,
    /// Its id.
    pub(crate) table: String,
    /// Its names.
    #[serde(default)]
    pub(crate) names: Vec<String>,
    /// What columns are called, by their older names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) columns: BTreeMap<String, String>,
    /// The ids of columns, by their older names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) field_ids: BTreeMap<String, String>,
    /// Views that leave no row out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) views: Vec<String>,
    /// Whether the run id of a client's row is shown with the client behind it.
    #[serde(default = "yes")]
    pub(crate) run_id_with_client: bool,
    /// What becomes of requests to delete rows.
    #[serde(default = "refuse")]
    pub(crate) deletes: GatewayDeletes,
}

const fn yes() -> bool {
    true
}

const fn refuse() -> GatewayDeletes {
    GatewayDeletes::Refuse
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            upstream: "https://api.airtable.com".into(),
            pat: Secret::default(),
            base_rate: PaceSettings::default().base_per_second,
            token_rate: PaceSettings::default().token_per_second,
            list_records: LIST_MAX,
            wait_time: Span::from_secs(10),
            request_time: Span::from_secs(60),
        }
    }
}

impl GatewaySettings {
    /// Whether there is to be a gateway.
    fn is_wanted(&self) -> bool {
        !self.tables.is_empty() || !self.pat.0.is_empty()
    }

    /// What no type says.
    ///
    /// # Errors
    /// A rate that is none, a time that is none.
    pub(super) fn check(&self) -> Outcome {
        for (name, rate) in [("base_rate", self.base_rate), ("token_rate", self.token_rate)] {
            if !(rate > 0.0 && rate.is_finite()) {
                return Err(Failure::usage(format_args!(
                    "gateway.{name} is {rate}; give how many requests a second may be sent, such as 4"
                )));
            }
        }
        if self.list_records == 0 {
            return Err(Failure::usage(
                "gateway.list_records is 0, so that no list could ever be answered",
            ));
        }
        for (name, time) in [("wait_time", self.wait_time), ("request_time", self.request_time)] {
            if time.as_secs() == 0 || time > TIME_MAX {
                return Err(Failure::usage(format_args!(
                    "gateway.{name} is {time}; give 1s to {TIME_MAX}"
                )));
            }
        }
        self.gateway(&[]).map(|_| ())
    }

    /// The gateway, if there is to be one. The end of a client's row by a trigger says only that its work was started.
    ///
    /// # Errors
    /// A table, an address or a token that is none.
    pub(crate) fn gateway(&self, triggers: &[Source]) -> Outcome<Option<Arc<AirtableGateway>>> {
        if !self.is_wanted() {
            return Ok(None);
        }
        let unfit = |error: &dyn std::fmt::Display| {
            Failure::usage(format_args!("[gateway] does not fit: {error}"))
                .advise("docs/gateway.md says what each key takes")
        };
        let tables: Result<Vec<_>, _> = self.tables.iter().map(GatewayTable::read).collect();
        let tables = tables.map_err(|error| unfit(&error))?;
        let gateway = AirtableGateway::new(tables, self.hand_on().map_err(|error| unfit(&error))?);
        let gateway = gateway.map_err(|error| unfit(&error))?;
        let gateway = gateway.with_list_max(self.list_records);
        Ok(Some(Arc::new(gateway.with_triggers(triggers.iter().cloned()))))
    }

    fn hand_on(&self) -> Result<Option<Arc<dyn Upstream>>, runledger_airtable::SetUpError> {
        if self.pat.0.is_empty() {
            return Ok(None);
        }
        let connection = Connection {
            endpoint: self.upstream.clone(),
            pat: self.pat.0.parse()?,
            request_time: self.request_time.duration(),
        };
        let rates = PaceSettings {
            base_per_second: self.base_rate,
            token_per_second: self.token_rate,
        };
        let pace = Pace::new(rates, Arc::new(TokioTime::default()));
        let way = HandOn::new(&connection, pace, self.wait_time.duration())?;
        Ok(Some(Arc::new(way)))
    }
}

impl GatewayTable {
    fn read(&self) -> Result<RunTable, runledger_legacy::RunTableError> {
        RunTable::new(RunTableSpec {
            names: self.names.clone(),
            columns: self.columns.clone(),
            field_ids: self.field_ids.clone(),
            views: self.views.clone(),
            run_id_with_client: self.run_id_with_client,
            deletes: match self.deletes {
                GatewayDeletes::Refuse => Deletes::Refuse,
                GatewayDeletes::Cancel => Deletes::Cancel,
            },
            ..RunTableSpec::new(self.kind.into(), &self.base, &self.table)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> GatewaySettings {
        GatewaySettings {
            tables: vec![GatewayTable {
                kind: Creates::Client,
                base: "appGateway0000001".into(),
                table: "tblClients0000001".into(),
                names: Vec::new(),
                columns: BTreeMap::new(),
                field_ids: BTreeMap::new(),
                views: Vec::new(),
                run_id_with_client: true,
                deletes: GatewayDeletes::Refuse,
            }],
            pat: Secret("patS3CRET.1".into()),
            ..GatewaySettings::default()
        }
    }

    #[test]
    fn a_gateway_is_there_when_it_has_a_table_or_a_token_and_never_shows_the_token() {
        assert!(GatewaySettings::default().gateway(&[]).unwrap().is_none());
        let gateway = settings().gateway(&[]).unwrap().unwrap();
        let shown = format!("{gateway:?} {:?}", settings());
        assert!(
            shown.contains("tblClients0000001") && !shown.contains("S3CRET"),
            "{shown}"
        );
    }

    #[test]
    fn what_does_not_fit_is_named_and_the_token_is_not_quoted() {
        let check = |words: &str, change: fn(&mut GatewaySettings)| {
            let mut settings = settings();
            change(&mut settings);
            let failure = settings.check().unwrap_err().for_people();
            assert!(failure.contains(words) && !failure.contains("S3CRET"), "{failure}");
        };
        check("write app", |settings| settings.tables[0].base = "Base".into());
        check("names two things", |settings| {
            settings.tables.push(settings.tables[0].clone());
        });
        check("is not the address", |settings| settings.upstream = "ftp://x".into());
        check("token is empty or holds", |settings| {
            settings.pat = Secret("pat S3CRET".into());
        });
        check("gateway.base_rate", |settings| settings.base_rate = 0.0);
        check("gateway.token_rate", |settings| settings.token_rate = f64::NAN);
        check("gateway.list_records", |settings| settings.list_records = 0);
        check("gateway.wait_time", |settings| settings.wait_time = Span::from_secs(0));
        check("gateway.request_time", |settings| {
            settings.request_time = Span::from_secs(301);
        });
        assert!(settings().check().is_ok());
    }
}
