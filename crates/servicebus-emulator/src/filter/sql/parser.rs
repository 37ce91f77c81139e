//! Words and signs into a condition.

use serde_amqp::Value;

use crate::filter::properties::is_system;

use super::lexer::{Token, tokens};

/// Deeper nesting is refused.
const MAX_DEPTH: usize = 64;

/// Something that is true, false or unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Operand, Comparison, Operand),
    IsNull(Operand),
    In(Operand, Vec<Operand>),
    Like {
        value: Operand,
        pattern: Operand,
        escape: Option<char>,
    },
    /// A value that is true or false by itself.
    Is(Operand),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Literal(Value),
    Null,
    System(String),
    User(String),
}

pub(super) fn parse(text: &str) -> Result<Predicate, String> {
    let mut parser = Parser { tokens: tokens(text)?, place: 0, depth: 0 };
    let predicate = parser.or()?;
    match parser.peek() {
        None => Ok(predicate),
        Some(token) => Err(format!("{} is not expected here", shown(token))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("it ends too early")?;
        self.place += 1;
        Ok(token)
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.place += usize::from(found);
        found
    }

    fn take_sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.place += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end".to_owned(), shown);
        Err(format!("{sign} is expected, and not {found}"))
    }

    fn or(&mut self) -> Result<Predicate, String> {
        let mut any = vec![self.and()?];
        while self.take_word("OR") {
            any.push(self.and()?);
        }
        Ok(one_or(any, Predicate::Or))
    }

    fn and(&mut self) -> Result<Predicate, String> {
        let mut all = vec![self.not()?];
        while self.take_word("AND") {
            all.push(self.not()?);
        }
        Ok(one_or(all, Predicate::And))
    }

    fn not(&mut self) -> Result<Predicate, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("it is nested too deeply".to_owned());
        }
        let predicate = if self.take_word("NOT") {
            Predicate::Not(Box::new(self.not()?))
        } else if self.take_sign("(") {
            let inner = self.or()?;
            self.need(")")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(predicate)
    }

    fn test(&mut self) -> Result<Predicate, String> {
        if self.take_word("EXISTS") {
            self.need("(")?;
            let operand = self.operand()?;
            self.need(")")?;
            return Ok(negate(true, Predicate::IsNull(operand)));
        }
        let value = self.operand()?;
        if self.take_word("IS") {
            let negated = self.take_word("NOT");
            if !self.take_word("NULL") {
                return Err("NULL is expected after IS".to_owned());
            }
            return Ok(negate(negated, Predicate::IsNull(value)));
        }
        let negated = self.take_word("NOT");
        if self.take_word("IN") {
            return Ok(negate(negated, Predicate::In(value, self.list()?)));
        }
        if self.take_word("LIKE") {
            let like = self.like(value)?;
            return Ok(negate(negated, like));
        }
        if negated {
            return Err("IN or LIKE is expected after NOT".to_owned());
        }
        match self.comparison() {
            Some(comparison) => Ok(Predicate::Compare(value, comparison, self.operand()?)),
            None => Ok(Predicate::Is(value)),
        }
    }

    fn list(&mut self) -> Result<Vec<Operand>, String> {
        self.need("(")?;
        let mut list = vec![self.operand()?];
        while self.take_sign(",") {
            list.push(self.operand()?);
        }
        self.need(")")?;
        Ok(list)
    }

    fn like(&mut self, value: Operand) -> Result<Predicate, String> {
        let pattern = self.operand()?;
        let mut escape = None;
        if self.take_word("ESCAPE") {
            escape = match self.operand()? {
                Operand::Literal(Value::String(text)) if text.chars().count() == 1 => {
                    text.chars().next()
                }
                _ => return Err("one character is expected after ESCAPE".to_owned()),
            };
        }
        Ok(Predicate::Like { value, pattern, escape })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Some(Token::Sign(sign)) = self.peek() else {
            return None;
        };
        let comparison = match *sign {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.place += 1;
        Some(comparison)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let token = self.next()?;
        Ok(match token {
            Token::Text(text) => Operand::Literal(Value::String(text)),
            Token::Integer(number) => Operand::Literal(Value::Long(number)),
            Token::Decimal(number) => Operand::Literal(Value::from(number)),
            Token::Sign("-") => match self.next()? {
                Token::Integer(number) => Operand::Literal(Value::Long(-number)),
                Token::Decimal(number) => Operand::Literal(Value::from(-number)),
                other => return Err(format!("-{} is not supported", shown(&other))),
            },
            Token::Sign(sign) => return Err(format!("{sign} is not expected here")),
            Token::Quoted(name) => self.property(name)?,
            Token::Word(word) => match word.to_ascii_uppercase().as_str() {
                "TRUE" => Operand::Literal(Value::Bool(true)),
                "FALSE" => Operand::Literal(Value::Bool(false)),
                "NULL" => Operand::Null,
                "AND" | "OR" | "NOT" | "IN" | "IS" | "LIKE" | "ESCAPE" | "EXISTS" => {
                    return Err(format!("{word} is not expected here"));
                }
                _ => self.property(word)?,
            },
        })
    }

    /// A property whose first name, perhaps its scope, has been read.
    fn property(&mut self, first: String) -> Result<Operand, String> {
        if self.take_sign("(") {
            return Err(format!("The function {first} is not supported"));
        }
        if !self.take_sign(".") {
            return Ok(Operand::User(first));
        }
        let name = match self.next()? {
            Token::Word(name) | Token::Quoted(name) => name,
            other => return Err(format!("{} is no name", shown(&other))),
        };
        match first.to_ascii_lowercase().as_str() {
            "user" => Ok(Operand::User(name)),
            "sys" if is_system(&name) => Ok(Operand::System(name)),
            "sys" => Err(format!("There is no property sys.{name}")),
            _ => Err(format!("The scope {first} is neither sys nor user")),
        }
    }
}

fn one_or(mut several: Vec<Predicate>, combine: impl Fn(Vec<Predicate>) -> Predicate) -> Predicate {
    match several.pop() {
        Some(only) if several.is_empty() => only,
        Some(last) => {
            several.push(last);
            combine(several)
        }
        None => combine(several),
    }
}

fn negate(negated: bool, predicate: Predicate) -> Predicate {
    if negated { Predicate::Not(Box::new(predicate)) } else { predicate }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(text) => text.clone(),
        Token::Quoted(text) => format!("\"{text}\""),
        Token::Text(text) => format!("'{text}'"),
        Token::Integer(number) => number.to_string(),
        Token::Decimal(number) => number.to_string(),
        Token::Sign(sign) => (*sign).to_owned(),
    }
}
