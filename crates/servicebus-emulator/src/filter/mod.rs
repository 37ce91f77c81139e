//! Filters of rules: which messages are for a subscription.

mod correlation;
mod properties;

use crate::Message;

pub use correlation::CorrelationFilter;

/// Which messages are for a subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them.
    True,
    /// None.
    False,
    /// Those that are alike in some properties.
    Correlation(CorrelationFilter),
}

impl Filter {
    pub(crate) fn matches(&self, message: &Message) -> bool {
        match self {
            Self::True => true,
            Self::False => false,
            Self::Correlation(filter) => filter.matches(message),
        }
    }
}
