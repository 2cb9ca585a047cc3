//! Pages of a listing, and the cursor between them. To the caller a cursor is an opaque text.

use std::fmt;
use std::sync::Arc;

use runledger_domain::{Activity, RunRecord, Timestamp};
use runledger_ports::{ActivityPage, Cursor, RecordPage};
use serde::Serialize;
use serde::ser::Serializer;
use utoipa::ToSchema;

use crate::wire::activity::ActivityOut;
use crate::wire::record::Record;

/// A cursor as a text: its two numbers in hexadecimal, with a hyphen between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CursorText(pub(crate) Cursor);

impl CursorText {
    /// Reads the text; `None` unless it is exactly what [`CursorText`] writes.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (order, id) = text.split_once('-')?;
        let order = u64::from_str_radix(order, 16).ok()?.cast_signed();
        let id = u64::from_str_radix(id, 16).ok()?;
        let cursor = Self(Cursor { order, id });
        // One spelling only: no sign, no leading zero, no capital.
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl fmt::Display for CursorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.0.order.cast_unsigned(), self.0.id)
    }
}

impl Serialize for CursorText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A page of records.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordPage)]
pub(crate) struct Records<'a> {
    /// The records.
    #[schema(value_type = Vec<Record<'a>>)]
    records: RecordList<'a>,
    /// Where the next page begins; null at the end.
    #[schema(required, value_type = Option<String>)]
    next: Option<CursorText>,
}

impl<'a> Records<'a> {
    pub(crate) fn of(page: &'a RecordPage, now: Timestamp) -> Self {
        Self {
            records: RecordList {
                records: &page.records,
                now,
            },
            next: page.next.map(CursorText),
        }
    }
}

/// The records that one call created.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedRecords<'a> {
    /// In the order in which they were sent.
    #[schema(value_type = Vec<Record<'a>>)]
    records: RecordList<'a>,
}

impl<'a> CreatedRecords<'a> {
    pub(crate) const fn of(records: &'a [Arc<RunRecord>], now: Timestamp) -> Self {
        Self {
            records: RecordList { records, now },
        }
    }
}

#[derive(Debug)]
struct RecordList<'a> {
    records: &'a [Arc<RunRecord>],
    now: Timestamp,
}

impl Serialize for RecordList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.records.iter().map(|record| Record::of(record, self.now)))
    }
}

/// A page of the activity log, oldest line first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityPage)]
pub(crate) struct Lines<'a> {
    /// The lines.
    #[schema(value_type = Vec<ActivityOut<'a>>)]
    activity: LineList<'a>,
    /// Where the next page begins; null at the end.
    #[schema(required, value_type = Option<String>)]
    next: Option<CursorText>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(page: &'a ActivityPage) -> Self {
        Self {
            activity: LineList(&page.lines),
            next: page.next.map(CursorText),
        }
    }
}

#[derive(Debug)]
struct LineList<'a>(&'a [Activity]);

impl Serialize for LineList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ActivityOut::of))
    }
}
