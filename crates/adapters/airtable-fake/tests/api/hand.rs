//! A fake, and a plain client that asks it.

use runledger_airtable_fake::{BaseSpec, Fake, FakeOptions, Settings, TokenSpec};
use serde_json::{Map, Value, json};

pub(crate) const BASE: &str = "appTestBase000001";
pub(crate) const TABLE: &str = "tblRunRecords0001";
pub(crate) const OTHER: &str = "tblOtherTable0001";

pub(crate) struct Hand {
    pub(crate) fake: Fake,
    http: reqwest::Client,
    pub(crate) token: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) text: String,
    pub(crate) headers: reqwest::header::HeaderMap,
}

pub(crate) fn base() -> BaseSpec {
    let choices = json!({ "choices": [{ "name": "Running" }, { "name": "Completed" }] });
    let spec = json!({
        "id": BASE, "name": "Tests",
        "tables": [
            { "id": TABLE, "name": "Run Records", "fields": [
                { "id": "fldKey00000000001", "name": "Run Key", "type": "singleLineText" },
                { "name": "N", "type": "number", "options": { "precision": 2 } },
                { "name": "Status", "type": "singleSelect", "options": choices },
                { "name": "Tags", "type": "multipleSelects", "options": choices },
                { "name": "Notes", "type": "multilineText" },
                { "name": "Done", "type": "checkbox" },
                { "name": "Day", "type": "date" },
                { "name": "Start", "type": "dateTime" },
                { "name": "Local", "type": "dateTime", "options": { "timeZone": "Australia/Brisbane" } },
                { "name": "Spent", "type": "duration" },
                { "name": "Stars", "type": "rating" },
                { "name": "Mail", "type": "email" },
                { "name": "Price", "type": "currency" },
                { "name": "Double", "type": "formula", "options": { "formula": "{N} * 2" } },
                { "name": "Ratio", "type": "formula", "options": { "formula": "0 / {N}" } },
                { "name": "Broken", "type": "formula", "options": { "formula": "1 + {Run Key}" } },
                { "name": "Seq", "type": "autoNumber" },
                { "name": "Made", "type": "createdTime" },
                { "name": "Changed", "type": "lastModifiedTime" },
                { "name": "Count", "type": "count" }
            ] },
            { "id": OTHER, "name": "t/x", "fields": [{ "name": "Name", "type": "singleLineText" }] }
        ]
    });
    serde_json::from_value(spec).unwrap()
}

impl Hand {
    /// A fake without limits on requests.
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default().without_rate_limits(), Vec::new()).await
    }

    pub(crate) async fn with(settings: Settings, tokens: Vec<TokenSpec>) -> Self {
        let options = FakeOptions {
            bases: vec![base()],
            settings,
            tokens,
            seed: Some(1),
            ..FakeOptions::default()
        };
        // It never uses TLS here, and wants to know what it would do it with; only the first answer counts.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        Self {
            fake: Fake::start(options).await.unwrap(),
            http: reqwest::Client::builder().build().unwrap(),
            token: "patTEST".into(),
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        let request = self.http.request(method, format!("{}{path}", self.fake.url()));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        if body.is_null() {
            request
        } else {
            request
                .header("content-type", "application/json")
                .body(body.to_string())
        }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let response = self.request(method, path, body).send().await.unwrap();
        Answer::read(response).await.unwrap()
    }

    /// A request to the table.
    pub(crate) async fn table(&self, method: &str, rest: &str, body: &Value) -> Answer {
        self.send(method, &format!("/v0/{BASE}/{TABLE}{rest}"), body).await
    }

    /// Records with these fields, made one by one over the API.
    pub(crate) async fn create(&self, fields: Value) -> Value {
        let made = self.table("POST", "", &json!({ "fields": fields })).await;
        assert_eq!(made.status, 200, "{}", made.text);
        made.body
    }

    /// Adds records without the API.
    pub(crate) fn add(&self, records: &[Value]) {
        let records: Vec<Map<String, Value>> = records.iter().map(|one| one.as_object().unwrap().clone()).collect();
        self.fake.add_records(BASE, TABLE, records).unwrap();
    }

    /// The keys that a list with this query gives.
    pub(crate) async fn keys(&self, query: &str) -> Vec<String> {
        let listed = self.table("GET", query, &Value::Null).await;
        assert_eq!(listed.status, 200, "{}", listed.text);
        keys(&listed.body)
    }

    /// How many records there are, whatever lists say.
    pub(crate) fn count(&self) -> usize {
        self.fake.records(BASE, TABLE).unwrap().len()
    }

    pub(crate) fn add_fault(&self, fault: Value) {
        self.fake.add_fault(serde_json::from_value(fault).unwrap());
    }
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        Ok(Self {
            status,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            headers,
        })
    }

    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, kind: &str) {
        assert_eq!(
            (self.status, self.body["error"]["type"].as_str()),
            (status, Some(kind)),
            "{}",
            self.text
        );
    }
}

pub(crate) fn keys(list: &Value) -> Vec<String> {
    let records = list["records"].as_array().unwrap();
    let key = |record: &Value| record["fields"]["Run Key"].as_str().unwrap_or_default().to_owned();
    records.iter().map(key).collect()
}

/// A formula as a query.
pub(crate) fn filter(formula: &str) -> String {
    let mut url = reqwest::Url::parse("http://x/").unwrap();
    url.query_pairs_mut().append_pair("filterByFormula", formula);
    format!("?{}", url.query().unwrap())
}
