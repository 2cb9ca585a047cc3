//! Functions about numbers. A number that does not exist is `NaN`; what is no number at all is an error.

use crate::Value;
use crate::functions::Function;

/// The whole part of a number; what is out of bounds is the nearest bound.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a conversion that stays within the bounds and takes NaN for 0 is what is wanted"
)]
pub(crate) fn whole(number: f64) -> i64 {
    number.trunc() as i64
}

/// A function about numbers, on values without an error.
pub(crate) fn call(function: Function, values: &[Value]) -> Value {
    let flat = flatten(values);
    // In a series of values, only numbers count.
    let numbers: Vec<f64> = flat
        .iter()
        .filter_map(|value| match value {
            Value::Number(number) => Some(*number),
            Value::Bool(_) => value.number(),
            _ => None,
        })
        .collect();
    let count = |found: usize| Value::Number(u32::try_from(found).map_or(f64::INFINITY, f64::from));
    match function {
        Function::Sum => numbers.iter().sum::<f64>().into(),
        Function::Average => match count(numbers.len()) {
            Value::Number(many) if many > 0.0 => (numbers.iter().sum::<f64>() / many).into(),
            _ => f64::NAN.into(),
        },
        Function::Max => numbers.iter().copied().reduce(f64::max).unwrap_or(0.0).into(),
        Function::Min => numbers.iter().copied().reduce(f64::min).unwrap_or(0.0).into(),
        Function::Count => count(numbers.len()),
        Function::CountA => count(flat.iter().filter(|value| !value.text().is_empty()).count()),
        Function::CountAll => count(flat.len()),
        Function::Value => value_of(&values[0]),
        _ => plain(function, values),
    }
}

/// A function of one or two numbers.
fn plain(function: Function, values: &[Value]) -> Value {
    let Some(first) = values[0].number() else {
        return Value::Error;
    };
    let second = match values.get(1).map(Value::number) {
        None => None,
        Some(Some(number)) => Some(number),
        Some(None) => return Value::Error,
    };
    let scaled = |round: fn(f64) -> f64| {
        let scale = 10_f64.powf(second.unwrap_or(0.0).trunc());
        round(first * scale) / scale
    };
    let stepped = |round: fn(f64) -> f64| {
        let step = second.unwrap_or(1.0);
        round(first / step) * step
    };
    let number = match function {
        Function::Abs => first.abs(),
        Function::Ceiling => stepped(f64::ceil),
        Function::Floor => stepped(f64::floor),
        Function::Int => first.floor(),
        Function::Round => scaled(f64::round),
        Function::RoundDown => scaled(f64::trunc),
        Function::RoundUp => scaled(away_from_zero),
        Function::Sqrt => first.sqrt(),
        Function::Exp => first.exp(),
        Function::Log => first.log(second.unwrap_or(10.0)),
        Function::Power => first.powf(second.unwrap_or(1.0)),
        // The sign is the divisor's.
        Function::Mod => {
            let divisor = second.unwrap_or(0.0);
            first - divisor * (first / divisor).floor()
        }
        Function::Even => (away_from_zero(first.abs() / 2.0) * 2.0).copysign(first),
        Function::Odd => (away_from_zero((first.abs() - 1.0).max(0.0) / 2.0) * 2.0 + 1.0).copysign(first),
        _ => return Value::Error,
    };
    number.into()
}

fn away_from_zero(number: f64) -> f64 {
    number.abs().ceil().copysign(number)
}

/// `VALUE`: the digits of a text as a number.
fn value_of(value: &Value) -> Value {
    if let Value::Number(_) = value {
        return value.clone();
    }
    let text = value.text();
    let digits: String = text
        .chars()
        .filter(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '-'))
        .collect();
    digits.parse::<f64>().map_or(Value::Error, Value::Number)
}

fn flatten(values: &[Value]) -> Vec<Value> {
    values
        .iter()
        .flat_map(|value| match value {
            Value::List(values) => flatten(values),
            other => vec![other.clone()],
        })
        .collect()
}
