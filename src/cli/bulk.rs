//! One deed done to executions: to those that are named, or to all that a selection means.

use std::io::{BufRead as _, IsTerminal as _};

use futures::StreamExt as _;

use crate::api::Phase;
use crate::cluster::object::Key;

use super::connection::{Connection, Target};
use super::execution::View;
use super::format::resource_name;
use super::live::{Live, Stream};
use super::selection::{Filter, Pages, Scope};
use super::terminal::{
    COLUMNS, complain, count, cut, fit, harmless, is_stderr_live, tell, width, write_result,
};
use super::{completion, list, name};

/// Requests side by side: enough that their way there and back hardly counts, and few for the API server,
/// which has others to serve.
const REQUESTS_MAX: usize = 16;

/// Executions that are shown to who is asked.
const SHOWN_MAX: usize = 10;

/// Which executions.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Subjects {
    /// Names of executions
    #[arg(value_name = "NAME", value_parser = name::parse_execution, add = completion::executions())]
    names: Vec<String>,
    /// All executions of the namespace that it can be done to
    #[arg(long, conflicts_with_all = ["names", "flow", "phases", "tags", "parent", "since", "older_than", "selector", "field_selector"])]
    all: bool,
    /// Do not ask, however many they are
    #[arg(short, long)]
    yes: bool,
    /// Only try: the API server says what would become of it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    filter: Filter,
}

/// What is done to an execution.
pub(super) trait Deed {
    /// What it is called: `stop`.
    const VERB: &'static str;
    /// What the executions are then: `stopped`.
    const DONE: &'static str;
    /// Phases of executions that it can be done to.
    const PHASES: &'static [Phase];

    /// Whether it is still to be done to one of these phases.
    fn is_due(&self, view: &View) -> bool;

    /// Does it to one; with `is_dry_run` the API server only says whether it could.
    ///
    /// # Errors
    /// Where it cannot be done.
    async fn act(&self, connection: &Connection, key: &Key, is_dry_run: bool) -> Result<Outcome, String>;
}

/// What has become of the wish to do something to an execution.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It is done.
    Done {
        /// What the execution is now, in a word.
        word: &'static str,
        /// What is told to who asked for nothing else.
        hint: String,
    },
    /// It was so already; says how.
    Unchanged(String),
    /// It cannot be done to an execution that stands like this; says how.
    Refused(String),
}

impl Subjects {
    /// The execution that is named, where it is one.
    pub(super) fn only(&self) -> Option<&str> {
        match &*self.names {
            [name] => Some(name),
            [] | [_, ..] => None,
        }
    }

    /// Whether nothing is to be written.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Does a deed to all of them; gives the exit status.
    ///
    /// # Errors
    /// Where nothing can be done; the message says what to do.
    pub(super) async fn each<D: Deed>(&self, target: &Target, deed: &D) -> Result<u8, String> {
        let verb = D::VERB;
        match (&*self.names, self.filter.is_empty(), self.all) {
            ([], true, false) => {
                return Err(format!(
                    "name what to {verb}, or choose it with --flow, --phase, --tag, --selector and the like; --all is \
                     all of the namespace"
                ));
            }
            ([_, ..], false, _) => {
                return Err(format!("`{verb}` takes names or a selection, and was given both"));
            }
            ([], ..) | ([_, ..], true, _) => {}
        }
        let connection = target.connect().await?;
        if self.names.is_empty() {
            return self.selected(&connection, deed).await;
        }
        self.named(&connection, deed).await
    }

