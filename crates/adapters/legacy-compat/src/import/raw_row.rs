//! One row of CSV, byte by byte: where it begins, its fields, and what is wrong with it.
//!
//! The `csv` crate reads the same language, and a test holds the two together. It is not used for reading because an
//! import has to know what it does not tell: the line a row begins on (with CRLF it counts the line before), that a
//! quote was never closed (it hands out the rest of a cut-off file as a row like any other), that text stands behind a
//! closing quote (it takes a stray quote for the beginning of a field that goes over many rows), and that a row is longer
//! than any row can be (it takes in the whole of it).

use std::io::{self, BufRead};

use super::input::Place;
use super::rows::ROW_MAX_BYTES;

/// The bytes of one row, field after field.
#[derive(Debug)]
pub(super) struct RawRow {
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`.
    ends: Vec<usize>,
    /// Where it begins.
    pub(super) place: Place,
    /// Where reading it went wrong, if so. Nothing was read behind that.
    pub(super) fault: Option<Fault>,
}

/// What is no CSV.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// A quote is opened, and the file ends.
    UnclosedQuote,
    /// A quote is closed, and neither a comma nor the end of the row follows.
    TextAfterQuote,
    /// More bytes than any row has.
    TooLong,
}

#[derive(Clone, Copy)]
enum State {
    /// Between rows: line ends are skipped.
    Between,
    FieldStart,
    Bare,
    Quoted,
    /// Behind a quote inside a quoted field: its end, or one half of a doubled quote.
    QuoteSeen,
    /// The row is complete, or broken.
    Ended,
}

impl RawRow {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            place: Place::START,
            fault: None,
        }
    }

    /// Reads the next row; `false` at the end of the file.
    pub(super) fn read(&mut self, reader: &mut impl BufRead, place: &mut Place) -> io::Result<bool> {
        self.bytes.clear();
        self.ends.clear();
        self.fault = None;
        let mut state = State::Between;
        loop {
            let buffer = match reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if buffer.is_empty() {
                return Ok(self.finish(state));
            }
            let mut used = 0;
            for byte in buffer {
                if matches!(state, State::Between) && !matches!(byte, b'\r' | b'\n') {
                    self.place = *place;
                    self.place.advance(&buffer[..used]);
                    state = State::FieldStart;
                }
                used += 1;
                state = self.step(state, *byte);
                if matches!(state, State::Ended) {
                    break;
                }
            }
            place.advance(&buffer[..used]);
            reader.consume(used);
            if matches!(state, State::Ended) {
                return Ok(true);
            }
        }
    }

    /// Takes one byte, and says the state behind it.
    fn step(&mut self, state: State, byte: u8) -> State {
        match (state, byte) {
            (State::Between, _) => State::Between,
            (State::Ended, _) => State::Ended,
            (State::Quoted, b'"') => State::QuoteSeen,
            (State::Quoted, _) | (State::QuoteSeen, b'"') => self.push(byte, State::Quoted),
            (State::FieldStart, b'"') => State::Quoted,
            (State::FieldStart | State::Bare | State::QuoteSeen, b',') => self.end_field(State::FieldStart),
            (State::FieldStart | State::Bare | State::QuoteSeen, b'\r' | b'\n') => self.end_field(State::Ended),
            (State::QuoteSeen, _) => self.fail(Fault::TextAfterQuote),
            (State::FieldStart | State::Bare, _) => self.push(byte, State::Bare),
        }
    }

    fn finish(&mut self, state: State) -> bool {
        match state {
            State::Between => return false,
            State::Quoted => self.fail(Fault::UnclosedQuote),
            _ => self.end_field(State::Ended),
        };
        true
    }

    fn push(&mut self, byte: u8, next: State) -> State {
        if self.bytes.len() == ROW_MAX_BYTES {
            return self.fail(Fault::TooLong);
        }
        self.bytes.push(byte);
        next
    }

    fn end_field(&mut self, next: State) -> State {
        if self.ends.len() == ROW_MAX_BYTES {
            return self.fail(Fault::TooLong);
        }
        self.ends.push(self.bytes.len());
        next
    }

    /// The field that is broken stays out of the fields.
    fn fail(&mut self, fault: Fault) -> State {
        self.fault = Some(fault);
        State::Ended
    }

    /// How many fields could be read.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The fields that could be read.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// The field of this number, as text.
    pub(super) fn text(&self, number: usize) -> Option<&str> {
        let bytes = self.fields().nth(number)?;
        std::str::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A row's line, its fields and what is wrong with it.
    type Found = (u64, Vec<Vec<u8>>, Option<Fault>);

    /// All rows, up to the first that is no CSV.
    fn read_all(bytes: &[u8], buffer_bytes: usize) -> Vec<Found> {
        let mut reader = io::BufReader::with_capacity(buffer_bytes, bytes);
        let (mut place, mut raw, mut rows) = (Place::START, RawRow::new(), Vec::new());
        while raw.fault.is_none() && raw.read(&mut reader, &mut place).unwrap() {
            rows.push((raw.place.line, raw.fields().map(<[u8]>::to_vec).collect(), raw.fault));
        }
        assert!(raw.fault.is_some() || place.offset == bytes.len() as u64);
        rows
    }

    /// Rows as `line: field|field`, and behind it what is wrong with the last.
    fn check(text: &str, expected: &[&str], fault: Option<Fault>) {
        for buffer_bytes in [1, 2, 3, 4096] {
            let rows = read_all(text.as_bytes(), buffer_bytes);
            let found: Vec<String> = rows
                .iter()
                .map(|(line, fields, _)| {
                    let fields: Vec<_> = fields.iter().map(|field| String::from_utf8_lossy(field)).collect();
                    format!("{line}: {}", fields.join("|"))
                })
                .collect();
            assert_eq!(found, expected, "{text:?}");
            assert_eq!(rows.last().and_then(|(_, _, fault)| *fault), fault, "{text:?}");
        }
    }

    #[test]
    fn rows_are_found_with_the_line_that_they_begin_on() {
        check("a,b\r\n1,2\r\n", &["1: a|b", "2: 1|2"], None);
        check("a,b\n1,2", &["1: a|b", "2: 1|2"], None);
        check("a,\"b\r\nc\"\r\nd,e\r\n", &["1: a|b\r\nc", "3: d|e"], None);
        check("a\r\n\r\n\r\nb\r\n", &["1: a", "4: b"], None);
        check("\"a\"\"b\",\"\"\n,\n", &["1: a\"b|", "2: |"], None);
        check("5\" pipe,x\"y\"\n", &["1: 5\" pipe|x\"y\""], None);
        check("", &[], None);
    }

    #[test]
    fn a_carriage_return_alone_ends_a_line_too() {
        check("a,b\r1,\"2\r3\"\rx,y\r", &["1: a|b", "2: 1|2\r3", "4: x|y"], None);
        check("a\r\rb\n\rc\r\nd", &["1: a", "3: b", "5: c", "6: d"], None);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_noticed() {
        check("a,b\n1,\"cut off", &["1: a|b", "2: 1"], Some(Fault::UnclosedQuote));
        check("a\n\"", &["1: a", "2: "], Some(Fault::UnclosedQuote));
        check("a\n\"\"", &["1: a", "2: "], None);
    }

    #[test]
    fn text_behind_a_closing_quote_is_noticed() {
        check("a,\"b\"c,d\n", &["1: a"], Some(Fault::TextAfterQuote));
        check("a\n\"b\" ,d\n", &["1: a", "2: "], Some(Fault::TextAfterQuote));
        check("\"a\"\"\",\"b\"", &["1: a\"|b"], None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_csv_crate_reads(text in "[a,\"\r\n ]{0,40}") {
            let mut oracle = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<Vec<u8>>> = oracle
                .byte_records()
                .map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect())
                .collect();
            let found = read_all(text.as_bytes(), 7);
            let whole = found.iter().filter(|(_, _, fault)| fault.is_none()).count();
            prop_assert!(whole == found.len() || whole + 1 == found.len());
            prop_assert!(whole < found.len() || found.len() == expected.len());
            for ((_, fields, _), expected) in found.iter().zip(&expected).take(whole) {
                prop_assert_eq!(fields, expected);
            }
        }
    }
}
