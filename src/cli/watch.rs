//! `millrace watch`: a line for each change of runs, as it happens.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Api;
use kube::runtime::watcher::{self, Event};
use serde::Serialize;
use tokio::time::Instant;

use crate::api::Execution;
use crate::cluster::object::{Key, Stored};

use super::connection::{Connection, Target};
use super::execution::View;
use super::follow::{End, Pace, RETRY_AFTER, bear, follow};
use super::format::{self, Document};
use super::redrive::counts_from;
use super::selection::Filter;
use super::terminal::{COLUMNS, Reader, complain, cut, harmless, offer_report, offer_result, tell, width};
use super::wait::{Mark, mark};
use super::{EXIT_INTERRUPTED, completion, ending, list, name};

/// Columns of the longest phase.
const PHASE_COLUMNS: usize = 9;

/// Columns that the last part of a line keeps, however long the name before it is.
const REASON_COLUMNS_MIN: usize = 20;

/// Show each change of executions as it happens.
///
/// There is a line whenever an execution comes into another phase, waits for something else, or goes. At
/// first each is shown as it is; without names, those that have ended are not, but where --phase asks for
/// them.
///
/// Executions that are named are watched until all of them have ended, all others until Ctrl-C.
///
/// Exit status: 0 all that are named have succeeded, 1 one of them ended otherwise or was deleted, 2 the
/// request cannot be carried out, 130 after Ctrl-C.
///
/// Example: millrace watch order-7k2xp
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Names of executions [default: all of the namespace that are selected]
    #[arg(value_name = "NAME", value_parser = name::parse_execution, add = completion::executions())]
    names: Vec<String>,
    /// In all namespaces, whatever --namespace says
    #[arg(short = 'A', long, conflicts_with = "names")]
    pub(super) all_namespaces: bool,
    /// What to print; json and yaml are a document for each change
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Document,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(watch(args))
}

async fn watch(args: &Args) -> Result<u8, String> {
    if !args.names.is_empty() && !args.filter.is_empty() {
        return Err("`watch` takes names or a selection, and was given both".to_owned());
    }
    let connection = args.target.connect().await?;
    if let [name] = &*args.names {
        return one(args, &connection, &connection.key(name)).await;
    }
    let mut wanted = HashSet::new();
    for name in &args.names {
        let key = connection.key(name);
        connection.execution(&key).await?;
        wanted.insert(key);
    }
    let watching = many(args, &connection, wanted);
    tokio::select! {
        biased;
        status = watching => status,
        _ = tokio::signal::ctrl_c() => {
            tell("stopped watching");
            Ok(EXIT_INTERRUPTED)
        }
    }
}

/// One run to its end.
async fn one(args: &Args, connection: &Connection, key: &Key) -> Result<u8, String> {
    let view = View::read(&connection.execution(key).await?);
    let view = view.map_err(|why| format!("execution {key} cannot be read: {why}"))?;
    let mut lines = Lines::new(args.output);
    // One that was asked to go on has not ended for good.
    let pace = Pace { generation: counts_from(&view), ..Pace::default() };
    let end = match view.is_ended() && pace.generation == 0 {
        true => End::Ended(Box::new(view)),
        false => follow(connection, (key, &view.uid), pace, |view| lines.note(view)).await?,
    };
    if let End::Ended(view) = &end {
        lines.note(view);
    }
    lines.written?;
    match &end {
        End::Ended(view) if view.has_succeeded() => Ok(0),
        End::Ended(view) => {
            tell(ending::of_run(view, None));
            Ok(1)
        }
        End::Unread => Ok(0),
        End::OutOfTime(_) | End::Gone | End::Interrupted => {
            complain(end.explain(key));
            Ok(end.status())
        }
    }
}

/// All that are wanted until they have ended, or all that are selected for ever.
async fn many(args: &Args, connection: &Connection, wanted: HashSet<Key>) -> Result<u8, String> {
    let client = connection.server.client().clone();
    let (api, what): (Api<Stored<Execution>>, _) = match args.all_namespaces {
        true => (Api::all(client), "executions".to_owned()),
        false => {
            let namespace = &connection.namespace;
            (Api::namespaced(client, namespace), format!("executions in namespace `{namespace}`"))
        }
    };
    let config = watcher::Config::default().fields(args.filter.fields()).labels(&args.filter.labels());
    let mut events = Box::pin(watcher::watcher(api, config));
    let mut crowd = Crowd::new(args, wanted);
    let mut outage: Option<Instant> = None;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                outage = None;
                crowd.take(event);
            }
            Err(error) => {
                bear(connection, &what, error, &mut outage)?;
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
        match crowd.lines.written {
            Ok(Reader::There) => {}
            Ok(Reader::Gone) => return Ok(0),
            Err(why) => return Err(why),
        }
        if crowd.is_over() {
            return Ok(u8::from(crowd.has_failed));
        }
    }
    Ok(1)
}

/// Several runs that are watched.
struct Crowd<'a> {
    filter: &'a Filter,
    /// Those that are named; none where they are selected.
    wanted: HashSet<Key>,
    is_named: bool,
    /// Whether ended runs are shown at first.
    is_ended_shown: bool,
    has_failed: bool,
    /// What a list that is going on has shown, with uids.
    listed: Option<HashMap<Key, String>>,
    lines: Lines,
}

impl<'a> Crowd<'a> {
    fn new(args: &'a Args, wanted: HashSet<Key>) -> Self {
        let is_named = !wanted.is_empty();
        Self {
            filter: &args.filter,
            wanted,
            is_named,
            is_ended_shown: is_named || args.filter.has_phases(),
            has_failed: false,
            listed: None,
            lines: Lines::new(args.output),
        }
    }

