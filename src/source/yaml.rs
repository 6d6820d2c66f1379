//! YAML text to [`Node`]s: the events of the parser are put together, aliases are followed, merges are done.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as Place, Tag};

use super::parse::{DEFINITION_BYTES_MAX, NODES_MAX};
use super::scalar;
use super::{Content, Entry, Key, Mapping, Node, Span, SyntaxError};
use crate::value::DEPTH_MAX;

/// Values that aliases (`*name`) may repeat in all. It is reached by those who mean harm: no definition has
/// as many values that are written out.
const REPEATED_MAX: usize = 100_000;

/// Bytes of text that aliases may repeat in all: four times a definition of full length.
const REPEATED_BYTES_MAX: usize = 4 * DEFINITION_BYTES_MAX;

/// Longest name of a member in bytes, where it stands before its colon without a `?`: an expression may be one.
const NAME_BYTES_MAX: usize = 1024;

/// The member whose value is merged into the object it stands in, where it is not quoted.
const MERGE: &str = "<<";

/// Reads a document.
///
/// # Errors
/// The first error with its place.
pub(super) fn read(text: &str) -> Result<Node, SyntaxError> {
    let mut options = granit_parser::options! {
        simple_key_max_lookahead: NAME_BYTES_MAX,
        flow_nesting_limit: DEPTH_MAX as usize,
        block_nesting_limit: DEPTH_MAX as usize,
    };
    options.set_emit_comments(false);
    let repeatable = text.contains('*').then(Repeatable::default);
    let mut builder = Builder { text, repeatable, ..Builder::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, place) = event.map_err(|error| syntax_error(&error, text))?;
        builder.take(event, place)?;
    }
    // A text without a value is the value of nothing.
    Ok(builder.document.unwrap_or(Node { content: Content::Null, span: None, lines: None }))
}

/// What was built so far.
#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    /// The lists and objects that are open, outermost first.
    open: Vec<Open>,
    document: Option<Node>,
    documents: usize,
    nodes: usize,
    /// Values, and bytes of text, that aliases have repeated.
    repeated: (usize, usize),
    /// What aliases may repeat; nothing where the text has none.
    repeatable: Option<Repeatable<'t>>,
}

/// All events so far, and which of them make the values that have a name.
#[derive(Default)]
struct Repeatable<'t> {
    events: Vec<(Event<'t>, Place)>,
    /// For each anchor (`&name`) that is complete, its events.
    anchored: BTreeMap<usize, Range<usize>>,
    /// Anchors of what is open, beside the depth at which it began and its first event.
    begun: Vec<(usize, usize, usize)>,
}

/// A list or an object of which members are still to come.
struct Open {
    span: Option<Span>,
    members: Members,
}

enum Members {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        /// The name whose value comes next.
        name: Option<Name>,
        /// What is merged, beside the number of members that stand before it.
        merges: Vec<(usize, Node)>,
    },
}

enum Name {
    Of(Key),
    /// [`MERGE`].
    Merge,
}

impl<'t> Builder<'t> {
    /// An event of the text itself.
    fn take(&mut self, event: Event<'t>, place: Place) -> Result<(), SyntaxError> {
        if let Event::Alias(anchor) = event {
            return self.repeat(anchor, place);
        }
        self.note(&event, place);
        self.put(event, place)?;
        if let Some(repeatable) = &mut self.repeatable {
            repeatable.end_at(self.open.len());
        }
        Ok(())
    }

    /// Keeps an event that may be repeated later.
    fn note(&mut self, event: &Event<'t>, place: Place) {
        let depth = self.open.len();
        let Some(repeatable) = &mut self.repeatable else { return };
        if let Some(anchor) = event.anchor_id() {
            repeatable.begun.push((anchor, depth, repeatable.events.len()));
        }
        repeatable.events.push((event.clone(), place));
    }

