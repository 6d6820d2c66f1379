//! What of a run is kept beside its Execution.

use std::collections::HashMap;
use std::sync::Arc;

use crate::api::history::{self, Record};
use crate::cluster::data::{ReadError, read};

use super::connection::Connection;
use super::execution::View;

/// The output of a run that has succeeded, as JSON.
///
/// # Errors
/// Where it cannot be read; the message says what to do.
pub(super) async fn output(connection: &Connection, view: &View) -> Result<String, String> {
    let Some(reference) = &view.status.output_ref else {
        // A run that was read without an output has none that anybody could see.
        return Ok(view.status.output.as_ref().map_or("null", |output| output.text()).to_owned());
    };
    let read = read(&connection.server, &view.key, &view.uid, reference).await;
    read.map_err(|error| explain(connection, &format!("the output of {}", view.key), error))
}

/// Histories that were read, so that whoever follows a run reads each once.
#[derive(Debug, Default)]
pub(super) struct Older(HashMap<String, Arc<Vec<Record>>>);

impl Older {
    /// Gives a view what came before the history in its status.
    pub(super) async fn fill(&mut self, connection: &Connection, view: &mut View) {
        view.older = self.read(connection, view).await;
    }

    async fn read(&mut self, connection: &Connection, view: &View) -> Result<Vec<Arc<Vec<Record>>>, String> {
        let mut older = Vec::new();
        for reference in &view.status.history_refs {
            if let Some(known) = self.0.get(&reference.digest) {
                older.push(known.clone());
                continue;
            }
            let what = format!("the history of {}", view.key);
            let text = read(&connection.server, &view.key, &view.uid, reference).await;
            let text = text.map_err(|error| explain(connection, &what, error))?;
            let records = history::read_text(&text).map_err(|error| format!("{what}: {error}"))?;
            let records = Arc::new(records);
            self.0.insert(reference.digest.clone(), records.clone());
            older.push(records);
        }
        Ok(older)
    }
}

fn explain(connection: &Connection, what: &str, error: ReadError) -> String {
    match error {
        ReadError::Lost(why) => format!("{what} cannot be read: {why}"),
        ReadError::Api(error) => connection.explain(&format!("{what} cannot be read"), error),
    }
}
