//! Text into words and signs.

/// The smallest pieces.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword, or a name without quotes.
    Word(String),
    /// A name in quotes or brackets.
    Quoted(String),
    Text(String),
    Integer(i64),
    Decimal(f64),
    /// An operator or other sign.
    Sign(&'static str),
}

const SIGNS: [&str; 12] = ["<>", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", "-"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => quoted(rest, '\'').map(|(text, after)| (Token::Text(text), after))?,
            '"' => quoted(rest, '"').map(|(text, after)| (Token::Quoted(text), after))?,
            '[' => quoted(rest, ']').map(|(text, after)| (Token::Quoted(text), after))?,
            _ if first.is_ascii_digit() => number(rest)?,
            _ if first.is_alphabetic() || first == '_' => word(rest),
            _ => sign(rest)?,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// What is between quotes; the closing one is doubled where it is meant.
fn quoted(text: &str, close: char) -> Result<(String, &str), String> {
    let mut content = String::new();
    let mut rest = text.get(1..).unwrap_or_default();
    loop {
        let (part, after) = rest.split_once(close).ok_or_else(|| format!("{text} has no end"))?;
        content.push_str(part);
        match after.strip_prefix(close) {
            Some(after) => {
                content.push(close);
                rest = after;
            }
            None => return Ok((content, after)),
        }
    }
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(text.len());
    let (number, after) = text.split_at(end);
    let token = match number.parse() {
        Ok(integer) => Token::Integer(integer),
        Err(_) => Token::Decimal(number.parse().map_err(|_| format!("{number} is no number"))?),
    };
    Ok((token, after))
}

fn word(text: &str) -> (Token, &str) {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '#');
    let end = text.find(|c| !part(c)).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    (Token::Word(word.to_owned()), after)
}

fn sign(text: &str) -> Result<(Token, &str), String> {
    for known in SIGNS {
        if let Some(after) = text.strip_prefix(known) {
            return Ok((Token::Sign(known), after));
        }
    }
    let word = text.split_whitespace().next().unwrap_or(text);
    Err(format!("{word} is not supported"))
}