    /// Puts what an alias means where the alias stands. What it repeats may have aliases itself: their events
    /// are kept as those that they repeat.
    fn repeat(&mut self, anchor: usize, place: Place) -> Result<(), SyntaxError> {
        let Some(mut repeatable) = self.repeatable.take() else { return Ok(()) };
        let found = repeatable.anchored.get(&anchor).cloned();
        let Some(range) = found else {
            return Err(refused("an alias (`*name`) repeats what it stands in", place));
        };
        for at in range {
            let Some((event, _)) = repeatable.events.get(at).cloned() else { continue };
            self.count_repeated(&event, place)?;
            // What is wrong here with something that is right there has its place here.
            repeatable.events.push((event.clone(), place));
            self.put(event, place)?;
        }
        repeatable.end_at(self.open.len());
        self.repeatable = Some(repeatable);
        Ok(())
    }

    fn count_repeated(&mut self, event: &Event<'t>, place: Place) -> Result<(), SyntaxError> {
        let (values, bytes) = &mut self.repeated;
        *values += 1;
        if let Event::Scalar(text, ..) = event {
            *bytes += text.len();
        }
        let most = match (*values > REPEATED_MAX, *bytes > REPEATED_BYTES_MAX) {
            (false, false) => return Ok(()),
            (true, _) => format!("{REPEATED_MAX} values"),
            (false, true) => format!("{REPEATED_BYTES_MAX} bytes"),
        };
        Err(refused(format!("the aliases (`*name`) repeat too much: at most {most}"), place))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser may tell more in time; values come as these"
    )]
    fn put(&mut self, event: Event<'t>, place: Place) -> Result<(), SyntaxError> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(refused("a second YAML document begins here, one is expected", place));
                }
            }
            Event::Scalar(text, style, _, tag) => self.scalar(&text, style, tag.as_deref(), place)?,
            Event::SequenceStart(_, _, tag) => {
                self.begin(Members::Sequence(Vec::new()), "seq", tag.as_deref(), place)?;
            }
            Event::MappingStart(_, _, tag) => {
                let members = Members::Mapping { entries: Vec::new(), name: None, merges: Vec::new() };
                self.begin(members, "map", tag.as_deref(), place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, place: Place) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(refused(format!("the definition has more than {NODES_MAX} values"), place));
        }
        Ok(())
    }

    fn begin(
        &mut self,
        members: Members,
        kind: &str,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<(), SyntaxError> {
        self.count(place)?;
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(kind)) {
            return Err(scalar::unknown_tag(tag, span_of(place)));
        }
        if self.takes_name() {
            return Err(refused("a key must be a string", place));
        }
        if self.open.len() >= DEPTH_MAX as usize {
            return Err(refused(too_deep(), place));
        }
        self.open.push(Open { span: span_of(place), members });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(Open { span, members }) = self.open.pop() else { return Ok(()) };
        let content = match members {
            Members::Sequence(items) => Content::Sequence(items),
            Members::Mapping { entries, merges, .. } => Content::Mapping(merged(entries, merges)?),
        };
        self.value(Node { content, span, lines: None });
        Ok(())
    }

    /// Whether what comes next is the name of a member.
    fn takes_name(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.members, Members::Mapping { name: None, .. }))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<(), SyntaxError> {
        self.count(place)?;
        let span = span_of(place);
        let content = scalar::content(text, style == ScalarStyle::Plain, tag, span)?;
        let Some(Open { members: Members::Mapping { name: next @ None, .. }, .. }) = self.open.last_mut()
        else {
            let lines = (style == ScalarStyle::Literal).then(|| lines_of(self.text, span?, text)).flatten();
            self.value(Node { content, span, lines });
            return Ok(());
        };
        let key = match content {
            Content::String(name) => Key { name, span },
            // As a Kubernetes manifest is read: `1: x` has the key "1"; and as it was written, `1.10` is no `1.1`.
            Content::Number(_) | Content::Bool(_) => Key { name: text.into(), span },
            Content::Null | Content::Sequence(_) | Content::Mapping(_) => {
                return Err(refused("a key must be a string", place));
            }
        };
        let is_merge = style == ScalarStyle::Plain && tag.is_none() && &*key.name == MERGE;
        *next = Some(if is_merge { Name::Merge } else { Name::Of(key) });
        Ok(())
    }

    /// Puts a value that is complete where it belongs.
    fn value(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.members) {
            None => self.document = Some(node),
            Some(Members::Sequence(items)) => items.push(node),
            Some(Members::Mapping { entries, name, merges }) => match name.take() {
                Some(Name::Of(key)) => entries.push(Entry { key, value: node }),
                Some(Name::Merge) => merges.push((entries.len(), node)),
                None => {}
            },
        }
    }
}

