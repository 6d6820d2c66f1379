//! One walk over an expression's tree: what Amazon States Language refuses, what is read, and which
//! functions are replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::value::with_stack;

use super::host;
use super::reads::Part;
use crate::value::Str;

/// Something that the language does not have.
#[derive(Debug)]
pub(super) struct Refusal {
    /// How it is written.
    pub(super) written: String,
    /// Which token written so it is.
    pub(super) occurrence: usize,
    /// What is wrong with it.
    pub(super) message: String,
    /// What to do.
    pub(super) help: &'static str,
}

/// What the walk finds.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    /// Parts of the variables that are named, without their `$`. Those that are bound in the expression
    /// are among them: they hide what is outside.
    pub(super) reads: BTreeMap<Str, Part>,
    /// Names of the host functions that it may call.
    pub(super) hosts: BTreeSet<&'static str>,
    /// The first thing that is refused.
    pub(super) refusal: Option<Refusal>,
    /// Bounded functions whose names the expression binds anew.
    pub(super) bound: BTreeSet<&'static str>,
    /// Those that it was found to bind: their calls are left to what they are bound to.
    hidden: BTreeSet<&'static str>,
    /// How often something was written so far, to find its place again.
    written: HashMap<String, usize>,
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Where there is no context item.
    Top,
    /// In a step, a predicate or a function: `$` and names are those of the item there.
    Item,
}

impl Analysis {
    /// Walks over a tree and replaces what the library's own functions leave unbounded, but for functions
    /// that are `hidden`.
    pub(super) fn of(tree: &mut AstNode, hidden: BTreeSet<&'static str>) -> Self {
        let mut analysis = Self { hidden, ..Self::default() };
        analysis.node(tree, Place::Top);
        analysis
    }

    /// The library's own walks keep to its depth bound; its way to more stack is used here too.
    fn node(&mut self, node: &mut AstNode, place: Place) {
        with_stack(|| self.visit(node, place));
    }

