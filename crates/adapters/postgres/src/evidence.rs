//! What is read before a call is decided: one statement, so that all of it is of one moment.

use std::collections::HashMap;
use std::sync::Arc;

use runledger_domain::access::{TokenId, TokenRecord};
use runledger_domain::{AttemptId, ClientId, ClientLoad, RunId, RunKey, RunRecord, Source};
use runledger_ports::{DeliveryState, Duty, WebhookName};
use tokio_postgres::{Client, Statement};

use crate::columns::{decode, decode_token, delivery, delivery_column, key_columns};
use crate::error::StoreError;

/// The statement that reads what [`Wanted`] names.
pub(crate) const READ: &str = concat!(
    "
SELECT 0, k.place, r.id, r.body
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(run_id, client_id, place)
    JOIN run r ON r.run_id = k.run_id AND r.client_id = k.client_id
UNION ALL SELECT 1, k.place, r.id, r.body
  FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS k(source, attempt, place)
    JOIN minted m ON m.source = k.source AND m.attempt = k.attempt JOIN run r ON r.id = m.run
UNION ALL SELECT 2, k.place, r.id, r.body
  FROM unnest($5::text[]) WITH ORDINALITY AS k(run_id, place)
    JOIN run r ON r.run_id = k.run_id AND r.client_id <> '' AND r.status < 2
UNION ALL SELECT 3, k.place, l.records, l.notes::text
  FROM unnest($6::text[]) WITH ORDINALITY AS k(client_id, place) JOIN client_load l ON l.client_id = k.client_id
UNION ALL SELECT 4, k.place, 0, t.body
  FROM unnest($7::text[]) WITH ORDINALITY AS k(id, place) JOIN token t ON t.id = k.id
UNION ALL SELECT 5, k.place, d.version, ",
    delivery_column!(),
    "
  FROM unnest($8::text[]) WITH ORDINALITY AS k(name, place) JOIN delivery d ON d.name = k.name
UNION ALL SELECT 6, k.place, l.epoch, ''
  FROM unnest($9::text[]) WITH ORDINALITY AS k(duty, place) JOIN lease l ON l.duty = k.duty AND l.until IS NOT NULL"
);

/// A record as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: i64,
    pub(crate) record: Arc<RunRecord>,
}

/// What has to be read.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) records: Vec<RunKey>,
    pub(crate) minted: Vec<(Source, AttemptId)>,
    /// Runs whose open client records are wanted.
    pub(crate) open_clients: Vec<RunId>,
    pub(crate) loads: Vec<ClientId>,
    pub(crate) tokens: Vec<TokenId>,
    pub(crate) deliveries: Vec<WebhookName>,
    pub(crate) duties: Vec<Duty>,
}

impl Wanted {
    pub(crate) const fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.minted.is_empty()
            && self.open_clients.is_empty()
            && self.loads.is_empty()
            && self.tokens.is_empty()
            && self.deliveries.is_empty()
            && self.duties.is_empty()
    }
}

/// A token as it is stored, and the text that it is stored as.
#[derive(Clone, Debug)]
pub(crate) struct SeenToken {
    pub(crate) token: TokenRecord,
    pub(crate) body: String,
}

/// The state of a webhook as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct SeenDelivery {
    pub(crate) version: i64,
    pub(crate) state: DeliveryState,
}

/// What was read; what was asked for and is not there is `None`, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) records: HashMap<RunKey, Option<Seen>>,
    pub(crate) minted: HashMap<(Source, AttemptId), Option<Seen>>,
    /// In the order of their creation.
    pub(crate) open_clients: HashMap<RunId, Vec<Seen>>,
    pub(crate) loads: HashMap<ClientId, ClientLoad>,
    pub(crate) tokens: HashMap<TokenId, Option<SeenToken>>,
    pub(crate) deliveries: HashMap<WebhookName, Option<SeenDelivery>>,
    /// The last taking of each duty, unless it was given up.
    pub(crate) duties: HashMap<Duty, Option<i64>>,
}

