//! A statement that reads, with its values: so that what is run and what is explained is the same.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::StoreError;
use crate::pool::Readers;

/// A statement that reads, with its values.
pub(crate) struct Statement {
    pub(crate) sql: String,
    values: Vec<Value>,
}

/// A value of a statement.
pub(crate) enum Value {
    Number(i64),
    Text(String),
    Texts(Vec<String>),
}

impl Statement {
    pub(crate) fn new(sql: impl Into<String>, values: Vec<Value>) -> Self {
        Self {
            sql: sql.into(),
            values,
        }
    }

    pub(crate) async fn rows(&self, readers: &Readers) -> Result<Vec<Row>, StoreError> {
        let values: Vec<&(dyn ToSql + Sync)> = self.values.iter().map(Value::bound).collect();
        readers.query(&self.sql, &values).await
    }

    /// The values as SQL writes them, behind one another.
    pub(crate) fn literals(&self) -> String {
        let literals: Vec<_> = self.values.iter().map(Value::literal).collect();
        literals.join(", ")
    }
}

impl Value {
    fn bound(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Number(number) => number,
            Self::Text(text) => text,
            Self::Texts(texts) => texts,
        }
    }

    fn literal(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => literal_of(text),
            Self::Texts(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| literal_of(text)).collect();
                format!("ARRAY[{}]::text[]", texts.join(", "))
            }
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

/// Sessions are set to read a backslash as itself.
fn literal_of(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
