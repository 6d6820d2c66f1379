//! Leaving a state: result, output, variables.

use crate::ir::{ErrorKind, Handover, Next, Scope, State, VariableScope, Variables};
use crate::value::{Object, Value};

use super::environment::{Environment, Place};
use super::run::{Active, Frame};
use super::step::{Fault, Stepper};
use super::visit::{Payload, branch_of};
use super::{Failure, HistoryKind};

impl Stepper<'_> {
    /// Leaves a state with the result of its work. Says where to, or what is wrong with the result.
    pub(super) fn leave(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        active: &Active,
        result: Value,
    ) -> Result<Result<Next, Failure>, Fault> {
        let state = self.state_of(frame, active)?;
        let branch = branch_of(state, active);
        let (output, variables, next) = match branch {
            Some(branch) => (branch.output.as_ref(), branch.variables.as_ref(), branch.next),
            None => (state.output.as_ref(), state.variables.as_ref(), state.next),
        };
        let made = (|| {
            let environment = self.environment(frame, place, active, state);
            let result = match &state.result {
                Some(expr) => self.eval(expr, &Environment { result: Some(&result), ..environment })?,
                None => result,
            };
            self.check(Payload::Result, state, &result)?;
            let environment =
                Environment { result: Some(&result), ..self.environment(frame, place, active, state) };
            let output = match output {
                Some(expr) => self.eval(expr, &environment)?,
                None => result.clone(),
            };
            self.check(Payload::Output, state, &output)?;
            self.check_merge(frame, state, &output)?;
            let total = active.input.bytes() + result.bytes() + output.bytes();
            if let Some(max) = self.program.limits().total_bytes_max.filter(|max| total > *max) {
                let cause = format!(
                    "input, result and output of state `{}` have {total} bytes together, at most {max} are allowed",
                    state.name
                );
                return Err(self.failure(ErrorKind::DataLimit, cause));
            }
            let variables = variables.map(|variables| self.variables(variables, &environment)).transpose()?;
            Ok((output, variables))
        })();
        let (output, variables) = match made {
            Ok(made) => made,
            Err(failure) => return Ok(Err(failure)),
        };
        self.hand_over(frame, active, output, variables)?;
        Ok(Ok(next))
    }

    /// Where outputs are merged, what is no object would be lost, and what is gathered has its bound.
    pub(super) fn check_merge(&self, frame: &Frame, state: &State, output: &Value) -> Result<(), Failure> {
        if self.program.scope(frame.scope).map(Scope::handover) != Some(Handover::Merge) {
            return Ok(());
        }
        let name = &state.name;
        match output {
            Value::Object(_) | Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                let (found, excerpt) = (output.kind(), output.excerpt(64));
                let cause =
                    format!("the output of state `{name}` must be an object, found {found} `{excerpt}`");
                return Err(self.failure(ErrorKind::InvalidResult, cause));
            }
        }
        let (bytes, max) = (frame.data.bytes() + output.bytes(), self.program.limits().variables_bytes_max);
        if bytes > max {
            let cause = format!(
                "the output of state `{name}` and those before it have {bytes} bytes together, at most {max} are allowed"
            );
            return Err(self.failure(ErrorKind::DataLimit, cause));
        }
        Ok(())
    }

    /// Hands an output and variables to the frame.
    pub(super) fn hand_over(
        &mut self,
        frame: &mut Frame,
        active: &Active,
        output: Value,
        variables: Option<(VariableScope, Object)>,
    ) -> Result<(), Fault> {
        match variables {
            Some((VariableScope::Run, values)) => self.globals = self.globals.merged(&values),
            Some((VariableScope::Instance, values)) => frame.variables = frame.variables.merged(&values),
            None => {}
        }
        let scope = self.program.scope(frame.scope).ok_or(Fault::ForeignProgram)?;
        self.record(&active.path, HistoryKind::StateExited { output: output.clone() });
        frame.hand_over(scope.handover(), output);
        Ok(())
    }

    /// New values of variables, all computed from the old ones.
    pub(super) fn variables(
        &self,
        variables: &Variables,
        environment: &Environment<'_>,
    ) -> Result<(VariableScope, Object), Failure> {
        let values = self.eval(&variables.values, environment)?;
        let Some(values) = values.as_object().cloned() else {
            let (found, excerpt) = (values.kind(), values.excerpt(64));
            let cause = format!("variables need an object, found {found} `{excerpt}`");
            return Err(self.failure(ErrorKind::Value, cause));
        };
        let max = self.program.limits().variable_bytes_max;
        if let Some((name, value)) = values.iter().find(|(_, value)| value.bytes() > max) {
            let cause = format!("variable `{name}` has {} bytes, at most {max} are allowed", value.bytes());
            return Err(self.failure(ErrorKind::DataLimit, cause));
        }
        let (bytes, max) =
            (Value::Object(values.clone()).bytes(), self.program.limits().assignment_bytes_max);
        if bytes > max {
            let cause =
                format!("the variables set here have {bytes} bytes together, at most {max} are allowed");
            return Err(self.failure(ErrorKind::DataLimit, cause));
        }
        let kept = match variables.scope {
            VariableScope::Run => self.globals.merged(&values),
            VariableScope::Instance => environment.frame.variables.merged(&values),
        };
        let (bytes, max) = (Value::Object(kept).bytes(), self.program.limits().variables_bytes_max);
        if bytes > max {
            let cause = format!("the variables have {bytes} bytes together, at most {max} are allowed");
            return Err(self.failure(ErrorKind::DataLimit, cause));
        }
        Ok((variables.scope, values))
    }
}
