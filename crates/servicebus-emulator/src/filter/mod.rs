//! Filters of rules: which messages are for a subscription.

mod correlation;
mod properties;
mod sql;

use crate::Message;

pub use correlation::CorrelationFilter;
pub use sql::SqlFilter;

/// Which messages are for a subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them.
    True,
    /// None.
    False,
    /// Those for which a condition holds.
    Sql(SqlFilter),
    /// Those that are alike in some properties.
    Correlation(CorrelationFilter),
}

impl Filter {
    /// A filter with a condition in SQL.
    ///
    /// # Errors
    /// What of it is not understood.
    pub fn sql(condition: &str) -> Result<Self, String> {
        SqlFilter::parse(condition).map(Self::Sql)
    }

    pub(crate) fn matches(&self, message: &Message) -> bool {
        match self {
            Self::True => true,
            Self::False => false,
            Self::Sql(filter) => filter.matches(message),
            Self::Correlation(filter) => filter.matches(message),
        }
    }
}
