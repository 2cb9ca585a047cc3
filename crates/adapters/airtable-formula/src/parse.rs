//! Tokens as an expression. Precedence, loosest first: comparisons, `&`, `+ -`, `* /`, a minus sign.

use crate::functions::Function;
use crate::token::{Token, tokens};
use crate::{Expression, FormulaError, Operator};

/// How deep brackets and calls may stand in each other.
const DEPTH_MAX: usize = 100;

/// Operators by how tightly they bind.
const LEVELS: [&[(&str, Operator)]; 4] = [
    &[
        ("=", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<", Operator::Less),
        ("<=", Operator::AtMost),
        (">", Operator::Greater),
        (">=", Operator::AtLeast),
    ],
    &[("&", Operator::Join)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];

/// Reads a formula.
///
/// # Errors
/// [`FormulaError::Syntax`], or [`FormulaError::UnknownFunctions`] with all of them.
pub(crate) fn parse(formula: &str) -> Result<Expression, FormulaError> {
    let mut parser = Parser {
        tokens: tokens(formula)?,
        place: 0,
        unknown: Vec::new(),
    };
    let expression = parser.level(0, 0)?;
    if parser.place < parser.tokens.len() {
        return Err(FormulaError::Syntax);
    }
    if parser.unknown.is_empty() {
        Ok(expression)
    } else {
        Err(FormulaError::UnknownFunctions(parser.unknown))
    }
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    /// Names that are called and are no function.
    unknown: Vec<String>,
}

impl Parser {
    fn level(&mut self, level: usize, depth: usize) -> Result<Expression, FormulaError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.negation(depth);
        };
        let first = self.level(level + 1, depth)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, self.level(level + 1, depth)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expression::Chain(Box::new(first), rest))
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        let Some(Token::Sign(sign)) = self.tokens.get(self.place) else {
            return None;
        };
        let (_, operator) = operators.iter().find(|(known, _)| known == sign)?;
        self.place += 1;
        Some(*operator)
    }

    fn negation(&mut self, depth: usize) -> Result<Expression, FormulaError> {
        if depth > DEPTH_MAX {
            return Err(FormulaError::Syntax);
        }
        if self.takes("-") {
            return Ok(Expression::Negation(Box::new(self.negation(depth + 1)?)));
        }
        self.operand(depth)
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, FormulaError> {
        let token = self.tokens.get(self.place).cloned().ok_or(FormulaError::Syntax)?;
        self.place += 1;
        match token {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Name(name) if self.takes("(") => self.call(&name, depth),
            Token::Name(name) | Token::Field(name) => Ok(Expression::Field(name)),
            Token::Sign("(") => {
                let inner = self.level(0, depth + 1)?;
                if self.takes(")") {
                    Ok(inner)
                } else {
                    Err(FormulaError::Syntax)
                }
            }
            Token::Sign(_) => Err(FormulaError::Syntax),
        }
    }

    /// The arguments of a call, whose opening bracket is taken.
    fn call(&mut self, name: &str, depth: usize) -> Result<Expression, FormulaError> {
        let mut arguments = Vec::new();
        if !self.takes(")") {
            loop {
                arguments.push(self.level(0, depth + 1)?);
                if self.takes(")") {
                    break;
                }
                if !self.takes(",") {
                    return Err(FormulaError::Syntax);
                }
            }
        }
        let Some(function) = Function::named(name) else {
            self.unknown.push(name.to_lowercase());
            return Ok(Expression::Number(0.0));
        };
        if !function.takes(arguments.len()) {
            return Err(FormulaError::Syntax);
        }
        Ok(Expression::Call(function, arguments))
    }

    fn takes(&mut self, sign: &str) -> bool {
        let stands = matches!(self.tokens.get(self.place), Some(Token::Sign(found)) if *found == sign);
        if stands {
            self.place += 1;
        }
        stands
    }
}
