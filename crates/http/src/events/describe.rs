//! The description of the stream of events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{ContentBuilder, RefOr};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

use crate::describe::forms;

/// Which events to stream. All given conditions must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the query themselves"
)]
pub(crate) struct EventQuery {
    /// About this run.
    #[param(value_type = forms::RunId, required = false)]
    run_id: Option<String>,
    /// About this client.
    #[param(value_type = forms::ClientId, required = false)]
    client_id: Option<String>,
    /// Of this action.
    #[param(value_type = forms::Action, required = false)]
    kind: Option<String>,
    /// `true`: refused attempts as well; `only`: nothing else. Without it, they are left out.
    #[param(value_type = forms::Refused, required = false)]
    refused: Option<String>,
    /// Begin behind this line; 0 for the whole log. Without it and without `Last-Event-ID`, only what comes from now on.
    #[param(value_type = LineNumber, required = false)]
    after: Option<u64>,
    /// `false`: end with the last line there is. Otherwise the stream goes on until one side ends it.
    follow: Option<bool>,
}

/// The headers of a stream of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the headers themselves"
)]
pub(crate) struct EventHeaders {
    /// The id of the last event that came. It is stronger than `after`.
    #[param(rename = "Last-Event-ID", value_type = LineNumber, required = false, example = 41)]
    last_event_id: Option<u64>,
}

/// The number of a line of the log, or 0 for the place before the first.
pub(crate) enum LineNumber {}

impl PartialSchema for LineNumber {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        Schema::from(number.minimum(Some(0)).maximum(Some(i64::MAX))).into()
    }
}

impl ToSchema for LineNumber {
    fn name() -> Cow<'static, str> {
        "LineNumber".into()
    }
}

/// The stream.
pub(crate) enum EventsStreamed {}

impl IntoResponses for EventsStreamed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let text = |meaning: &str| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some(meaning))
        };
        // One event: there are as many as there are lines.
        let event = ObjectBuilder::new()
            .property("id", text("The number of the line.").pattern(Some("^[0-9]+$")))
            .required("id")
            .property("event", Ref::from_schema_name("Action"))
            .required("event")
            .property(
                "data",
                text("The line: an `Activity` as JSON.").content_media_type("application/json"),
            )
            .required("data");
        let content = ContentBuilder::new().schema(Some(Schema::from(event))).build();
        let response = ResponseBuilder::new()
            .description("The stream of events, each with these fields.")
            .content("text/event-stream", content)
            .build();
        [("200".to_owned(), response.into())].into()
    }
}
