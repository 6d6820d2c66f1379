//! Definition languages: text in, [`Program`] and diagnostics out.
//!
//! Each language has a folder with the same files: `syntax.rs` mirrors its documents with the place
//! of everything and interprets nothing, `lower.rs` makes the intermediate representation of it.
//! Every quirk of a language ends there; the engine does not know which language it runs.

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm
    )
)]

mod asl;
pub mod fdl;
mod legacy;
mod reachability;
mod reader;
mod text;
mod transition;

use std::fmt;

use crate::diagnostic::{self, Code, Diagnostic};
use crate::ir::Program;
use crate::source::{self, Content, Node};

/// A definition language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// The newer Flow Definition Language: `Type: StateMachine`.
    Fdl,
    /// The older one: `type: flow`.
    FdlLegacy,
    /// Amazon States Language: `StartAt` and a map of `States`.
    Asl,
}

impl Dialect {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Fdl, Self::FdlLegacy, Self::Asl];

    /// The name in `Flow.spec.dialect` and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fdl => "fdl/v1",
            Self::FdlLegacy => "fdl/legacy",
            Self::Asl => "asl",
        }
    }

    /// The language with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dialect| dialect.as_str() == name)
    }

    /// The language a document is written in.
    fn of(document: &Node) -> Option<Self> {
        let mapping = document.as_mapping()?;
        let says = |key: &str, value: &str| {
            mapping.get(key).and_then(Node::as_str).is_some_and(|found| &**found == value)
        };
        if says("Type", "StateMachine") {
            Some(Self::Fdl)
        } else if says("type", "flow") {
            Some(Self::FdlLegacy)
        } else {
            // What is missing or misspelt is told by the language that it comes nearest to.
            let has = |key: &str| mapping.get(key).is_some();
            match mapping.get("States").map(|states| &states.content) {
                Some(Content::Mapping(_)) => Some(Self::Asl),
                Some(Content::Sequence(_)) => Some(Self::Fdl),
                Some(_) | None if has("steps") => Some(Self::FdlLegacy),
                Some(_) | None if has("SpecVersion") => Some(Self::Fdl),
                Some(_) | None if has("StartAt") => Some(Self::Asl),
                Some(_) | None => None,
            }
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What came of a definition.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The language, as far as it was recognised.
    pub dialect: Option<Dialect>,
    /// What runs; nothing where a diagnostic is an error.
    pub program: Option<Program>,
    /// All problems, in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a definition from its text, in the language it is written in or in `forced`.
#[must_use]
pub fn compile(text: &str, forced: Option<Dialect>) -> Compiled {
    match source::parse(text) {
        Ok(document) => compile_document(&document, forced),
        Err(error) => {
            let problem = Diagnostic::new(Code::Syntax, "", error.span, error.message);
            Compiled { dialect: forced, program: None, diagnostics: vec![problem] }
        }
    }
}

/// Compiles a definition that was read already, or that was given as an object.
#[must_use]
pub fn compile_document(document: &Node, forced: Option<Dialect>) -> Compiled {
    let Some(dialect) = forced.or_else(|| Dialect::of(document)) else {
        let problem = Diagnostic::new(
            Code::UnknownDialect,
            "",
            document.span,
            "the definition is in none of the known languages",
        )
        .with_help("FDL begins with `Type: StateMachine`, legacy FDL with `type: flow`, Amazon States Language has `StartAt` and a map of `States`");
        return Compiled { dialect: None, program: None, diagnostics: vec![problem] };
    };
    let (program, mut diagnostics) = match dialect {
        Dialect::Fdl => fdl::compile(document),
        Dialect::FdlLegacy => legacy::compile(document),
        Dialect::Asl => asl::compile(document),
    };
    diagnostic::sort(&mut diagnostics);
    let program = program.filter(|_| !diagnostic::has_errors(&diagnostics));
    Compiled { dialect: Some(dialect), program, diagnostics }
}
