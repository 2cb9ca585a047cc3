//! The digest of a row: the same whether it was made ready here or came back from Airtable.

use crate::mapping::ResolvedTable;
use crate::request::Fields;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The digest of the cells that a table is written with; other cells do not count.
pub(super) fn digest(table: &ResolvedTable, cells: &Fields) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in table.fields() {
        take(&mut hash, &field.id);
        take(&mut hash, &shown(cells.get(&field.id)));
    }
    hash.finalize().into()
}

/// Every text comes behind its length, so that none can run into the next.
fn take(hash: &mut Sha256, text: &str) {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    hash.update(length.to_be_bytes());
    hash.update(text.as_bytes());
}

/// A cell as text, for comparing. An empty one is left out of what Airtable answers, and a number comes back without its last zeros.
pub(super) fn shown(cell: Option<&Value>) -> String {
    match cell {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(number) => format!("number {number}"),
            None => format!("number {number}"),
        },
        Some(cell) => cell.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_is_the_same_on_its_way_there_and_back() {
        for (one, other) in [
            (Some(json!(null)), None),
            (Some(json!("")), None),
            (Some(json!(1)), Some(json!(1.0))),
            (Some(json!(0.25)), Some(json!(2.5e-1))),
            (
                Some(json!(9_007_199_254_740_992_u64)),
                Some(json!(9_007_199_254_740_992.0)),
            ),
        ] {
            assert_eq!(shown(one.as_ref()), shown(other.as_ref()), "{one:?} {other:?}");
        }
        for (one, other) in [
            (json!("1"), json!(1)),
            (json!("a"), json!("A")),
            (json!(0), json!(null)),
            (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_990_u64)),
        ] {
            assert_ne!(shown(Some(&one)), shown(Some(&other)), "{one} {other}");
        }
    }
}
