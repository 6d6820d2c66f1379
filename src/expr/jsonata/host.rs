//! The functions that Amazon States Language adds, those that would read a clock or draw lots, and those
//! whose results have to be bounded (asl.md §7).

use std::cell::Cell;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use sha2::{Digest, Sha256};

use super::bounds;
use super::functions;

/// Calls of bounded functions within the functions that are handed to them.
const NESTING_MAX: u32 = 32;

/// The operator `&` as a function. No expression can spell a name with blanks.
pub(super) const CONCATENATE: &str = "& bounded";

/// Hands on what becomes a part of a value, or is compared, and refuses what is too large.
pub(super) const PART: &str = "part bounded";

/// The same of what is flattened into an array; refuses too many items as well.
pub(super) const ITEMS: &str = "items bounded";

/// Whether a value is small enough for all that is below it to be collected.
pub(super) const TREE: &str = "tree bounded";

/// A function of the library that is bounded by one of ours.
#[derive(Debug)]
pub(super) struct Bounded {
    /// The name that expressions call it by.
    pub(super) name: &'static str,
    /// Ours as a value, in a chain or in a partial application.
    pub(super) plain: &'static str,
    /// Ours in a call, with the context item as a further first argument.
    pub(super) in_context: &'static str,
}

/// Functions whose result can be much longer than their arguments, and one that walks through all of its.
const BOUNDED: [Bounded; 5] = [
    Bounded { name: "distinct", plain: "distinct bounded", in_context: "distinct bounded here" },
    Bounded { name: "string", plain: "string bounded", in_context: "string bounded here" },
    Bounded { name: "join", plain: "join bounded", in_context: "join bounded here" },
    Bounded { name: "pad", plain: "pad bounded", in_context: "pad bounded here" },
    Bounded { name: "replace", plain: "replace bounded", in_context: "replace bounded here" },
];

/// Functions that Amazon States Language adds, or that depend on the run.
const OWN: [&str; 9] = ["hash", "millis", "now", "parse", "partition", "random", "range", "shuffle", "uuid"];

pub(super) fn bounded(name: &str) -> Option<&'static Bounded> {
    BOUNDED.iter().find(|bounded| bounded.name == name)
}

/// The names under which a variable goes inside, so that it hides what is built in.
pub(super) fn names(name: &str) -> impl Iterator<Item = &str> {
    let bounded = bounded(name).map(|bounded| [bounded.plain, bounded.in_context]);
    bounded.into_iter().flatten().chain(Some(name).filter(|_| bounded.is_none()))
}

/// Gives a name that is bound, or that stands as a value, the one it goes under inside.
pub(super) fn rename(name: &mut String) {
    if let Some(bounded) = bounded(name) {
        bounded.plain.clone_into(name);
    }
}

/// The host functions behind a name.
pub(super) fn needed(name: &str) -> impl Iterator<Item = &'static str> {
    let bounded = bounded(name).map(|bounded| [bounded.plain, bounded.in_context]);
    let own = OWN.iter().copied().find(|own| *own == name);
    bounded.into_iter().flatten().chain(own)
}

/// What the functions of one evaluation share.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Those that the expression may call.
    pub(super) names: Vec<&'static str>,
    /// Now, in RFC 3339, where it is asked for.
    pub(super) now: Option<String>,
    /// What lots are drawn from, where they are.
    pub(super) seed: [u8; 16],
    pub(super) draws: Cell<u64>,
    pub(super) options: EvaluatorOptions,
    nesting: Cell<u32>,
}

/// What a function gives.
pub(super) type Answer = Result<JValue, EvaluatorError>;

impl Hosts {
    pub(super) fn new(
        names: Vec<&'static str>,
        now: Option<String>,
        seed: [u8; 16],
        options: EvaluatorOptions,
    ) -> Rc<Self> {
        let (draws, nesting) = (Cell::default(), Cell::default());
        Rc::new(Self { names, now, seed, draws, options, nesting })
    }

    /// An evaluator that knows the functions.
    pub(super) fn evaluator(self: &Rc<Self>, context: Context) -> Result<Evaluator, EvaluatorError> {
        let mut evaluator = Evaluator::with_options(context, self.options.clone());
        for name in &self.names {
            let (name, hosts) = (*name, self.clone());
            evaluator.register_fn_override(name, move |arguments: &[JValue]| hosts.call(name, arguments))?;
        }
        Ok(evaluator)
    }

    fn call(self: &Rc<Self>, name: &str, arguments: &[JValue]) -> Answer {
        if name == CONCATENATE {
            return bounds::concatenate(arguments);
        }
        if name == ITEMS {
            return bounds::items(arguments);
        }
        if name == PART {
            return bounds::part(arguments);
        }
        if name == TREE {
            return bounds::tree(arguments);
        }
        if let Some(bounded) = BOUNDED.iter().find(|bounded| bounded.plain == name) {
            return self.bounded(bounded.name, &JValue::Undefined, arguments);
        }
        if let Some(bounded) = BOUNDED.iter().find(|bounded| bounded.in_context == name) {
            let (context, arguments) = arguments.split_first().unwrap_or((&JValue::Undefined, &[]));
            return self.bounded(bounded.name, context, arguments);
        }
        functions::call(self, name, arguments)
    }

    fn bounded(self: &Rc<Self>, name: &str, context: &JValue, arguments: &[JValue]) -> Answer {
        let all: Vec<&JValue> = match arguments.first() {
            Some(_) => arguments.iter().collect(),
            None => vec![context],
        };
        bounds::check(name, &all, context)?;
        // To a function as a value, `$map` hands the position and the whole array as well.
        let taken = match name {
            "string" if arguments.len() == 3 => 1,
            "join" if arguments.len() == 3 => 2,
            "distinct" => arguments.len().min(1),
            _ => arguments.len(),
        };
        self.call_library(name, context, arguments.get(..taken).unwrap_or(arguments))
    }

    /// Calls a function of the library itself.
    pub(super) fn call_library(
        self: &Rc<Self>,
        name: &str,
        context: &JValue,
        arguments: &[JValue],
    ) -> Answer {
        if self.nesting.get() >= NESTING_MAX {
            let message =
                format!("D1011: `${name}` is called within itself more than {NESTING_MAX} levels deep");
            return Err(EvaluatorError::EvaluationError(message));
        }
        let mut bindings = Context::new();
        let argument = |number: usize| format!("argument {number}");
        for (number, value) in arguments.iter().enumerate() {
            bindings.bind(argument(number), value.clone());
        }
        let args = (0..arguments.len()).map(|number| AstNode::Variable(argument(number))).collect();
        let call = AstNode::Function { name: name.to_owned(), args, is_builtin: true };
        self.nesting.set(self.nesting.get() + 1);
        let answer = self.evaluator(bindings).and_then(|mut evaluator| {
            // The name is the library's here: nothing replaces it.
            evaluator.evaluate(&call, context)
        });
        self.nesting.set(self.nesting.get() - 1);
        answer
    }

    /// 16 bytes, others each time.
    pub(super) fn draw(&self) -> [u8; 16] {
        let count = self.draws.get();
        self.draws.set(count.wrapping_add(1));
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(count.to_be_bytes());
        first_16(&hash.finalize())
    }
}

/// The first bytes of a digest.
pub(super) fn first_16(digest: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.iter_mut().zip(digest).for_each(|(out, byte)| *out = *byte);
    out
}
