//! What is redrawn in place while something goes on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Which stream, and so whether a person looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Some lines of a terminal that are drawn over and over. They are gone when this goes out of scope.
#[derive(Debug)]
pub(super) struct Live {
    bar: ProgressBar,
    is_colored: bool,
}

impl Live {
    /// A line with a spinner before it.
    pub(super) fn spinner(stream: Stream) -> Self {
        let live = Self::with(stream, "{spinner} {msg}");
        live.bar.enable_steady_tick(TICK);
        live
    }

    /// Lines and nothing else.
    pub(super) fn lines(stream: Stream) -> Self {
        Self::with(stream, "{msg}")
    }

    fn with(stream: Stream, template: &str) -> Self {
        let (target, choice) = match stream {
            Stream::Stdout => {
                (ProgressDrawTarget::stdout(), anstream::AutoStream::choice(&std::io::stdout()))
            }
            Stream::Stderr => {
                (ProgressDrawTarget::stderr(), anstream::AutoStream::choice(&std::io::stderr()))
            }
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, is_colored: choice != anstream::ColorChoice::Never }
    }

    /// Draws a text with colors in place of the one before.
    pub(super) fn show(&self, text: &str) {
        let text = text.trim_end_matches('\n');
        self.bar.set_message(match self.is_colored {
            true => text.to_owned(),
            false => anstream::adapter::strip_str(text).to_string(),
        });
    }

    /// Writes something that stays above it.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