impl Repeatable<'_> {
    /// What began at this depth and has a name is complete.
    fn end_at(&mut self, depth: usize) {
        while let Some((anchor, _, start)) = self.begun.pop_if(|(_, at, _)| *at == depth) {
            self.anchored.insert(anchor, start..self.events.len());
        }
    }
}

/// Where the lines of a literal block begin, behind its indentation; nothing where the block does not stand at
/// this place, but an alias of it.
fn lines_of(text: &str, span: Span, value: &str) -> Option<Arc<[u32]>> {
    let mut rest = text.get(span.start as usize..)?;
    let mut at = span.start;
    let mut starts = Vec::new();
    for (number, line) in value.trim_end_matches('\n').split('\n').enumerate() {
        let written = rest.split('\n').next()?;
        let content = written.strip_suffix('\r').unwrap_or(written);
        // What is blank may be indented by less or by more.
        let indentation = content.len().checked_sub(line.len()).filter(|_| content.ends_with(line))?;
        let is_blank = content.get(..indentation)?.trim().is_empty();
        if !is_blank || number == 0 && indentation > 0 {
            return None;
        }
        starts.push(at.checked_add(u32::try_from(indentation).ok()?)?);
        at = at.checked_add(u32::try_from(written.len()).ok()?.checked_add(1)?)?;
        rest = rest.get(written.len()..)?.strip_prefix('\n').unwrap_or_default();
    }
    (starts.len() > 1).then(|| starts.into())
}

/// Members beside those that are merged into them: what is written out wins, and of what is merged the first.
fn merged(entries: Vec<Entry>, merges: Vec<(usize, Node)>) -> Result<Mapping, SyntaxError> {
    if merges.is_empty() {
        return Ok(Mapping { entries });
    }
    let mut names: BTreeSet<_> = entries.iter().map(|entry| entry.key.name.clone()).collect();
    let (mut all, mut written, mut taken) = (Vec::new(), entries.into_iter(), 0);
    for (before, node) in merges {
        all.extend(written.by_ref().take(before.saturating_sub(taken)));
        taken = before;
        let sources = if let Content::Sequence(items) = node.content { items } else { vec![node] };
        for source in sources {
            let Content::Mapping(mapping) = source.content else {
                let message = format!("`<<` merges objects, found {}", source.kind());
                return Err(SyntaxError { message, span: source.span });
            };
            all.extend(mapping.entries.into_iter().filter(|entry| names.insert(entry.key.name.clone())));
        }
    }
    all.extend(written);
    Ok(Mapping { entries: all })
}

fn refused(message: impl Into<String>, place: Place) -> SyntaxError {
    SyntaxError { message: message.into(), span: span_of(place) }
}

fn too_deep() -> String {
    format!("nested more than {DEPTH_MAX} levels deep")
}

fn span_of(place: Place) -> Option<Span> {
    Some(Span {
        start: u32::try_from(place.start.byte_offset()?).ok()?,
        end: u32::try_from(place.end.byte_offset()?).ok()?,
        line: u32::try_from(place.start.line()).ok()?,
        column: u32::try_from(place.start.col()).ok()?.checked_add(1)?,
    })
}

/// What the parser tells programmers, told to people.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser has a text for each of dozens")]
fn syntax_error(error: &ScanError, text: &str) -> SyntaxError {
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(),
        ErrorKind::UnknownAnchor => {
            "an alias (`*name`) of an anchor that does not stand before it".to_owned()
        }
        kind => kind.to_string(),
    };
    let at = error.marker();
    // Errors tell their place in characters.
    let start = text.char_indices().nth(at.index()).map_or(text.len(), |(at, _)| at);
    let span = u32::try_from(start).ok().and_then(|start| {
        let (line, column) = (u32::try_from(at.line()).ok()?, u32::try_from(at.col()).ok()?.checked_add(1)?);
        Some(Span { start, end: start, line, column })
    });
    SyntaxError { message, span }
}
