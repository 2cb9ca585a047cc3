//! What a success says: its body, and the headers that go with it.

use http::Response;
use hyper::body::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::answer::{Changed, Creation, Cursor};
use crate::record::{Activity, Record};

/// Any page; each has one of the two.
#[derive(Deserialize)]
pub(crate) struct Listed {
    #[serde(default)]
    pub(crate) records: Vec<Record>,
    #[serde(default)]
    pub(crate) activity: Vec<Activity>,
    #[serde(default)]
    pub(crate) next: Option<Cursor>,
}

impl Listed {
    pub(crate) fn records(self) -> Vec<Record> {
        self.records
    }
}

pub(crate) fn read_body<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, serde_json::Error> {
    serde_json::from_slice(response.body())
}

pub(crate) fn read_records(response: &Response<Bytes>) -> Result<Vec<Record>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Created {
        records: Vec<Record>,
    }
    read_body::<Created>(response).map(|created| created.records)
}

pub(crate) fn read_creation(response: &Response<Bytes>) -> Result<Creation, serde_json::Error> {
    Ok(Creation::of(read_body(response)?, is_replayed(response)))
}

pub(crate) fn read_changed(response: &Response<Bytes>) -> Result<Changed, serde_json::Error> {
    Ok(Changed {
        record: read_body(response)?,
        replayed: is_replayed(response),
        closed: number(response, "runledger-closed").unwrap_or_default(),
    })
}

pub(crate) fn is_replayed(response: &Response<Bytes>) -> bool {
    let header = response.headers().get("idempotency-replayed");
    header.is_some_and(|value| value.as_bytes() == b"true")
}

pub(crate) fn number(response: &Response<Bytes>, name: &str) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}
