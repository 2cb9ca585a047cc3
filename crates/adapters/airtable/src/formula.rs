//! Formulas for `filterByFormula`, made of parts, never of texts: what is looked for cannot change what is asked.

use std::fmt;

/// A field as formulas name it: by its current name, since not every Airtable takes ids there.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FieldName(String);

/// A formula.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Formula(String);

/// A part that no formula is made of.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormulaError {
    /// The name cannot be written in a formula.
    #[error("the field {0:?} cannot be named in a formula; give it a name without a backslash or a line break")]
    FieldName(String),
    /// An empty text is equal to every empty cell.
    #[error("an empty text was looked for, and every row without a value would be found; nothing was asked")]
    EmptyText,
    /// Nothing to choose from: what holds of none would hold of all, or of no row.
    #[error("a formula was to join no parts; nothing was asked")]
    NoParts,
}

impl FieldName {
    /// A name.
    ///
    /// # Errors
    /// [`FormulaError::FieldName`].
    pub fn new(name: &str) -> Result<Self, FormulaError> {
        // A backslash in braces means itself or not, by what follows; nobody says which.
        if name.is_empty() || name.contains(['\\', '\n', '\r', '\t', '\0']) {
            return Err(FormulaError::FieldName(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Formula {
    /// Holds where a field has exactly this text, case included.
    ///
    /// # Errors
    /// [`FormulaError::EmptyText`].
    ///
    /// ```
    /// use runledger_airtable::{FieldName, Formula};
    ///
    /// let field = FieldName::new("Client ID")?;
    /// let formula = Formula::equals(&field, "Mary-O'Brien")?;
    /// assert_eq!(formula.to_string(), r"{Client ID}='Mary-O\'Brien'");
    /// # Ok::<(), runledger_airtable::FormulaError>(())
    /// ```
    pub fn equals(field: &FieldName, text: &str) -> Result<Self, FormulaError> {
        if text.is_empty() {
            return Err(FormulaError::EmptyText);
        }
        Ok(Self(format!("{}={}", reference(field), quoted(text))))
    }

    /// Holds where a field has nothing in it.
    pub fn is_empty_field(field: &FieldName) -> Self {
        Self(format!("{}=BLANK()", reference(field)))
    }

    /// Holds where one of them does.
    ///
    /// # Errors
    /// [`FormulaError::NoParts`].
    pub fn any(parts: &[Self]) -> Result<Self, FormulaError> {
        Self::joined("OR", parts)
    }

    /// Holds where all of them do.
    ///
    /// # Errors
    /// [`FormulaError::NoParts`].
    pub fn all(parts: &[Self]) -> Result<Self, FormulaError> {
        Self::joined("AND", parts)
    }

    /// Holds where this one does not.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self(format!("NOT({})", self.0))
    }

    fn joined(function: &str, parts: &[Self]) -> Result<Self, FormulaError> {
        match parts {
            [] => Err(FormulaError::NoParts),
            [one] => Ok(one.clone()),
            _ => {
                let parts: Vec<_> = parts.iter().map(|part| part.0.as_str()).collect();
                Ok(Self(format!("{function}({})", parts.join(","))))
            }
        }
    }

    /// The formula as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A field in braces.
fn reference(field: &FieldName) -> String {
    format!("{{{}}}", field.0.replace('}', "\\}"))
}

/// A text in quotes: the backslash first, then the quote, then what would break the line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '\'' => quoted.push_str("\\'"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests;