    /// Whether nothing is left to be seen.
    fn is_over(&self) -> bool {
        self.is_named && self.wanted.is_empty() && self.listed.is_none()
    }

    fn take(&mut self, event: Event<Stored<Execution>>) {
        match event {
            Event::Init => self.listed = Some(HashMap::new()),
            Event::InitApply(object) => {
                if let Some(listed) = &mut self.listed {
                    listed.insert(object.key(), object.uid().to_owned());
                }
                self.see(&object, true);
            }
            Event::Apply(object) => self.see(&object, false),
            Event::Delete(object) => self.lose(object.uid()),
            Event::InitDone => {
                let Some(listed) = self.listed.take() else { return };
                let told = self.lines.told.iter();
                let lost = told.filter(|(uid, (key, _))| listed.get(key) != Some(*uid)).map(|(uid, _)| uid);
                let lost: Vec<String> = lost.cloned().collect();
                lost.iter().for_each(|uid| self.lose(uid));
                self.miss(&listed);
            }
        }
    }

    fn see(&mut self, object: &Stored<Execution>, is_listed: bool) {
        // One that cannot be read is a problem of those who list it.
        let Ok(view) = View::of(object) else { return };
        let is_meant = match self.is_named {
            true => self.wanted.contains(&view.key),
            false => self.filter.takes(&view, Timestamp::now()),
        };
        if !is_meant {
            return;
        }
        let is_silent = is_listed && view.is_ended() && !self.is_ended_shown;
        match is_silent && !self.lines.told.contains_key(&view.uid) {
            true => drop(self.lines.know(&view)),
            false => drop(self.lines.note(&view)),
        }
        if view.is_ended() && self.wanted.remove(&view.key) {
            self.has_failed |= !view.has_succeeded();
        }
    }

    /// Those that are named and were gone before they were seen for the first time.
    fn miss(&mut self, listed: &HashMap<Key, String>) {
        let missed: Vec<Key> = self.wanted.iter().filter(|key| !listed.contains_key(*key)).cloned().collect();
        for key in missed {
            self.wanted.remove(&key);
            self.has_failed = true;
            self.lines.gone(&key, "");
        }
    }

    fn lose(&mut self, uid: &str) {
        let Some((key, _)) = self.lines.told.remove(uid) else { return };
        // Whatever is still wanted of it is never seen.
        self.has_failed |= self.wanted.remove(&key);
        self.lines.gone(&key, uid);
    }
}

/// What is written, each change once.
struct Lines {
    output: Document,
    /// Where each stood when it was told of last, by uid.
    told: HashMap<String, (Key, Mark)>,
    /// Columns of the longest name so far.
    columns: usize,
    /// Whether anybody reads on.
    written: Result<Reader, String>,
}

/// A change, for programs.
#[derive(Serialize)]
struct Change<'a> {
    time: Timestamp,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<&'a str>,
    phase: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
}

/// To the millisecond, as everything else tells time.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default()
}

impl Lines {
    fn new(output: Document) -> Self {
        Self { output, told: HashMap::new(), columns: 0, written: Ok(Reader::There) }
    }

    /// Keeps how a run stands; says whether that is new.
    fn know(&mut self, view: &View) -> bool {
        let mark = mark(view);
        let before = self.told.insert(view.uid.clone(), (view.key.clone(), mark.clone()));
        before.is_none_or(|(_, before)| before != mark)
    }

    /// Writes how a run stands, where that is new.
    fn note(&mut self, view: &View) -> Reader {
        if self.know(view) {
            let active = view.active().map(|(first, _)| first);
            let condition = view.stalled().or_else(|| view.condition("InProgress"));
            let change = Change {
                time: now(),
                namespace: &view.key.namespace,
                name: &view.key.name,
                uid: &view.uid,
                flow: Some(&view.flow),
                phase: &view.status.phase,
                reason: view.reason(),
                message: condition.map(|condition| &*condition.message),
                state: active.map(|active| &*active.path),
                attempt: active.map(|active| active.attempt),
            };
            self.write(&change, list::phase_style(view.phase()), &list::reason(view));
        }
        self.written.as_ref().copied().unwrap_or(Reader::Gone)
    }

    /// Writes that a run is gone.
    fn gone(&mut self, key: &Key, uid: &str) {
        let change = Change {
            time: now(),
            namespace: &key.namespace,
            name: &key.name,
            uid,
            flow: None,
            phase: "Deleted",
            reason: "",
            message: None,
            state: None,
            attempt: None,
        };
        self.write(&change, AnsiColor::Yellow.on_default(), "");
    }

    fn write(&mut self, change: &Change<'_>, style: Style, reason: &str) {
        self.columns = self.columns.max(width(change.name));
        let columns = self.columns;
        self.written = match (self.output, serde_json::to_string(change)) {
            (Document::Text, _) => {
                let time = change.time.strftime("%H:%M:%S");
                let head = format!("{time}  {:columns$}  ", change.name);
                let phase = harmless(change.phase);
                let gap = " ".repeat(PHASE_COLUMNS.saturating_sub(width(&phase)) + 2);
                let taken = width(&head) + width(&phase) + gap.len();
                let reason = cut(reason, COLUMNS.saturating_sub(taken).max(REASON_COLUMNS_MIN));
                let line = format!("{head}{style}{phase}{style:#}{gap}{reason}");
                offer_report(&format!("{}\n", line.trim_end()))
            }
            (Document::Json, Ok(text)) => offer_result(&format!("{text}\n")),
            (Document::Yaml, Ok(text)) => offer_result(&format!("---\n{}", format::yaml(&text))),
            (Document::Json | Document::Yaml, Err(error)) => Err(format!("a bug in millrace: {error}")),
        };
    }
}
