//! Filters in a subset of SQL-92, as subscriptions have them.
//!
//! `NOT`, `AND`, `OR`, comparisons, `IS [NOT] NULL`, `[NOT] IN`, `[NOT] LIKE … [ESCAPE …]`, `EXISTS(…)`,
//! parentheses, literals and properties. What a message lacks is unknown, as SQL has it: only what is true lets a
//! message pass. Not supported, and refused: arithmetic, functions and parameters.

mod evaluate;
mod lexer;
mod parser;

use crate::Message;

use parser::Predicate;

/// A condition over a message's properties.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlFilter {
    text: String,
    predicate: Predicate,
}

impl SqlFilter {
    /// Reads a condition.
    ///
    /// # Errors
    /// What of it is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let predicate = parser::parse(text)?;
        Ok(Self { text: text.to_owned(), predicate })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, message: &Message) -> bool {
        evaluate::truth(&self.predicate, message) == Some(true)
    }
}