impl Evidence {
    /// Reads what is wanted.
    pub(crate) async fn read(client: &Client, read: &Statement, wanted: Wanted) -> Result<Self, StoreError> {
        let (runs, clients): (Vec<_>, Vec<_>) = wanted.records.iter().map(key_columns).unzip();
        let (sources, attempts): (Vec<_>, Vec<_>) = wanted
            .minted
            .iter()
            .map(|(source, attempt)| (source.as_str(), attempt.as_str()))
            .unzip();
        let open: Vec<_> = wanted.open_clients.iter().map(RunId::as_str).collect();
        let loads: Vec<_> = wanted.loads.iter().map(ClientId::as_str).collect();
        let tokens: Vec<_> = wanted.tokens.iter().map(TokenId::as_str).collect();
        let webhooks: Vec<_> = wanted.deliveries.iter().map(WebhookName::as_str).collect();
        let duties: Vec<_> = wanted.duties.iter().map(Duty::to_string).collect();
        let rows = client
            .query(
                read,
                &[
                    &runs, &clients, &sources, &attempts, &open, &loads, &tokens, &webhooks, &duties,
                ],
            )
            .await?;
        let mut evidence = Self {
            records: wanted.records.iter().map(|key| (key.clone(), None)).collect(),
            minted: wanted.minted.iter().map(|attempt| (attempt.clone(), None)).collect(),
            open_clients: wanted
                .open_clients
                .iter()
                .map(|run| (run.clone(), Vec::new()))
                .collect(),
            loads: wanted
                .loads
                .iter()
                .map(|client| (client.clone(), ClientLoad::default()))
                .collect(),
            tokens: wanted.tokens.iter().map(|id| (id.clone(), None)).collect(),
            deliveries: wanted.deliveries.iter().map(|name| (name.clone(), None)).collect(),
            duties: wanted.duties.iter().map(|duty| (duty.clone(), None)).collect(),
        };
        for row in rows {
            let (what, place, number): (i32, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let place = usize::try_from(place - 1).unwrap_or(usize::MAX);
            let unasked = || StoreError::Inconsistent("a read gave what nobody asked for".into());
            let body: &str = row.try_get(3)?;
            match what {
                0..=2 => {
                    let seen = Seen {
                        id: number,
                        record: decode(body, number)?,
                    };
                    if what == 0 {
                        let key = wanted.records.get(place).ok_or_else(unasked)?;
                        evidence.records.insert(key.clone(), Some(seen));
                    } else if what == 1 {
                        let attempt = wanted.minted.get(place).ok_or_else(unasked)?;
                        evidence.minted.insert(attempt.clone(), Some(seen));
                    } else {
                        let run = wanted.open_clients.get(place).ok_or_else(unasked)?;
                        evidence.open_clients.entry(run.clone()).or_default().push(seen);
                    }
                }
                3 => {
                    let client = wanted.loads.get(place).ok_or_else(unasked)?;
                    evidence.loads.insert(client.clone(), load(number, body, client)?);
                }
                5 => {
                    let name = wanted.deliveries.get(place).ok_or_else(unasked)?;
                    let seen = SeenDelivery {
                        version: number,
                        state: delivery(body)?,
                    };
                    evidence.deliveries.insert(name.clone(), Some(seen));
                }
                6 => {
                    let duty = wanted.duties.get(place).ok_or_else(unasked)?;
                    evidence.duties.insert(duty.clone(), Some(number));
                }
                _ => {
                    let id = wanted.tokens.get(place).ok_or_else(unasked)?;
                    let seen = SeenToken {
                        token: decode_token(body)?,
                        body: body.to_owned(),
                    };
                    evidence.tokens.insert(id.clone(), Some(seen));
                }
            }
        }
        for open in evidence.open_clients.values_mut() {
            open.sort_unstable_by_key(|seen| seen.id);
            for seen in open.iter() {
                evidence.records.insert(seen.record.key().clone(), Some(seen.clone()));
            }
        }
        Ok(evidence)
    }
}

fn load(records: i64, notes: &str, client: &ClientId) -> Result<ClientLoad, StoreError> {
    match (u64::try_from(records), notes.parse()) {
        (Ok(records), Ok(notes)) => Ok(ClientLoad { records, notes }),
        _ => Err(StoreError::Inconsistent(format!(
            "{client} holds {records} open records with {notes} notes"
        ))),
    }
}
