//! Conditions on messages. `None` is unknown.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_amqp::Value;

use crate::Message;
use crate::filter::properties::{self, compare};

use super::parser::{Comparison, Operand, Predicate};

pub(super) fn truth(predicate: &Predicate, message: &Message) -> Option<bool> {
    match predicate {
        Predicate::Not(inner) => truth(inner, message).map(|truth| !truth),
        Predicate::And(all) => all_of(all.iter().map(|each| truth(each, message))),
        // De Morgan.
        Predicate::Or(any) => {
            all_of(any.iter().map(|each| truth(each, message).map(|truth| !truth)))
                .map(|none| !none)
        }
        Predicate::Compare(a, comparison, b) => {
            let order = compare(&*value(a, message)?, &*value(b, message)?);
            Some(holds(*comparison, order?))
        }
        Predicate::IsNull(operand) => Some(value(operand, message).is_none()),
        Predicate::In(operand, list) => is_in(operand, list, message),
        Predicate::Like { value: operand, pattern, escape } => {
            match (&*value(operand, message)?, &*value(pattern, message)?) {
                (Value::String(text), Value::String(pattern)) => {
                    let text: Vec<char> = text.chars().collect();
                    Some(like(&text, &elements(pattern, *escape)))
                }
                _ => None,
            }
        }
        Predicate::Is(operand) => match &*value(operand, message)? {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        },
    }
}

/// False if anything is false; else unknown if anything is unknown.
fn all_of(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for truth in truths {
        match truth {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

fn holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

/// `a IN (b, c)` is `a = b OR a = c`.
fn is_in(operand: &Operand, list: &[Operand], message: &Message) -> Option<bool> {
    let wanted = value(operand, message)?;
    let differs = |each: &Operand| {
        let order = compare(&wanted, &*value(each, message)?);
        order.map(Ordering::is_ne)
    };
    all_of(list.iter().map(differs)).map(|none| !none)
}

/// `None` if it is null, or the message does not have it.
fn value<'a>(operand: &'a Operand, message: &'a Message) -> Option<Cow<'a, Value>> {
    match operand {
        Operand::Literal(value) => Some(Cow::Borrowed(value)),
        Operand::Null => None,
        Operand::System(name) => properties::system(message, name).map(Cow::Owned),
        Operand::User(name) => match message.property(name)? {
            Value::Null => None,
            value => Some(Cow::Borrowed(value)),
        },
    }
}

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Exactly(char),
}

fn elements(pattern: &str, escape: Option<char>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        pieces.push(match character {
            _ if Some(character) == escape => {
                Piece::Exactly(characters.next().unwrap_or(character))
            }
            '%' => Piece::Any,
            '_' => Piece::One,
            _ => Piece::Exactly(character),
        });
    }
    pieces
}

/// The usual two-pointer match: on a mismatch, the last `%` takes one more. Quadratic at worst.
fn like(text: &[char], pattern: &[Piece]) -> bool {
    let (mut at, mut piece) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(piece) {
            Some(Piece::Any) => {
                retry = Some((at, piece));
                piece += 1;
            }
            Some(Piece::One) => (at, piece) = (at + 1, piece + 1),
            Some(Piece::Exactly(wanted)) if *wanted == text[at] => {
                (at, piece) = (at + 1, piece + 1);
            }
            _ => {
                let Some((from, any)) = retry else {
                    return false;
                };
                retry = Some((from + 1, any));
                (at, piece) = (from + 1, any + 1);
            }
        }
    }
    pattern[piece..].iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use fe2o3_amqp_types::messaging::{Header, Properties};

    use super::*;
    use crate::SqlFilter;

    fn message() -> Message {
        let properties = Properties::builder()
            .to("node-7")
            .subject("invalidate")
            .message_id("m-1".to_owned())
            .build();
        let application = [
            ("kind", Value::String("fence".to_owned())),
            ("count", Value::Int(7)),
            ("ratio", Value::from(0.5)),
            ("on", Value::Bool(true)),
            ("odd name", Value::String("it's".to_owned())),
        ];
        let application = application.map(|(name, value)| (name.to_owned(), value));
        Message::compose(Header::default(), properties, application.into(), bytes::Bytes::new())
    }

    fn passes(text: &str) -> bool {
        SqlFilter::parse(text).unwrap().matches(&message())
    }

    #[test]
    fn conditions_hold_as_sql_says() {
        for (text, expected) in [
            ("kind = 'fence'", true),
            ("KIND = 'fence'", false),
            ("user.kind <> 'fence'", false),
            ("kind != 'other' AND count = 7", true),
            ("count > 6 and count <= 7 AND NOT count < 7", true),
            ("count = 7.0 AND ratio = 0.5 AND count = -7 OR on", true),
            ("on = TRUE AND NOT on = false", true),
            ("sys.To = 'node-7'", true),
            ("sys.to IS NULL OR sys.To IN ('node-7', 'node-8')", true),
            ("sys.To NOT IN ('node-8')", true),
            ("sys.Label = 'invalidate' AND sys.Subject = 'invalidate'", true),
            ("sys.MessageId = 'm-1' AND sys.CorrelationId IS NULL", true),
            ("\"odd name\" = 'it''s' AND [odd name] IS NOT NULL", true),
            ("user.\"odd name\" LIKE '%''s'", true),
            ("kind LIKE 'f_n%e' AND kind NOT LIKE 'x%'", true),
            ("kind LIKE 'f!_%' ESCAPE '!'", false),
            ("(kind = 'a' OR kind = 'fence') AND (count = 7)", true),
            ("NOT (kind = 'fence' AND count = 8)", true),
            ("EXISTS(kind) AND NOT EXISTS(user.missing)", true),
            ("1=1", true),
            ("1 = 0", false),
        ] {
            assert_eq!(passes(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_unknown_lets_nothing_pass_and_spoils_nothing() {
        for (text, expected) in [
            ("missing = 1", false),
            ("missing <> 1", false),
            ("NOT missing = 1", false),
            ("missing = 1 OR count = 7", true),
            ("missing = 1 AND count = 8", false),
            ("NOT (missing = 1 AND count = 8)", true),
            ("count IN (8, NULL)", false),
            ("count NOT IN (8, NULL)", false),
            ("count IN (7, NULL)", true),
            ("kind = 7", false),
            ("NOT kind = 7", false),
            ("missing IS NULL", true),
            ("NULL = NULL", false),
        ] {
            assert_eq!(passes(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, named) in [
            ("count + 1 = 2", "+"),
            ("newid() = 1", "newid"),
            ("a = @x", "@x"),
            ("sys.Nothing = 1", "sys.Nothing"),
            ("other.a = 1", "other"),
            ("a = ", "too early"),
            ("a = 'x", "'x"),
            ("a = 1 b", "b"),
            ("a IS 1", "NULL"),
            ("a NOT = 1", "IN or LIKE"),
            ("", "too early"),
            ("1x = 1", "1x"),
            ("(a = 1", ")"),
        ] {
            let why = SqlFilter::parse(text).unwrap_err();
            assert!(why.contains(named), "{text}: {why}");
        }
        let deep = format!("{}a = 1", "NOT ".repeat(100_000));
        assert!(SqlFilter::parse(&deep).is_err());
    }
}