    async fn named<D: Deed>(&self, connection: &Connection, deed: &D) -> Result<u8, String> {
        let is_alone = self.only().is_some();
        let mut keys: Vec<Key> = Vec::new();
        for name in &self.names {
            let key = connection.key(name);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let acts = keys.iter().map(|key| async move { (key, deed.act(connection, key, self.dry_run).await) });
        let mut done = futures::stream::iter(acts).buffered(REQUESTS_MAX);
        let mut status = 0;
        while let Some((key, outcome)) = done.next().await {
            let of_this = match outcome {
                Ok(Outcome::Done { word, hint }) => {
                    self.print(key, word)?;
                    if is_alone && !self.dry_run && !hint.is_empty() {
                        tell(fit(&hint));
                    }
                    0
                }
                Ok(Outcome::Unchanged(hint)) => {
                    self.print(key, "unchanged")?;
                    tell(fit(&hint));
                    0
                }
                Ok(Outcome::Refused(why)) => {
                    complain(why);
                    1
                }
                Err(why) => {
                    complain(harmless(&why));
                    super::EXIT_UNUSABLE
                }
            };
            status = status.max(of_this);
        }
        Ok(status)
    }

    /// In the words of kubectl.
    fn print(&self, key: &Key, word: &str) -> Result<(), String> {
        let tried = if self.dry_run { " (dry run)" } else { "" };
        write_result(&format!("{} {word}{tried}\n", resource_name(&key.name)))
    }

    async fn selected<D: Deed>(&self, connection: &Connection, deed: &D) -> Result<u8, String> {
        let meant = self.meant(connection, deed).await?;
        if meant.is_empty() {
            let such = list::executions(&self.filter, Some(&connection.namespace));
            tell(fit(&format!("there are no {such} that could be {}", D::DONE)));
            return Ok(0);
        }
        if !self.dry_run && !self.yes && !is_wanted::<D>(&meant, &connection.namespace)? {
            tell("nothing was done");
            return Ok(1);
        }
        let bar = Progress::new(D::VERB, meant.len());
        let keys: Vec<_> = meant.into_iter().map(|meant| meant.key).collect();
        let acts = keys.iter().map(|key| async move { (key, deed.act(connection, key, self.dry_run).await) });
        let mut acts = futures::stream::iter(acts).buffered(REQUESTS_MAX);
        let (mut tally, mut looked_at) = (Tally::default(), 0);
        while let Some((key, outcome)) = acts.next().await {
            looked_at += 1;
            bar.show(looked_at);
            match outcome {
                Ok(Outcome::Done { word, .. }) => {
                    bar.aside(|| self.print(key, word))?;
                    tally.done += 1;
                }
                Ok(Outcome::Unchanged(_) | Outcome::Refused(_)) => tally.left += 1,
                Err(why) => {
                    bar.aside(|| complain(harmless(&why)));
                    tally.failed += 1;
                }
            }
        }
        drop(bar);
        tell(tally.text(D::DONE, self.dry_run));
        Ok(u8::from(tally.failed > 0))
    }

    /// What the selection means and the deed is to be done to.
    async fn meant<D: Deed>(&self, connection: &Connection, deed: &D) -> Result<Vec<Meant>, String> {
        let scope = Scope { connection, namespace: Some(&connection.namespace), phases: D::PHASES };
        let mut pages = Pages::new(scope, &self.filter);
        let mut meant = Vec::new();
        while let Some(page) = pages.next().await? {
            let due = page.iter().filter_map(|found| found.view.as_ref().ok()).filter(|view| {
                view.phase().is_some_and(|phase| D::PHASES.contains(&phase)) && deed.is_due(view)
            });
            meant.extend(due.map(Meant::of));
        }
        meant.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(meant)
    }
}

/// An execution that a selection means.
#[derive(Debug)]
struct Meant {
    key: Key,
    /// Where it stands.
    standing: String,
}

impl Meant {
    fn of(view: &View) -> Self {
        let standing = format!("{} {}", harmless(&view.status.phase), list::reason(view));
        Self { key: view.key.clone(), standing }
    }
}

/// Asks whoever is there; nobody is asked where nobody can answer.
fn is_wanted<D: Deed>(meant: &[Meant], namespace: &str) -> Result<bool, String> {
    let number = meant.len() as u64;
    let what = format!("{} in namespace `{namespace}` would be {}", count(number, "execution"), D::DONE);
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(format!("{what}; --yes does it without asking, and --dry-run shows which"));
    }
    tell(format_args!("{what}:"));
    let names = meant.iter().take(SHOWN_MAX).map(|meant| width(&meant.key.name)).max().unwrap_or_default();
    for Meant { key, standing } in meant.iter().take(SHOWN_MAX) {
        tell(cut(&format!("  {:names$}  {standing}", key.name), COLUMNS));
    }
    if let Some(more) = meant.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        tell(format_args!("  and {more} more"));
    }
    let them = if number == 1 { "it" } else { "them" };
    anstream::eprint!("{} {them}? [y/N] ", capitalized(D::VERB));
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| format!("no answer can be read: {error}"))?;
    Ok(matches!(&*answer.trim().to_ascii_lowercase(), "y" | "yes"))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What has become of a selection.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    /// As they were, for they had ended or moved on meanwhile.
    left: u64,
    failed: u64,
}

impl Tally {
    fn text(&self, done: &str, is_dry_run: bool) -> String {
        let would = if is_dry_run { "would be " } else { "" };
        let mut text = format!("{} {would}{done}", count(self.done, "execution"));
        if self.left > 0 {
            text.push_str(&format!(", {} had moved on meanwhile", self.left));
        }
        if self.failed > 0 {
            text.push_str(&format!(", {} could not be", self.failed));
        }
        text
    }
}

/// How far a deed has got, for a person who waits.
struct Progress {
    live: Option<Live>,
    verb: &'static str,
    total: usize,
}

impl Progress {
    fn new(verb: &'static str, total: usize) -> Self {
        Self { live: is_stderr_live().then(|| Live::spinner(Stream::Stderr)), verb, total }
    }

    fn show(&self, done: usize) {
        if let Some(live) = &self.live {
            live.show(&format!("{}: {done} of {}", self.verb, self.total));
        }
    }

    /// Writes something that stays.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.live {
            Some(live) => live.aside(write),
            None => write(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_says_what_has_become_of_all() {
        let tally = Tally { done: 1, left: 0, failed: 0 };
        assert_eq!(tally.text("stopped", false), "1 execution stopped");
        let tally = Tally { done: 2, left: 3, failed: 1 };
        assert_eq!(
            tally.text("stopped", true),
            "2 executions would be stopped, 3 had moved on meanwhile, 1 could not be"
        );
        assert_eq!(capitalized("redrive"), "Redrive");
    }
}
