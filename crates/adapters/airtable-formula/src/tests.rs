//! Formulas on a record, each sentence that is known of them.

use super::*;
use std::collections::BTreeMap;

struct Fields(BTreeMap<&'static str, Value>);

impl Row for Fields {
    fn field(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::Blank)
    }

    fn id(&self) -> &'static str {
        "recAAAAAAAAAAAAAA"
    }

    fn created_ms(&self) -> i64 {
        NOW_MS - 86_400_000
    }

    fn modified_ms(&self) -> i64 {
        NOW_MS
    }
}

/// 2026-01-02T03:04:05.006Z, a Friday.
const NOW_MS: i64 = 1_767_323_045_006;

fn row() -> Fields {
    let text = |text: &str| Value::Text(text.into());
    Fields(BTreeMap::from([
        ("Run ID", text("250925-112233-Guy-Wilson")),
        ("Client ID", text("Mary-O'Brien")),
        ("Zero", Value::Number(0.0)),
        ("Two", Value::Number(2.0)),
        ("Empty", Value::Blank),
        ("Tags", Value::List(vec![text("a"), text("b")])),
        ("Done", Value::Bool(true)),
        ("Long", text(&"xyx".repeat(100_000))),
        (
            "Start",
            Value::Date {
                ms: NOW_MS,
                is_day: false,
            },
        ),
    ]))
}

fn check(formula: &str, expected: &str) {
    let found = Formula::parse(formula).map(|formula| formula.evaluate(&row(), NOW_MS));
    let found = found.map_or_else(|error| error.to_string(), |value| value.text());
    assert_eq!(found, expected, "{formula}");
}

