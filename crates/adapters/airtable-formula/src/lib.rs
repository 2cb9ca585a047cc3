//! Formulas as Airtable's `filterByFormula` and formula fields have them: a tokenizer, a parser and an evaluator.
//!
//! Names of functions do not mind case, names of fields do. What is known of the quirks is kept: a blank is equal to `0`,
//! to `''` and to `FALSE()`; texts are equal only in the same case; an error anywhere is the answer, unless something asks
//! whether it is one. Nothing here reads a clock.
//!
//! It is for whoever answers in Airtable's place: the fake one, and the gateway. It knows nothing of the ledger.
#![forbid(unsafe_code)]

mod dates;
mod evaluate;
mod functions;
mod numbers;
mod parse;
#[cfg(test)]
mod tests;
mod texts;
mod token;
mod value;

pub use dates::parse as moment;
pub use value::{Value, date_text};

use functions::Function;
use std::collections::BTreeSet;

/// A formula that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    expression: Expression,
}

/// Why a formula is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormulaError {
    /// It cannot be read.
    #[error("Invalid formula. Please check your formula text.")]
    Syntax,
    /// It calls what is no function.
    #[error("Unknown function names: {}", .0.join(", "))]
    UnknownFunctions(Vec<String>),
    /// It names what is no field of the table.
    #[error("Unknown field names: {}", .0.join(", "))]
    UnknownFields(Vec<String>),
}

/// The record that a formula is evaluated on.
pub trait Row {
    /// The value of a field; a blank when the record holds nothing there.
    fn field(&self, name: &str) -> Value;
    /// The id of the record.
    fn id(&self) -> &str;
    /// When it was created, in milliseconds since 1970.
    fn created_ms(&self) -> i64;
    /// When it was last changed, in milliseconds since 1970.
    fn modified_ms(&self) -> i64;
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Number(f64),
    Text(String),
    Field(String),
    Negation(Box<Expression>),
    /// Operators of one level, from left to right: side by side, so that a long chain is not a deep one.
    Chain(Box<Expression>, Vec<(Operator, Expression)>),
    Call(Function, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Join,
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// [`FormulaError::Syntax`] or [`FormulaError::UnknownFunctions`].
    ///
    /// ```
    /// use runledger_airtable_formula::Formula;
    ///
    /// assert!(Formula::parse("AND({Run ID} = 'a', NOT({Done}))").is_ok());
    /// assert!(Formula::parse("{Run ID} = 'Mary-O'Brien'").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, FormulaError> {
        Ok(Self {
            expression: parse::parse(text)?,
        })
    }

    /// Every field that it names, once.
    pub fn fields(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.expression.collect_fields(&mut names);
        names
    }

    /// The text that this field must hold for the formula to hold, where the formula says so plainly: by `{field} = 'text'`,
    /// alone or as a part of `AND`. It lets whoever lists by a key look the key up.
    ///
    /// ```
    /// use runledger_airtable_formula::Formula;
    ///
    /// let formula = Formula::parse("AND({Run ID} = 'a', OR({N} = 1, {N} = 2))")?;
    /// assert_eq!(formula.demands("Run ID"), Some("a"));
    /// assert_eq!(Formula::parse("OR({Run ID} = 'a', {N} = 1)")?.demands("Run ID"), None);
    /// # Ok::<(), runledger_airtable_formula::FormulaError>(())
    /// ```
    pub fn demands(&self, field: &str) -> Option<&str> {
        self.expression.demands(field)
    }

    /// The same formula with other texts where this field is compared with a text by `=` or `!=`: for a field whose values
    /// have several spellings. `spell` answers the text to compare with; `None` leaves it.
    #[must_use]
    pub fn respelled(mut self, field: &str, spell: &dyn Fn(&str) -> Option<String>) -> Self {
        self.expression.respell(field, spell);
        self
    }

    /// What it comes to on a record, at a time in milliseconds since 1970.
    pub fn evaluate(&self, row: &dyn Row, now_ms: i64) -> Value {
        evaluate::evaluate(&self.expression, &evaluate::Scene::new(row, now_ms))
    }

    /// Whether a list with this filter keeps the record.
    pub fn keeps(&self, row: &dyn Row, now_ms: i64) -> bool {
        self.evaluate(row, now_ms).is_truthy()
    }
}

impl Expression {
    fn collect_fields<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::Number(_) | Self::Text(_) => {}
            Self::Field(name) => {
                names.insert(name);
            }
            Self::Negation(inner) => inner.collect_fields(names),
            Self::Chain(first, rest) => {
                first.collect_fields(names);
                for (_, next) in rest {
                    next.collect_fields(names);
                }
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.collect_fields(names)),
        }
    }

    fn demands(&self, field: &str) -> Option<&str> {
        match self {
            Self::Chain(left, rest) => match (&**left, &rest[..]) {
                (Self::Field(name), [(Operator::Equal, Self::Text(text))])
                | (Self::Text(text), [(Operator::Equal, Self::Field(name))])
                    if name == field =>
                {
                    Some(text)
                }
                _ => None,
            },
            Self::Call(Function::And, arguments) => arguments.iter().find_map(|argument| argument.demands(field)),
            _ => None,
        }
    }

    fn respell(&mut self, field: &str, spell: &dyn Fn(&str) -> Option<String>) {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Field(_) => {}
            Self::Negation(inner) => inner.respell(field, spell),
            Self::Call(_, arguments) => arguments.iter_mut().for_each(|argument| argument.respell(field, spell)),
            Self::Chain(left, rest) => {
                left.respell(field, spell);
                for (_, next) in rest.iter_mut() {
                    next.respell(field, spell);
                }
                // In a longer chain the left side is no field any more, but what the comparison before came to.
                let [(Operator::Equal | Operator::Unequal, right)] = &mut rest[..] else {
                    return;
                };
                match (&mut **left, right) {
                    (Self::Field(name), Self::Text(text)) | (Self::Text(text), Self::Field(name)) if name == field => {
                        if let Some(other) = spell(text) {
                            *text = other;
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
