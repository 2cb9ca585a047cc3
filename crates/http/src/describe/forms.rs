//! The forms of texts and numbers, described once for parameters and bodies. The rules are the domain's: nothing here
//! reads or refuses. A pattern says what a text looks like; the few words that are refused although they look right
//! (placeholders such as `undefined`, generic sources) are named in the description.

use utoipa::openapi::schema::{AnyOf, ArrayBuilder, ArrayItems, ObjectBuilder, Ref, SchemaType, Type};
use utoipa::openapi::{Object, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A date and time as in `250925-231841`: no month has more days than it has.
macro_rules! timestamp {
    () => {
        concat!(
            "(?:[0-9]{2}(?:(?:0[13578]|1[02])(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)(?:0[1-9]|[12][0-9]|30)",
            "|02(?:0[1-9]|1[0-9]|2[0-8]))|(?:[02468][048]|[13579][26])0229)",
            "-(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
        )
    };
}

/// The white space that a text for people must not consist of, as the inside of a character class.
macro_rules! blank {
    () => {
        r"\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    };
}

macro_rules! prose {
    () => {
        concat!(r"^[^\u0000]*[^\u0000", blank!(), r"][^\u0000]*$")
    };
}

macro_rules! texts {
    ($($name:ident, $meaning:literal, $pattern:expr, $example:literal $(, up to $length_max:literal)?;)*) => {
        $(
            pub(crate) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text($meaning, $pattern, $example, [$($length_max)?].first().copied()).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*
    };
}

texts! {
    RunId, "A run id: `YYMMDD-HHMMSS`, a ULID, a UUID in lower case, or a name. Refused although they look like names: \
        placeholders for a missing value, names that begin with `SR-`, ids of the form that Apify gives its runs, and \
        ULIDs and UUIDs in other spellings.",
        concat!("^(?:", timestamp!(), "|[0-7][0-9A-HJKMNP-TV-Z]{25}",
            "|(?!00000000-0000-0000-0000-000000000000)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            "|[A-Za-z][A-Za-z0-9_.-]{0,63})$"), "250925-231841";
    ClientId, "The id of a client, byte for byte. `undefined`, `null`, `NaN` and `None` are refused.",
        "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", "Guy-Wilson";
    Source, "The name of a program or step. Names that could be anybody's (`system`, `api`, `unknown` and the like) are \
        refused.",
        "^[A-Za-z][A-Za-z0-9_.:-]{1,63}$", "orchestrator";
    StageName, "The name of a stage. Placeholders for a missing value are refused.",
        "^[A-Za-z][A-Za-z0-9_.-]{0,63}$", "lead_scoring";
    BatchLabel, "What groups runs of one kind. Placeholders for a missing value are refused.",
        "^[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,127}$", "stream-1";
    ExternalId, "A reference to another system: its short name, a colon, the id that it gave.",
        "^[a-z][a-z0-9_.-]{0,63}:[!-~]{1,128}$", "apify:8MSTBAfqMzuXPvgB3";
    ClientName, "A name as people read it; not blank.", prose!(), "Guy Wilson", up to 256;
    NoteText, "A text for people; not blank.", prose!(), "12 posts could not be read", up to 100_000;
    AttemptId, "Visible ASCII characters, chosen by the caller. Placeholders for a missing value are refused.",
        "^[!-~]{1,128}$", "nightly-2025-09-25";
    MetricName, "The name of a metric.", "^[A-Za-z][A-Za-z0-9_.:-]{0,63}$", "posts_harvested";
    CursorText, "The `next` of the page before, as it was.",
        "^(?:0|[1-9a-f][0-9a-f]{0,15})-(?:0|[1-9a-f][0-9a-f]{0,15})$", "5f3a-2";
    TokenId, "The id of a token; not the token itself.", "^[0-9a-hjkmnp-tv-z]{12}$", "7k3m9q2w5x8z";
    WebhookName, "The name of a webhook.", "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", "billing";
    TokenName, "What a token is for.", "^[A-Za-z0-9][A-Za-z0-9_.@ -]{0,63}$", "nightly batch";
    FunctionName, "The name of a function of the older services, such as `createJobRecord`; `docs/legacy.md` lists them.",
        "^[a-zA-Z]{1,64}$", "createJobRecord";
    ProblemCode, "The code of a problem.", "^[a-z0-9_]{1,64}$", "conflict";
}

fn text(meaning: &str, pattern: &str, example: &str, length_max: Option<usize>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(meaning))
        .pattern(Some(pattern))
        .max_length(length_max)
        .examples([example])
        .build()
}

macro_rules! words {
    ($($name:ident, $meaning:literal, [$($word:literal),*];)*) => {
        $(
            pub(crate) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some($meaning))
                        .enum_values(Some([$($word),*]))
                        .build()
                        .into()
                }
            }

            impl ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*
    };
}