#[test]
fn texts_are_equal_in_the_same_case_only() {
    for (formula, expected) in [
        ("{Run ID} = '250925-112233-Guy-Wilson'", "1"),
        ("{Run ID} = '250925-112233-guy-wilson'", "0"),
        (r#"{Client ID} = "Mary-O'Brien""#, "1"),
        (r"{Client ID} = 'Mary-O\'Brien'", "1"),
        ("'' = 'a'", "0"),
        ("EXACT('a', 'A')", "0"),
        ("'a' != 'b'", "1"),
        ("'a' < 'b'", "1"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn a_blank_is_equal_to_zero_to_no_text_and_to_false() {
    for (formula, expected) in [
        ("BLANK() = 0", "1"),
        ("{Empty} = ''", "1"),
        ("{Empty} = BLANK()", "1"),
        ("{Zero} = BLANK()", "1"),
        ("{Two} = BLANK()", "0"),
        ("{Empty} = FALSE()", "1"),
        ("{Empty} = ' '", "0"),
        ("{Empty} + 1", "1"),
        ("{Empty} & 'a'", "a"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn logic_looks_at_what_matters_alone() {
    for (formula, expected) in [
        ("AND(1, 'a', {Two})", "1"),
        ("AND(1, {Empty})", "0"),
        ("OR({Run ID} = 'x', {Run ID} = '250925-112233-Guy-Wilson')", "1"),
        ("OR(0, '', {Empty})", "0"),
        ("NOT({Empty})", "1"),
        ("XOR(1, 1, 1)", "1"),
        ("IF({Two} > 1, 'more', ERROR())", "more"),
        ("IF(0, 'a')", ""),
        ("IF(ERROR(), 1, 2)", "#ERROR!"),
        ("ISERROR(1 + 'a')", "1"),
        ("OR(1, ERROR())", "1"),
        ("SWITCH({Two}, 1, 'one', 2, 'two', 'many')", "two"),
        ("SWITCH('x', 'a', 1, 'other')", "other"),
        ("TRUE() = 1", "1"),
        ("RECORD_ID()", "recAAAAAAAAAAAAAA"),
        ("record_id() = 'recAAAAAAAAAAAAAA'", "1"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn operators_bind_as_in_a_spreadsheet() {
    for (formula, expected) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 + 3", "1"),
        ("10 - 2 - 3", "5"),
        ("8 / 2 / 2", "2"),
        ("'a' & 1 + 1", "a2"),
        ("'a' & 'b' = 'ab'", "1"),
        ("0 / 0", "NaN"),
        ("1 + 'x'", "#ERROR!"),
        ("'2' * '3'", "6"),
        ("ERROR() & 'a'", "#ERROR!"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn texts_are_searched_and_cut() {
    for (formula, expected) in [
        ("FIND('250925', {Run ID}) = 1", "1"),
        ("FIND('guy', {Run ID})", "0"),
        ("SEARCH('guy', {Run ID})", "15"),
        ("SEARCH('nobody', {Run ID})", ""),
        ("FIND('a', 'banana', 3)", "4"),
        ("FIND('', 'abc')", "1"),
        ("LEN('äö')", "2"),
        ("LEFT('abc', 2) & RIGHT('abc', 1)", "abc"),
        ("MID('abcdef', 2, 3)", "bcd"),
        ("SUBSTITUTE('a-b-c', '-', '+')", "a+b+c"),
        ("SUBSTITUTE('a-b-c', '-', '+', 2)", "a-b+c"),
        ("REPLACE('abcdef', 2, 3, 'X')", "aXef"),
        ("REPT('ab', 3)", "ababab"),
        ("TRIM('  a ') & UPPER('b') & LOWER('C')", "aBc"),
        ("CONCATENATE('a', 1, {Tags})", "a1a, b"),
        ("ARRAYJOIN({Tags}, '|')", "a|b"),
        ("{Tags} = 'a, b'", "1"),
        ("T(1) & T('a')", "a"),
        ("ENCODE_URL_COMPONENT('a b')", "a%20b"),
        ("VALUE('$1,234.50')", "1234.5"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn numbers_are_computed() {
    for (formula, expected) in [
        ("SUM(1, 2, 'a', {Tags})", "3"),
        ("AVERAGE(1, 2)", "1.5"),
        ("MAX(1, {Two}) + MIN(1, {Two})", "3"),
        ("COUNT(1, 'a') & COUNTA(1, 'a', '') & COUNTALL(1, 'a', '')", "123"),
        ("ROUND(2.345, 2) & ROUNDDOWN(2.9, 0) & ROUNDUP(2.1, 0)", "2.3523"),
        ("INT(-1.5) & FLOOR(7, 3) & CEILING(7, 3)", "-269"),
        ("MOD(-1, 3) & ABS(-4) & POWER(2, 3)", "248"),
        ("EVEN(3) & ODD(2)", "43"),
        ("SQRT(9) & LOG(100)", "32"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn dates_are_counted_in_utc() {
    for (formula, expected) in [
        ("DATESTR({Start})", "2026-01-02"),
        ("TODAY()", "2026-01-02"),
        ("YEAR(NOW()) & '-' & MONTH(NOW()) & '-' & DAY(NOW())", "2026-1-2"),
        ("HOUR({Start}) & ':' & MINUTE({Start}) & ':' & SECOND({Start})", "3:4:5"),
        ("WEEKDAY({Start})", "5"),
        ("DATETIME_DIFF({Start}, CREATED_TIME(), 'hours')", "24"),
        ("DATETIME_DIFF(CREATED_TIME(), {Start}, 'days')", "-1"),
        ("DATEADD({Start}, 1, 'months')", "2026-02-02T03:04:05.006Z"),
        ("IS_BEFORE(CREATED_TIME(), {Start})", "1"),
        ("IS_AFTER({Start}, '2026-01-01')", "1"),
        ("IS_SAME({Start}, '2026-01-02T23:00:00Z', 'day')", "1"),
        ("IS_SAME({Start}, '2026-01-02T23:00:00Z')", "0"),
        ("IS_AFTER({Empty}, '2026-01-01')", "0"),
        ("DATETIME_FORMAT({Start}, 'YYYY-MM-DD HH:mm')", "2026-01-02 03:04"),
        ("DATETIME_FORMAT({Start}, 'D/M/YY h:mm a')", "2/1/26 3:04 am"),
        ("DATETIME_FORMAT({Start}, 'dddd, ddd, d, E')", "Friday, Fri, 5, 5"),
        (
            "DATETIME_FORMAT({Start}, 'H:m:s.SSS A ZZ Z')",
            "3:4:5.006 AM +0000 +00:00",
        ),
        ("DATETIME_FORMAT({Start}, 'X x DDDD')", "1767323045 1767323045006 002"),
        ("DATETIME_FORMAT({Start}, '[Day] D [of] MMMM')", "Day 2 of January"),
        ("{Start} > '2026-01-02'", "1"),
        ("'2026-01-02T03:04:06Z' <= {Start}", "0"),
        ("{Start} < 'soon'", "#ERROR!"),
        (
            "DATETIME_PARSE('2026-01-02') = DATETIME_PARSE('2026-01-02T00:00:00Z')",
            "1",
        ),
        ("LAST_MODIFIED_TIME() = {Start}", "1"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn what_is_no_formula_is_refused_with_its_reason() {
    let syntax = "Invalid formula. Please check your formula text.";
    for (formula, expected) in [
        ("{Client ID} = 'Mary-O'Brien'", syntax),
        ("AND(1, ", syntax),
        ("1 +", syntax),
        ("1 2", syntax),
        ("", syntax),
        ("NOT()", syntax),
        ("IF(1)", syntax),
        ("MEDIANE(1) + Other(2)", "Unknown function names: mediane, other"),
    ] {
        check(formula, expected);
    }
    let deep = "(".repeat(5_000) + "1" + &")".repeat(5_000);
    assert_eq!(Formula::parse(&deep), Err(FormulaError::Syntax));
}

#[test]
fn a_long_chain_is_not_a_deep_one() {
    check(&vec!["1"; 200_000].join("+"), "200000");
    check(&format!("LEN({})", vec!["'a'"; 10_000].join("&")), "10000");
}

#[test]
fn no_formula_makes_texts_that_fill_the_memory() {
    let long = "REPT('x', 60000)";
    let all = |many: usize, with: &str| vec![with; many].join(",");
    for formula in [
        "REPT('x', 1000000000000)".to_owned(),
        "REPT('x', 100001)".to_owned(),
        format!("LEN({long} & {long})"),
        format!("SUBSTITUTE({long}, 'x', 'yyy')"),
        format!("ARRAYJOIN(ARRAYFLATTEN({}), {long})", all(1_000, "1")),
        // A long field, over and over.
        format!("LEN(CONCATENATE({}))", all(20, "{Long}")),
        format!("LEN({})", all(20, "{Long}").replace(',', "&")),
        format!("AND({})", all(20, "LEN({Long})")),
    ] {
        let found = Formula::parse(&formula).unwrap().evaluate(&row(), NOW_MS);
        assert_eq!(found, Value::Error, "{}", &formula[..formula.len().min(80)]);
    }
    // What a long field holds is searched and changed as every other.
    for (formula, expected) in [
        ("LEN(REPT('x', 100000))", "100000"),
        ("FIND('yx', LOWER({Long}))", "2"),
        ("LEN(SUBSTITUTE({Long}, 'y', 'z'))", "300000"),
        ("LEN({Long} & {Long})", "600000"),
    ] {
        check(formula, expected);
    }
}

#[test]
fn a_filter_drops_zero_false_nothing_nan_and_errors() {
    for (formula, kept) in [
        ("1", true),
        ("'a'", true),
        ("{Start}", true),
        ("0", false),
        ("FALSE()", false),
        ("''", false),
        ("0/0", false),
        ("{Empty}", false),
        ("ERROR()", false),
        ("ARRAYCOMPACT({Empty})", false),
    ] {
        let formula = Formula::parse(formula).unwrap();
        assert_eq!(formula.keeps(&row(), NOW_MS), kept, "{formula:?}");
    }
}

#[test]
fn a_text_that_a_field_must_hold_is_known_where_the_formula_says_so_plainly() {
    for (formula, expected) in [
        ("{Run ID} = 'a'", Some("a")),
        ("'a' = {Run ID}", Some("a")),
        ("AND({N} = 1, AND({Run ID} = \"a\"))", Some("a")),
        ("{Run ID} = 1", None),
        ("{Run ID} != 'a'", None),
        ("NOT({Run ID} = 'a')", None),
        ("OR({Run ID} = 'a', {Run ID} = 'b')", None),
        ("{Run ID} = 'a' = 0", None),
        ("IF({Run ID} = 'a', 1, 1)", None),
        ("{Other} = 'a'", None),
    ] {
        assert_eq!(
            Formula::parse(formula).unwrap().demands("Run ID"),
            expected,
            "{formula}"
        );
    }
}

#[test]
fn texts_that_a_field_is_compared_with_are_respelled_and_no_others() {
    let spell = |text: &str| (text == "a").then(|| "b".to_owned());
    for (formula, expected) in [
        ("{Run ID} = 'a'", "{Run ID} = 'b'"),
        ("'a' != {Run ID}", "'b' != {Run ID}"),
        ("OR({N} = 1, NOT({Run ID} = 'a'))", "OR({N} = 1, NOT({Run ID} = 'b'))"),
        ("-({Run ID} = 'a')", "-({Run ID} = 'b')"),
        ("{Other} = 'a'", "{Other} = 'a'"),
        ("{Run ID} = 'c'", "{Run ID} = 'c'"),
        ("{Run ID} > 'a'", "{Run ID} > 'a'"),
        ("'a' & {Run ID} = 'a'", "'a' & {Run ID} = 'a'"),
    ] {
        let respelled = Formula::parse(formula).unwrap().respelled("Run ID", &spell);
        assert_eq!(respelled, Formula::parse(expected).unwrap(), "{formula}");
    }
}