    fn all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n mut AstNode>, place: Place) {
        nodes.into_iter().for_each(|node| self.node(node, place));
    }

    fn visit(&mut self, node: &mut AstNode, place: Place) {
        match node {
            AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Wildcard
            | AstNode::Parent(_) => {}
            AstNode::Descendant => {
                let step = PathStep::new(AstNode::Descendant);
                *node = AstNode::Path { steps: self.bounded_descent(vec![step]) };
            }
            AstNode::String(text) => self.note(text),
            AstNode::Name(name) => self.name(name, place),
            AstNode::Variable(name) => self.variable(name, place),
            AstNode::ParentVariable(_) => self.context("$$", place),
            AstNode::Path { steps } => self.path(steps, place),
            AstNode::Binary { .. } => self.binary(node, place),
            AstNode::Function { .. } => self.function(node, place, false),
            AstNode::Unary { operand, .. } => self.node(operand, place),
            AstNode::Call { procedure, args } => {
                self.node(procedure, place);
                self.all(args, place);
            }
            AstNode::Lambda { params, body, .. } => {
                params.iter_mut().for_each(|name| self.bind(name));
                self.node(body, Place::Item);
            }
            AstNode::Block(items) => self.all(items, place),
            AstNode::Array(items) | AstNode::ArrayGroup(items) => {
                self.all(items.iter_mut(), place);
                self.bound_items(items);
            }
            AstNode::Object(pairs) => self.pairs(pairs, place),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input, place);
                self.pairs(pattern, Place::Item);
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.node(condition, place);
                self.node(then_branch, place);
                self.all(else_branch.as_deref_mut(), place);
            }
            AstNode::FunctionApplication(inner) => self.node(inner, place),
            AstNode::Sort { input, terms } => {
                self.node(input, place);
                self.all(terms.iter_mut().map(|(term, _)| term), Place::Item);
            }
            AstNode::Transform { location, update, delete } => {
                self.node(location, Place::Item);
                self.node(update, Place::Item);
                self.all(delete.as_deref_mut(), Place::Item);
            }
        }
    }

    /// Arrays within a constructed one are flattened into it, which the library does not bound: thirty
    /// times `[$a, $a]` would be millions of items.
    fn bound_items(&mut self, items: &mut [AstNode]) {
        let count = items.len();
        for item in items.iter_mut().filter(|item| may_be_array(item)) {
            self.bound_part(host::ITEMS, item, count);
        }
    }

    /// The members of an object that is made. Those that hold the same twice would be as large as nothing
    /// can be walked through, were they not bounded.
    fn pairs(&mut self, pairs: &mut [(AstNode, AstNode)], place: Place) {
        let count = pairs.len();
        for (key, value) in pairs {
            self.node(key, place);
            let is_variable = holds_variable(value);
            self.node(value, place);
            if is_variable {
                self.bound_part(host::PART, value, count);
            }
        }
    }

    /// Has a host function look at one of so many parts.
    fn bound_part(&mut self, host: &'static str, part: &mut AstNode, of: usize) {
        self.hosts.insert(host);
        let taken = std::mem::replace(part, AstNode::Null);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let of = AstNode::Number(of as f64);
        *part = call(host, vec![taken, of]);
    }

    /// Everything below a value is as much as the value's text is, which is checked before `**` collects
    /// it: values share their parts.
    fn bounded_descent(&mut self, steps: Vec<PathStep>) -> Vec<PathStep> {
        let mut bounded: Vec<PathStep> = Vec::with_capacity(steps.len() + 1);
        for step in steps {
            if step.node == AstNode::Descendant {
                self.hosts.insert(host::TREE);
                let check = call(host::TREE, vec![AstNode::Variable(String::new())]);
                let check = Stage::Filter(Box::new(check));
                match bounded.last_mut() {
                    Some(before) => before.stages.push(check),
                    None => {
                        bounded.push(PathStep::with_stages(AstNode::Variable(String::new()), vec![check]));
                    }
                }
            }
            bounded.push(step);
        }
        bounded
    }

    fn path(&mut self, steps: &mut Vec<PathStep>, place: Place) {
        let is_read = self.read_path(steps);
        for (number, step) in steps.iter_mut().enumerate() {
            let place = if number == 0 { place } else { Place::Item };
            // What is read of its first step is known already.
            let is_known = (number == 0 && is_read) || step.node == AstNode::Descendant;
            if !is_known {
                self.node(&mut step.node, place);
            }
            for stage in &mut step.stages {
                match stage {
                    Stage::Filter(filter) => self.node(filter, Place::Item),
                    Stage::Index(name) => self.bind(name),
                    Stage::KeepArray => {}
                }
            }
            step.focus.iter_mut().chain(&mut step.index_var).for_each(|name| self.bind(name));
        }
        *steps = self.bounded_descent(std::mem::take(steps));
    }

    /// Notes what a path reads of the variable that it begins with.
    fn read_path(&mut self, steps: &[PathStep]) -> bool {
        let Some((first, rest)) = steps.split_first() else { return false };
        let AstNode::Variable(variable) = &first.node else { return false };
        // `%` and bindings look back at what is around the step.
        let is_plain = |step: &PathStep| step.ancestor_label.is_none() && !step.is_tuple && !step.inner_tuple;
        if variable.is_empty() || !first.stages.is_empty() || !steps.iter().all(is_plain) {
            return false;
        }
        let mut names = Vec::new();
        for step in rest {
            let AstNode::Name(name) = &step.node else { break };
            names.push(name.as_str());
            if !step.stages.is_empty() {
                break;
            }
        }
        let variable = variable.clone();
        self.read(&variable, names.into_iter());
        true
    }

    fn read<'n>(&mut self, variable: &str, path: impl Iterator<Item = &'n str>) {
        self.reads.entry(variable.into()).or_insert_with(Part::nothing).add(path);
    }

    fn binary(&mut self, node: &mut AstNode, place: Place) {
        let AstNode::Binary { op, lhs, rhs } = node else { return };
        match op {
            BinaryOp::Coalesce | BinaryOp::Default => {
                let written = if *op == BinaryOp::Coalesce { "??" } else { "?:" };
                self.node(lhs, place);
                self.refuse(
                    written,
                    format!("the operator `{written}` is not in JSONata 2.0.6"),
                    "write it with `$exists(…) ? … : …`",
                );
                self.node(rhs, place);
            }
            BinaryOp::ChainPipe => {
                self.node(lhs, place);
                if matches!(**rhs, AstNode::Function { .. }) {
                    self.function(rhs, place, true);
                } else {
                    self.node(rhs, place);
                }
            }
            BinaryOp::ColonEqual => {
                self.bind_node(lhs);
                self.node(rhs, place);
            }
            BinaryOp::FocusBind | BinaryOp::IndexBind => {
                self.node(lhs, place);
                self.bind_node(rhs);
            }
            BinaryOp::Concatenate => {
                self.node(lhs, place);
                self.node(rhs, place);
                let operands = [lhs, rhs].map(|operand| std::mem::replace(&mut **operand, AstNode::Null));
                self.hosts.insert(host::CONCATENATE);
                *node = call(host::CONCATENATE, operands.into());
            }
            BinaryOp::Equal | BinaryOp::NotEqual => {
                let is_deep = may_be_deep(lhs) && may_be_deep(rhs);
                self.node(lhs, place);
                self.node(rhs, place);
                // Of two values no more is compared than the smaller one has.
                if is_deep {
                    self.bound_part(host::PART, lhs, 1);
                }
            }
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulo
            | BinaryOp::LessThan
            | BinaryOp::LessThanOrEqual
            | BinaryOp::GreaterThan
            | BinaryOp::GreaterThanOrEqual
            | BinaryOp::And
            | BinaryOp::Or
            | BinaryOp::Range
            | BinaryOp::In => {
                self.node(lhs, place);
                self.node(rhs, place);
            }
        }
    }

    /// A name that gets a value.
    fn bind(&mut self, name: &mut String) {
        self.bound.extend(host::bounded(name).map(|bounded| bounded.name));
        host::rename(name);
    }

    fn bind_node(&mut self, node: &mut AstNode) {
        if let AstNode::Variable(name) = node {
            self.bind(name);
        }
    }

    fn function(&mut self, node: &mut AstNode, place: Place, is_chained: bool) {
        let AstNode::Function { name, args, is_builtin } = node else { return };
        if !*is_builtin {
            self.note(name);
            self.all(args, place);
            return;
        }
        self.named(name);
        let is_partial = args.iter().any(|argument| matches!(argument, AstNode::Placeholder));
        self.all(args.iter_mut(), place);
        if let Some(bounded) = host::bounded(name) {
            // Without its first argument it takes the context item, which the host function is given
            // in any case; in a chain and in a partial application the first one comes later.
            name.clear();
            if is_chained || is_partial || self.hidden.contains(bounded.name) {
                name.push_str(bounded.plain);
            } else {
                name.push_str(bounded.in_context);
                args.insert(0, AstNode::Variable(String::new()));
            }
        }
    }

    fn variable(&mut self, name: &mut String, place: Place) {
        if name.is_empty() {
            return self.context("$", place);
        }
        self.named(name);
        host::rename(name);
    }

    /// A name that is that of a variable or of a function.
    fn named(&mut self, name: &str) {
        if name == "eval" {
            let message = "`$eval` is not a function of Amazon States Language".to_owned();
            return self.refuse("$eval", message, "write the expression itself, or read data with `$parse`");
        }
        self.read(name, std::iter::empty());
        self.hosts.extend(host::needed(name));
    }

    /// `$` or `$$`.
    fn context(&mut self, written: &str, place: Place) {
        if place == Place::Item {
            self.note(written);
            return;
        }
        let message = format!("`{written}` has no value here: there is no input document");
        self.refuse(written, message, "begin with `$states.input` or with a variable");
    }

    fn name(&mut self, name: &str, place: Place) {
        if place == Place::Item {
            self.note(name);
            return;
        }
        let message = format!("the name `{name}` leads nowhere: there is no input document");
        self.refuse(name, message, "begin with `$states.input` or with a variable, or quote a text");
    }

    fn refuse(&mut self, written: &str, message: String, help: &'static str) {
        let occurrence = self.count(written);
        let refusal = Refusal { written: written.to_owned(), occurrence, message, help };
        self.refusal.get_or_insert(refusal);
    }

    fn note(&mut self, written: &str) {
        let _ = self.count(written);
    }

    /// How often it was written before.
    fn count(&mut self, written: &str) -> usize {
        let count = self.written.entry(written.to_owned()).or_default();
        *count += 1;
        *count - 1
    }
}

