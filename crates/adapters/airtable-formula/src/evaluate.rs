//! An expression on a record. Arguments of `IF`, `AND`, `OR`, `SWITCH` and `ISERROR` are looked at only when they matter.

use crate::functions::Function;
use crate::{Expression, Operator, Row, Value, dates, numbers, texts};
use std::cell::Cell;
use std::cmp::Ordering;

/// How much text one evaluation looks at and makes, in bytes, all of it together: a few long fields. Beyond it, everything is
/// an error.
const TEXT_BYTES_MAX: usize = 4_000_000;
/// How much of it functions make beyond what they are given: as much as a long field of Airtable's holds. Otherwise a formula
/// of one line could fill the memory, or keep a list busy for hours.
const MADE_BYTES_MAX: usize = 100_000;

/// What an evaluation sees.
pub(crate) struct Scene<'a> {
    row: &'a dyn Row,
    /// In milliseconds since 1970.
    now_ms: i64,
    /// How much more text there may be.
    room: Cell<usize>,
    /// How much more of it may be made of less.
    made: Cell<usize>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(row: &'a dyn Row, now_ms: i64) -> Self {
        Self {
            row,
            now_ms,
            room: Cell::new(TEXT_BYTES_MAX),
            made: Cell::new(MADE_BYTES_MAX),
        }
    }

    /// The value, if there is room for its text.
    fn taken(&self, value: Value) -> Value {
        if takes(&self.room, value.bytes()) {
            value
        } else {
            Value::Error
        }
    }

    /// The same of a value that a function made of so much text.
    fn made_of(&self, given: usize, value: Value) -> Value {
        if takes(&self.made, value.bytes().saturating_sub(given)) {
            self.taken(value)
        } else {
            Value::Error
        }
    }
}

/// Whether there is room for so much; from then on it is taken.
fn takes(room: &Cell<usize>, bytes: usize) -> bool {
    let left = room.get().checked_sub(bytes);
    room.set(left.unwrap_or(0));
    left.is_some()
}

pub(crate) fn evaluate(expression: &Expression, scene: &Scene<'_>) -> Value {
    match expression {
        Expression::Number(number) => Value::Number(*number),
        Expression::Text(text) => scene.taken(Value::Text(text.clone())),
        Expression::Field(name) => scene.taken(scene.row.field(name)),
        Expression::Negation(inner) => evaluate(inner, scene)
            .number()
            .map_or(Value::Error, |number| Value::Number(-number)),
        Expression::Chain(first, rest) => rest.iter().fold(evaluate(first, scene), |left, (operator, right)| {
            let right = evaluate(right, scene);
            match operator {
                Operator::Join => join(left, &right),
                operator => binary(*operator, &left, &right),
            }
        }),
        Expression::Call(function, arguments) => call(*function, arguments, scene),
    }
}

/// One text behind the other. The first grows where it stands, so that a long chain copies nothing over and over.
fn join(left: Value, right: &Value) -> Value {
    if left == Value::Error || *right == Value::Error {
        return Value::Error;
    }
    let mut text = match left {
        Value::Text(text) => text,
        other => other.text(),
    };
    text.push_str(&right.text());
    text.into()
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Value {
    if *left == Value::Error || *right == Value::Error {
        return Value::Error;
    }
    let compare = |fits: fn(Ordering) -> bool| left.order(right).map_or(Value::Error, |order| fits(order).into());
    let compute = |result: fn(f64, f64) -> f64| match (left.number(), right.number()) {
        (Some(left), Some(right)) => Value::Number(result(left, right)),
        _ => Value::Error,
    };
    match operator {
        Operator::Equal => left.equals(right).into(),
        Operator::Unequal => (!left.equals(right)).into(),
        Operator::Less => compare(Ordering::is_lt),
        Operator::AtMost => compare(Ordering::is_le),
        Operator::Greater => compare(Ordering::is_gt),
        Operator::AtLeast => compare(Ordering::is_ge),
        Operator::Join => join(left.clone(), right),
        Operator::Add => compute(|left, right| left + right),
        Operator::Subtract => compute(|left, right| left - right),
        Operator::Multiply => compute(|left, right| left * right),
        // Airtable shows NaN for 0/0 and an infinity for the rest.
        Operator::Divide => compute(|left, right| left / right),
    }
}

fn call(function: Function, arguments: &[Expression], scene: &Scene<'_>) -> Value {
    match function {
        Function::If => match evaluate(&arguments[0], scene) {
            Value::Error => Value::Error,
            condition if condition.is_truthy() => evaluate(&arguments[1], scene),
            _ => arguments
                .get(2)
                .map_or(Value::Blank, |otherwise| evaluate(otherwise, scene)),
        },
        Function::And => all(arguments, scene, true),
        Function::Or => all(arguments, scene, false),
        Function::Switch => switch(arguments, scene),
        Function::IsError => (evaluate(&arguments[0], scene) == Value::Error).into(),
        _ => {
            let values: Vec<_> = arguments.iter().map(|argument| evaluate(argument, scene)).collect();
            if values.contains(&Value::Error) {
                return Value::Error;
            }
            let given = values.iter().map(Value::bytes).sum();
            scene.made_of(given, plain(function, &values, scene))
        }
    }
}

/// `AND` (all are `wanted` = true) or `OR` (one is not `wanted` = false); an error is met only if it comes first.
fn all(arguments: &[Expression], scene: &Scene<'_>, wanted: bool) -> Value {
    for argument in arguments {
        match evaluate(argument, scene) {
            Value::Error => return Value::Error,
            value if value.is_truthy() != wanted => return (!wanted).into(),
            _ => {}
        }
    }
    wanted.into()
}

fn switch(arguments: &[Expression], scene: &Scene<'_>) -> Value {
    let value = evaluate(&arguments[0], scene);
    if value == Value::Error {
        return Value::Error;
    }
    let mut pairs = arguments[1..].chunks_exact(2);
    for pair in pairs.by_ref() {
        if value.equals(&evaluate(&pair[0], scene)) {
            return evaluate(&pair[1], scene);
        }
    }
    pairs
        .remainder()
        .first()
        .map_or(Value::Blank, |otherwise| evaluate(otherwise, scene))
}

/// A function whose arguments are all values without an error.
fn plain(function: Function, values: &[Value], scene: &Scene<'_>) -> Value {
    use Function as F;
    let day = |ms, is_day| Value::Date { ms, is_day };
    match function {
        F::True => true.into(),
        F::False => false.into(),
        F::Blank => Value::Blank,
        F::Error => Value::Error,
        F::Not => (!values[0].is_truthy()).into(),
        F::Xor => (values.iter().filter(|value| value.is_truthy()).count() % 2 == 1).into(),
        F::RecordId => scene.row.id().to_owned().into(),
        F::CreatedTime => day(scene.row.created_ms(), false),
        F::LastModifiedTime => day(scene.row.modified_ms(), false),
        F::Now => day(scene.now_ms, false),
        F::Today => day(dates::start_of_day(scene.now_ms), true),
        _ if function.is_about_dates() => dates::call(function, values),
        _ if function.is_about_numbers() => numbers::call(function, values),
        _ => texts::call(function, values, scene.made.get()),
    }
}
