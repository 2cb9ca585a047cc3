//! No input changes the meaning of a formula: the fake's own tokenizer, parser and evaluator say what it means.

use super::*;
use proptest::prelude::*;
use runledger_airtable_formula::{Formula as Read, Row, Value};
use std::collections::BTreeMap;

struct Fields(BTreeMap<String, String>);

impl Row for Fields {
    fn field(&self, name: &str) -> Value {
        self.0.get(name).map_or(Value::Blank, |text| Value::Text(text.clone()))
    }

    fn id(&self) -> &'static str {
        "recAAAAAAAAAAAAAA"
    }

    fn created_ms(&self) -> i64 {
        0
    }

    fn modified_ms(&self) -> i64 {
        0
    }
}

/// Whether a formula keeps a row; it must be readable, and name no other fields than these.
fn keeps(formula: &Formula, row: &Fields) -> bool {
    let read = Read::parse(formula.as_str()).unwrap_or_else(|error| panic!("{formula}: {error}"));
    assert!(
        read.fields().iter().all(|field| row.0.contains_key(*field)),
        "{formula} names {:?}",
        read.fields()
    );
    read.keeps(row, 0)
}

/// Texts that like to break out, and any others.
fn text() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "'",
        "\"",
        "\\",
        "\\'",
        "')",
        "',",
        "{",
        "}",
        "\\}",
        "OR(",
        "1=1",
        "=",
        "&",
        "\n",
        "\r",
        "\t",
        "TRUE()",
        ",",
        "(",
        ")",
        "{Run Key}",
        "a",
        "A",
        " ",
        "ü",
        "🦀",
        "\u{0}",
        "\u{2028}",
        "//",
        "/*",
        "\\n",
        "BLANK()",
    ]);
    prop_oneof![
        prop::collection::vec(parts, 1..12).prop_map(|parts| parts.concat()),
        any::<String>().prop_filter("an empty text is refused", |text| !text.is_empty()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    text().prop_filter("not every text is a name", |name| FieldName::new(name).is_ok())
}

proptest! {
    #[test]
    fn equals_keeps_the_rows_that_have_the_text_and_no_others(name in name(), wanted in text(), found in text()) {
        let formula = Formula::equals(&FieldName::new(&name).unwrap(), &wanted).unwrap();
        for (found, expected) in [(&found, found == wanted), (&wanted, true), (&String::new(), false)] {
            let row = Fields(BTreeMap::from([(name.clone(), found.clone())]));
            prop_assert_eq!(keeps(&formula, &row), expected, "{} on {:?}", formula, found);
        }
    }

    #[test]
    fn many_keys_of_two_fields_keep_exactly_their_rows(
        keys in prop::collection::vec((text(), text()), 1..20),
        other in (text(), text()),
    ) {
        let [run, client] = ["Run Key", "Client ID"].map(|name| FieldName::new(name).unwrap());
        let one = |(left, right): &(String, String)| {
            Formula::all(&[Formula::equals(&run, left).unwrap(), Formula::equals(&client, right).unwrap()]).unwrap()
        };
        let formula = Formula::any(&keys.iter().map(one).collect::<Vec<_>>()).unwrap();
        for key in keys.iter().chain([&other]) {
            let row = Fields(BTreeMap::from([
                ("Run Key".to_owned(), key.0.clone()),
                ("Client ID".to_owned(), key.1.clone()),
            ]));
            prop_assert_eq!(keeps(&formula, &row), keys.contains(key), "{} on {:?}", formula, key);
            prop_assert_ne!(keeps(&formula.negated(), &row), keys.contains(key));
        }
    }
}

#[test]
fn f32_an_empty_key_is_never_looked_for() {
    let field = FieldName::new("Run ID").unwrap();
    assert_eq!(Formula::equals(&field, ""), Err(FormulaError::EmptyText));
    assert_eq!(Formula::any(&[]), Err(FormulaError::NoParts));
    assert_eq!(Formula::all(&[]), Err(FormulaError::NoParts));
    for name in ["", "a\\", "a\nb"] {
        assert!(FieldName::new(name).is_err(), "{name:?}");
    }
    let row = Fields(BTreeMap::from([("Run ID".into(), String::new())]));
    assert!(keeps(&Formula::is_empty_field(&field), &row));
}
