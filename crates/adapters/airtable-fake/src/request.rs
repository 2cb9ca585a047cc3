//! A request of the data plane: what is asked, of which base, table and record.

use crate::encoding;
use crate::error::ApiError;
use crate::id::is_id;
use crate::tokens::Token;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Lists records.
    List,
    /// Reads one record.
    Find,
    /// Creates one record, or several.
    Create,
    /// Writes some fields.
    Update,
    /// Writes all fields.
    Replace,
    /// Matches records by fields; writes those, and creates the rest.
    Upsert,
    /// Deletes one record, or several.
    Delete,
    /// Reads or changes the schema, or asks who one is.
    Meta,
}

impl Operation {
    /// Whether it changes records.
    pub(crate) fn writes(self) -> bool {
        !matches!(self, Self::List | Self::Find | Self::Meta)
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct DataRequest {
    pub(crate) method: String,
    /// As it came, for the list of requests.
    pub(crate) target: String,
    pub(crate) operation: Operation,
    pub(crate) base: Option<String>,
    /// An id or a name.
    pub(crate) table: Option<String>,
    pub(crate) record: Option<String>,
    /// Behind `/v0/meta/`.
    pub(crate) meta: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) token: Option<Token>,
}

impl DataRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// 404 when there is no such address.
    pub(crate) fn read(
        method: &str,
        path: &str,
        query: &str,
        token: Option<Token>,
        body: Vec<u8>,
    ) -> Result<Self, ApiError> {
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(encoding::decode)
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let mut request = Self {
            method: method.to_owned(),
            target: if query.is_empty() {
                path.to_owned()
            } else {
                format!("{path}?{query}")
            },
            operation: Operation::Meta,
            base: None,
            table: None,
            record: None,
            meta: Vec::new(),
            query: encoding::query(query),
            body,
            token,
        };
        match parts.as_slice() {
            ["v0", "meta", rest @ ..] => {
                request.meta = rest.iter().map(|part| (*part).to_owned()).collect();
                if let ["bases", base, ..] = rest {
                    request.base = Some((*base).to_owned());
                }
                return Ok(request);
            }
            ["v0", base, table] => request.aim(base, table, None),
            ["v0", base, table, "listRecords"] if method == "POST" => request.aim(base, table, None),
            ["v0", base, table, record] => request.aim(base, table, Some(record)),
            _ => return Err(ApiError::no_route()),
        }
        let is_list = parts.len() == 4 && parts[3] == "listRecords";
        let one = request.record.is_some();
        request.operation = match method {
            "GET" if one => Operation::Find,
            "GET" => Operation::List,
            "POST" if is_list => Operation::List,
            "POST" if !one => Operation::Create,
            "PATCH" | "PUT" if !one && request.asks_for_upsert() => Operation::Upsert,
            "PATCH" => Operation::Update,
            "PUT" => Operation::Replace,
            "DELETE" => Operation::Delete,
            _ => return Err(ApiError::no_route()),
        };
        if request.base.as_deref().is_none_or(|base| !is_id(base, "app")) {
            return Err(ApiError::record_missing());
        }
        Ok(request)
    }

    fn aim(&mut self, base: &str, table: &str, record: Option<&str>) {
        self.base = Some(base.to_owned());
        self.table = Some(table.to_owned());
        self.record = record.map(str::to_owned);
    }

    fn asks_for_upsert(&self) -> bool {
        self.object()
            .is_ok_and(|body| body.get("performUpsert").is_some_and(|asked| !asked.is_null()))
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    /// 400 when it is none.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, ApiError> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            _ => Err(ApiError::body_unreadable()),
        }
    }

    /// The last value of this name in the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(text) || self.query.iter().any(|(_, value)| value.contains(text))
    }
}
