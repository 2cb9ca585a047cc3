//! The words that some settings take: each setting knows its own, and an error lists them.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl From<$name> for &'static str {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                match text.as_str() {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words! {
    /// A kind of record.
    Creates {
        /// Job records.
        Job = "job",
        /// Client run records.
        Client = "client",
    }
}

words! {
    /// Where the ledger is kept.
    StoreKind {
        /// In one file of the data directory.
        Embedded = "embedded",
        /// In a PostgreSQL database, beside other servers.
        Postgres = "postgres",
    }
}

words! {
    /// A form of run ids.
    Scheme {
        /// `YYMMDD-HHMMSS`.
        Timestamp = "timestamp",
        /// A ULID.
        Ulid = "ulid",
        /// A UUID.
        Uuid = "uuid",
        /// A name.
        Name = "name",
    }
}

words! {
    /// What a line looks like to a webhook.
    WebhookFormat {
        /// A `CloudEvents` event.
        CloudEvents = "cloudevents",
        /// An `OpenLineage` run event.
        OpenLineage = "openlineage",
    }
}

words! {
    /// What a webhook gets of refused attempts.
    WebhookRefused {
        /// None of them.
        Without = "without",
        /// They come among the others.
        With = "with",
        /// Nothing else.
        Only = "only",
    }
}

words! {
    /// Which records are shown elsewhere when that begins.
    ShownFrom {
        /// All that there are.
        Beginning = "beginning",
        /// Those that change from then on.
        Now = "now",
    }
}

words! {
    /// What to do with tables that have rows before the first one is made.
    ExistingRows {
        /// Nothing is shown until they are imported.
        Refuse = "refuse",
        /// Each row is looked for before it is made.
        LookUp = "look_up",
    }
}

words! {
    /// What becomes of requests to delete rows of a run table.
    GatewayDeletes {
        /// They are refused.
        Refuse = "refuse",
        /// The records end as cancelled, and stay.
        Cancel = "cancel",
    }
}

words! {
    /// How severe a line is.
    LogLevel {
        /// Nothing at all.
        Off = "off",
        /// Somebody must act.
        Error = "error",
        /// Somebody should look.
        Warn = "warn",
        /// One line for each operation.
        Info = "info",
        /// For finding faults.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// How a line of the log looks.
    LogFormat {
        /// For people on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }
}
