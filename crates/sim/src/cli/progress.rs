//! How far it is, for who looks on: on standard error, and only if that is a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of so many runs; none if nobody knows how many.
    pub(super) fn new(count: Option<u64>) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(count, target);
        let template = if count.is_some() { "{bar:30} {pos}/{len} {msg}" } else { "{pos} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(super) fn step(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
        self.0.inc(1);
    }

    pub(super) fn at(&self, position: u64, message: impl Into<String>) {
        self.0.set_position(position);
        self.0.set_message(message.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
