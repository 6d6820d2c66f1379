//! A revision of a Flow, ready to run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::api::flow::{Binding, ExecutionMode, FlowDefaults};
use crate::api::{FlowRevisionSpec, Payload};
use crate::dialect::{self, Compiled, Dialect};
use crate::ir::Program;
use crate::source::Node;
use crate::value::Value;

/// Everything that a run depends on.
#[derive(Debug)]
pub struct Revision {
    /// Name of the FlowRevision.
    pub name: String,
    /// Uid of the FlowRevision. A name can be that of another one later.
    pub uid: String,
    /// Digest of the content.
    pub digest: String,
    /// Name of the Flow.
    pub flow: String,
    /// What runs.
    pub program: Program,
    /// What resources mean.
    pub bindings: Arc<[Binding]>,
    /// Values where the Execution is silent.
    pub defaults: FlowDefaults,
    /// How its runs are run.
    pub execution_mode: ExecutionMode,
    /// Account of the Flow.
    pub service_account_name: Option<String>,
    /// Accounts that an Execution may name.
    pub allowed_service_accounts: Vec<String>,
    /// Whether the last decision about one of its runs took long. Decides nothing but where the next one
    /// is made.
    pub is_slow: AtomicBool,
}

impl Revision {
    /// Compiles a stored revision.
    ///
    /// # Errors
    /// The first problem, where the definition does not compile in this version.
    pub fn compile(name: &str, uid: &str, spec: FlowRevisionSpec) -> Result<Self, String> {
        let compiled = compile(&spec.definition, Dialect::named(&spec.dialect));
        let program = compiled.program.ok_or_else(|| {
            let first = compiled.diagnostics.first().map(ToString::to_string).unwrap_or_default();
            format!("FlowRevision `{name}` does not compile in this version: {first}")
        })?;
        Ok(Self {
            name: name.to_owned(),
            uid: uid.to_owned(),
            digest: spec.digest,
            flow: spec.flow,
            program,
            bindings: spec.bindings.into(),
            defaults: spec.defaults.unwrap_or_default(),
            execution_mode: spec.execution_mode.unwrap_or_default(),
            service_account_name: spec.service_account_name,
            allowed_service_accounts: spec.allowed_service_accounts,
            is_slow: AtomicBool::default(),
        })
    }
}

/// Compiles a definition as it stands in a Flow: text, or an object.
#[must_use]
pub fn compile(definition: &Payload, forced: Option<Dialect>) -> Compiled {
    match definition.parse() {
        Ok(Value::String(text)) => dialect::compile(&text, forced),
        Ok(value) => dialect::compile_document(&Node::from(&value), forced),
        // Too deep for a value: the reader of text says so in its own words.
        Err(_) => dialect::compile(definition.text(), forced),
    }
}