/// Whether what a node gives may be an array that is flattened.
fn may_be_array(node: &AstNode) -> bool {
    match node {
        AstNode::String(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Unary { .. }
        | AstNode::Lambda { .. }
        | AstNode::Transform { .. }
        | AstNode::Array(_)
        | AstNode::ArrayGroup(_)
        | AstNode::Object(_) => false,
        AstNode::Binary { op, .. } => {
            // A range is bounded on its own, and alone it is made much faster.
            matches!(op, BinaryOp::ColonEqual | BinaryOp::ChainPipe)
        }
        AstNode::Function { name, .. } => name != host::CONCATENATE,
        AstNode::Name(_)
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Path { .. }
        | AstNode::Call { .. }
        | AstNode::ObjectTransform { .. }
        | AstNode::Block(_)
        | AstNode::Conditional { .. }
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_)
        | AstNode::FunctionApplication(_)
        | AstNode::Sort { .. } => true,
    }
}

/// Whether what a node gives may be an array or an object.
fn may_be_deep(node: &AstNode) -> bool {
    matches!(node, AstNode::Array(_) | AstNode::ArrayGroup(_) | AstNode::Object(_)) || may_be_array(node)
}

/// Whether what a node gives may be what a variable holds, or be made of it. Without one, nothing is held
/// twice more often than the text says.
fn holds_variable(node: &AstNode) -> bool {
    if let AstNode::Path { steps } = node {
        return !steps.first().is_some_and(|step| matches!(step.node, AstNode::Name(_)));
    }
    !matches!(node, AstNode::Name(_)) && may_be_array(node)
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.to_owned(), args, is_builtin: true }
}
