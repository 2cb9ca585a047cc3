//! Refusals: a status, a type, a message, and which of the four shapes the body has.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A refusal of the API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) shape: Shape,
    /// Seconds of a `Retry-After` header.
    pub(crate) retry_after: Option<u64>,
}

/// How the body of a refusal is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `{"error":{"type":..,"message":..}}`
    #[default]
    Object,
    /// `{"error":"NOT_FOUND"}`
    Text,
    /// `{"error":{"type":..}}`
    TypeOnly,
    /// `{"errors":[{"error":..,"message":..}]}`
    Errors,
    /// A page for people, as something between a client and the API sends it.
    Html,
    /// Nothing.
    Empty,
}

impl ApiError {
    pub(crate) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message: message.into(),
            shape: Shape::Object,
            retry_after: None,
        }
    }

    fn shaped(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Without its message.
    pub(crate) fn type_only(self) -> Self {
        self.shaped(Shape::TypeOnly)
    }

    /// A request that cannot be carried out: 422 with this type.
    pub(crate) fn invalid(kind: &str, message: impl Into<String>) -> Self {
        Self::new(422, kind, message)
    }

    pub(crate) fn invalid_request() -> Self {
        Self::invalid(
            "INVALID_REQUEST_UNKNOWN",
            "Invalid request: parameter validation failed. Check your request data.",
        )
    }

    pub(crate) fn body_unreadable() -> Self {
        Self::new(400, "INVALID_REQUEST_BODY", "Could not parse request body")
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(413, "REQUEST_TOO_LARGE", "Request body is too large")
    }

    pub(crate) fn url_too_long() -> Self {
        Self::new(
            414,
            "REQUEST_URL_TOO_LONG",
            "The URL is longer than 16,000 characters; use POST listRecords",
        )
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(401, "AUTHENTICATION_REQUIRED", "Authentication required")
    }

    pub(crate) fn permission_or_model() -> Self {
        Self::new(
            403,
            "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
            "Invalid permissions, or the requested model was not found. Check that both your user and your token \
             have the required permissions, and that the model names and/or ids are correct.",
        )
    }

    pub(crate) fn permission() -> Self {
        Self::new(
            403,
            "INVALID_PERMISSIONS",
            "You are not permitted to perform this operation",
        )
    }

    /// What a single record that does not exist answers.
    pub(crate) fn record_missing() -> Self {
        Self::new(404, "NOT_FOUND", "").shaped(Shape::Text)
    }

    /// What an address that does not exist answers.
    pub(crate) fn no_route() -> Self {
        Self::new(404, "NOT_FOUND", "").shaped(Shape::TypeOnly)
    }

    /// What a batch answers that names a record that does not exist.
    pub(crate) fn row_missing(id: &str) -> Self {
        Self::invalid(
            "ROW_DOES_NOT_EXIST",
            format!("Record ID {id} does not exist in this table"),
        )
    }

    /// What a batch answers that names a record twice.
    pub(crate) fn record_twice(done: &str) -> Self {
        Self::invalid(
            "INVALID_RECORDS",
            format!("You cannot {done} the same record multiple times in a single request."),
        )
    }

    pub(crate) fn missing_fields() -> Self {
        Self::invalid(
            "INVALID_REQUEST_MISSING_FIELDS",
            "Could not find field \"fields\" in the request body",
        )
    }

    pub(crate) fn unknown_field(name: &str) -> Self {
        Self::invalid("UNKNOWN_FIELD_NAME", format!("Unknown field name: \"{name}\""))
    }

    pub(crate) fn computed(name: &str) -> Self {
        Self::invalid(
            "INVALID_VALUE_FOR_COLUMN",
            format!("Field \"{name}\" cannot accept a value because the field is computed"),
        )
    }

    pub(crate) fn bad_value(name: &str) -> Self {
        Self::invalid(
            "INVALID_VALUE_FOR_COLUMN",
            format!("Field \"{name}\" cannot accept the provided value"),
        )
    }

    /// The quotes are doubled in the real one as well.
    pub(crate) fn unknown_option(option: &str) -> Self {
        Self::invalid(
            "INVALID_MULTIPLE_CHOICE_OPTIONS",
            format!("Insufficient permissions to create new select option \"\"{option}\"\""),
        )
    }

    pub(crate) fn formula(error: &runledger_airtable_formula::FormulaError) -> Self {
        Self::invalid(
            "INVALID_FILTER_BY_FORMULA",
            format!("The formula for filtering records is invalid: {error}"),
        )
    }

    pub(crate) fn rate_limited() -> Self {
        Self::new(429, "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later").shaped(Shape::Errors)
    }

    pub(crate) fn quota_spent() -> Self {
        Self::new(
            429,
            "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
            "API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month",
        )
        .shaped(Shape::Errors)
    }

    /// What the body says.
    pub(crate) fn body(&self) -> Vec<u8> {
        let Self { kind, message, .. } = self;
        let value: Value = match self.shape {
            Shape::Object => json!({"error": {"type": kind, "message": message}}),
            Shape::Text => json!({"error": kind}),
            Shape::TypeOnly => json!({"error": {"type": kind}}),
            Shape::Errors => json!({"errors": [{"error": kind, "message": message}]}),
            Shape::Html => {
                return format!(
                    "<html><head><title>{0}</title></head><body>{0} {kind}</body></html>",
                    self.status
                )
                .into_bytes();
            }
            Shape::Empty => return Vec::new(),
        };
        value.to_string().into_bytes()
    }
}
