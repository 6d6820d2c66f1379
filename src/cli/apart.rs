//! What of a run is kept beside its Execution.

use std::collections::HashMap;
use std::sync::Arc;

use crate::api::history::{self, Record};
use crate::cluster::data::{ReadError, objects, read, read_object};
use crate::driver::object_store::RUN_BUCKET;

use super::connection::Connection;
use super::execution::View;
use super::terminal::harmless;

/// Keys of objects that are named to who asks for another.
const KEYS_SHOWN_MAX: usize = 10;

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

/// What a run has stored under a key in its own store.
///
/// # Errors
/// Where it cannot be read; the message says what to do.
pub(super) async fn object(connection: &Connection, view: &View, key: &str) -> Result<String, String> {
    let what = format!("object `{}` of {}", harmless(key), view.key);
    let objects = objects(&connection.server, &view.key, &view.uid).await;
    let objects = objects.map_err(|error| explain(connection, &what, error.into()))?;
    let current = objects.current();
    let Some(object) = current.get(key) else {
        let mut keys: Vec<_> =
            current.keys().take(KEYS_SHOWN_MAX).map(|key| format!("`{}`", harmless(key))).collect();
        if current.len() > keys.len() {
            keys.push(format!("{} others", current.len() - keys.len()));
        }
        return Err(match &*keys {
            [] => format!("there is no {what}: the run has stored none in the bucket `{RUN_BUCKET}`"),
            keys => format!("there is no {what}; there are {}", keys.join(", ")),
        });
    };
    let text = read_object(&connection.server, &view.key, &view.uid, object).await;
    text.map_err(|error| explain(connection, &what, error))
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