words! {
    Status, "`queued`, `running`, or how it ended.",
        ["queued", "running", "succeeded", "succeeded_with_errors", "failed", "skipped", "cancelled", "lost"];
    Outcome, "How something ended.", ["succeeded", "succeeded_with_errors", "failed", "skipped", "cancelled", "lost"];
    Beginning, "Where a record begins; `running` when left out.", ["queued", "running"];
    Started, "An update can only begin the work of a queued record.", ["running"];
    Kind, "The record of a run, or of one client's share in it.", ["job", "client"];
    Action, "What was tried.", ["create", "import", "update", "start_stage", "finish_stage", "heartbeat", "complete",
        "declare_lost", "create_token", "end_token", "enable_webhook", "test_webhook",
        "retry_row", "resume_projection", "repair_row", "remove_rows", "adopt_rows"];
    Refused, "What to do with refused attempts.", ["false", "true", "only"];
    Scope, "What a token may do.", ["create", "change", "read", "admin"];
}

/// What `If-Match` holds.
pub(crate) enum EntityTag {}

impl PartialSchema for EntityTag {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["*"]));
        let tag = text("The `ETag` as it was given.", "^\"[0-9]{1,19}\"$", "\"3\"", None);
        let mut either = AnyOf::new();
        either.description = Some("The `ETag` of a record, or `*` for any version.".into());
        either.items = vec![tag.into(), any.build().into()];
        Schema::AnyOf(either).into()
    }
}

impl ToSchema for EntityTag {
    fn name() -> std::borrow::Cow<'static, str> {
        "EntityTag".into()
    }
}

/// A number that is sent.
pub(crate) enum NumberIn {}

impl PartialSchema for NumberIn {
    fn schema() -> RefOr<Schema> {
        let mut number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).build();
        number.exclusive_maximum = Some(1_000_000_000_000_000_000_u64.into());
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?$"));
        let mut either = AnyOf::new();
        either.description = Some(
            "An exact number that is never negative: up to 18 digits before the point and 9 behind it. As a text \
             (`\"0.18\"`) for languages without exact decimals."
                .into(),
        );
        either.items = vec![number.into(), text.build().into()];
        Schema::AnyOf(either).into()
    }
}

impl ToSchema for NumberIn {
    fn name() -> std::borrow::Cow<'static, str> {
        "NumberSent".into()
    }
}

/// The arguments of a function.
pub(crate) enum FunctionArguments {}

impl PartialSchema for FunctionArguments {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue).build();
        let by_place = ArrayBuilder::new().items(ArrayItems::RefOrSchema(Box::new(Schema::from(any).into())));
        let by_name = ObjectBuilder::new().schema_type(Type::Object);
        let mut either = AnyOf::new();
        either.description = Some(
            "The arguments in their order (`[\"250925-231841\", 1, {\"source\": \"orchestrator\"}]`, also as \
             `{\"args\": [...]}`), or by their names (`{\"runId\": \"250925-231841\", \"options\": {\"source\": \
             \"orchestrator\"}}`)."
                .into(),
        );
        either.items = vec![by_place.build().into(), by_name.build().into()];
        Schema::AnyOf(either).into()
    }
}

impl ToSchema for FunctionArguments {
    fn name() -> std::borrow::Cow<'static, str> {
        "FunctionArguments".into()
    }
}

/// Numbers by the names of their metrics, as they are sent.
pub(crate) enum NumbersIn {}

impl PartialSchema for NumbersIn {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Numbers by the names of their metrics."))
            .property_names(Some(text_schema::<MetricName>()))
            .additional_properties(Some(Ref::from_schema_name("NumberSent")));
        object.build().into()
    }
}

impl ToSchema for NumbersIn {
    fn name() -> std::borrow::Cow<'static, str> {
        "MetricNumbers".into()
    }
}

fn text_schema<T: PartialSchema>() -> Schema {
    match T::schema() {
        RefOr::T(schema) => schema,
        RefOr::Ref(_) => Schema::default(),
    }
}
