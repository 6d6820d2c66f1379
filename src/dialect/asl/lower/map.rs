//! Maps (asl.md §12).

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::jsonata::Expected;
use crate::expr::{Dataset, Expr, Root};
use crate::ir::{Access, Batch, Map, Tolerance};
use crate::value::Str;

use super::super::limits::{EXPRESS_SECONDS_MAX, PAYLOAD_BYTES_MAX};
use super::super::syntax::{self, Batcher, InputType, Language, Processor, ReaderConfig, Source, Writer};
use super::super::template::{
    Moment, NOTHING, View, expression, flattened, literal, path_from, payload, reference_path, value,
};
use super::Lowering;

/// Largest number that a field without a bound of its own takes.
const ANY_NUMBER: std::ops::RangeInclusive<u64> = 0..=i64::MAX as u64;

/// Of readers that give a list of objects and no file.
const LIST_OBJECTS: &str = ":listObjectsV2";

impl<'b> Lowering<'_, 'b> {
    /// Nothing where the processor could not be made.
    pub(super) fn map(&mut self, map: &'b syntax::Map<'_>, view: View, depth: usize) -> Option<Map> {
        let entry = view.at(Moment::Entry);
        let is_isolated = map.processor.as_ref().is_some_and(|processor| processor.is_distributed);
        if let (true, true, Some(processor)) = (is_isolated, self.is_express, &map.processor) {
            self.refuse_distributed(processor);
        }
        let items = self.items(map, entry);
        let item = map.selector.as_ref().map(|field| payload(field, "ItemSelector", entry, self.problems));
        let config = map.reader.as_ref().and_then(|reader| reader.config.as_ref());
        let items_max = config.and_then(|config| config.max_items.as_ref());
        let items_max = self.whole(items_max, "MaxItems", ANY_NUMBER, entry);
        let concurrency = self.whole(map.concurrency.as_ref(), "MaxConcurrency", ANY_NUMBER, entry);
        let (count, percentage) = (map.tolerated_count.as_ref(), map.tolerated_percentage.as_ref());
        let tolerance = Tolerance {
            count: self.whole(count, "ToleratedFailureCount", ANY_NUMBER, entry),
            percentage: self.percentage(percentage, "ToleratedFailurePercentage", entry),
        };
        let reader = map.reader.as_ref().map(|reader| self.reader(reader, entry));
        let batch = map.batcher.as_ref().map(|batcher| self.batch(batcher, entry));
        let writer = map.writer.as_ref().and_then(|writer| self.writer(writer, entry));
        let processor = map.processor.as_ref();
        let body = processor.and_then(|processor| self.processor(processor, depth))?;
        Some(Map {
            reader,
            // What a field of JSONata may give is checked where it is evaluated (§12).
            takes_objects: true,
            items_max,
            item,
            batch,
            concurrency,
            is_isolated,
            iteration_seconds_max: processor
                .is_some_and(|processor| processor.is_distributed && processor.is_express)
                .then_some(EXPRESS_SECONDS_MAX),
            // Without any, failures are beyond it all the same (§12).
            tolerance: Some(tolerance),
            writer,
            ..Map::over(items, body)
        })
    }

    fn refuse_distributed(&self, processor: &Processor<'_>) {
        let message =
            "a distributed Map cannot stand within an Express Map: its runs have no runs of their own";
        let (path, span) = (processor.body.path.clone(), processor.body.span);
        let problem = Diagnostic::new(Code::InvalidValue, path, span, message);
        self.problems.push(
            problem.with_help(
                "make its Mode `INLINE`, or the ExecutionType of the processor around it `STANDARD`",
            ),
        );
    }

    fn processor(&mut self, processor: &'b Processor<'_>, depth: usize) -> Option<crate::ir::ScopeIdx> {
        if !processor.is_distributed {
            return self.scope(&processor.body, depth + 1);
        }
        // Its runs see no variables from outside, so that they are free to use the names (§8).
        let around = std::mem::take(&mut self.assigned);
        let was_express = std::mem::replace(&mut self.is_express, processor.is_express);
        let body = self.scope(&processor.body, depth + 1);
        self.is_express = was_express;
        self.assigned = around;
        body
    }

    /// What the Map runs over.
    fn items(&self, map: &syntax::Map<'_>, view: View) -> Expr {
        let read = map.reader.as_ref().map(|reader| {
            let dataset = dataset(reader);
            Expr::Dataset(Arc::new(dataset), Box::new(Expr::Root(Root::Result)))
        });
        match (view.language, &map.items, read) {
            (Language::Jsonata, Some(field), _) => {
                let items = value(field, "Items", Expected::Array, view, self.problems);
                if let Expr::Literal(found) = &items
                    && found.as_array().is_none()
                {
                    // As an expression of the same text: what is no array is an error of the run (R).
                    return expression(&found.to_json(), "Items", Expected::Array, view);
                }
                items
            }
            (Language::JsonPath, Some(field), None) => {
                let Some(text) = field.text(self.problems) else { return NOTHING };
                reference_path(&text, "ItemsPath", view, self.problems)
            }
            (Language::JsonPath, Some(field), Some(read)) => {
                let Some(text) = field.text(self.problems) else { return NOTHING };
                // Anything wrong is noted by the reading as a reference path.
                reference_path(&text, "ItemsPath", view, self.problems);
                path_from(&text.value, "ItemsPath", read, view.context, crate::expr::Missing::Error)
                    .unwrap_or(NOTHING)
            }
            (_, None, Some(read)) => read,
            // As if it said so: what is no array is an error of the query language.
            (Language::Jsonata, None, None) => expression("$states.input", "Items", Expected::Array, view),
            (Language::JsonPath, None, None) => Expr::Root(Root::Input),
        }
    }

    fn reader(&self, reader: &Source<'_>, view: View) -> Access {
        let arguments = reader.arguments.as_ref();
        let arguments = arguments.map(|field| payload(field, label(view), view, self.problems));
        // Who decodes must know how.
        let config = reader.config.as_ref().filter(|config| is_decoded(config));
        let config = config.map(|config| {
            let config = literal(&config.field, self.problems);
            Expr::object(vec![(Str::from("ReaderConfig"), config)])
        });
        Access {
            resource: reader.resource.as_ref().map_or_else(|| Arc::from(""), |text| text.value.clone()),
            arguments: merged(arguments, config),
        }
    }

    fn batch(&self, batcher: &Batcher<'_>, view: View) -> Batch {
        let bytes = 1..=PAYLOAD_BYTES_MAX as u64;
        let (items_max, bytes_max) = (batcher.max_items.as_ref(), batcher.max_bytes.as_ref());
        let input = batcher.input.as_ref();
        Batch {
            items_max: self.whole(items_max, "MaxItemsPerBatch", 1..=i64::MAX as u64, view),
            bytes_max: self.whole(bytes_max, "MaxInputBytesPerBatch", bytes, view),
            input: input.map(|field| payload(field, "BatchInput", view, self.problems)),
        }
    }

    /// Nothing where the results stay in the state.
    fn writer(&self, writer: &Writer<'_>, view: View) -> Option<Access> {
        let arguments = writer.arguments.as_ref();
        let arguments = arguments.map(|field| payload(field, label(view), view, self.problems));
        let resource = writer.resource.as_ref()?.value.clone();
        let results = if writer.is_flattened { flattened() } else { Expr::Root(Root::Result) };
        let mut own = vec![(Str::from("Body"), results)];
        if let Some(config) = &writer.config {
            own.push((Str::from("WriterConfig"), literal(config, self.problems)));
        }
        Some(Access { resource, arguments: merged(arguments, Some(Expr::object(own))) })
    }
}

/// How what was read becomes items.
fn dataset(reader: &Source<'_>) -> Dataset {
    let is_list = reader.resource.as_ref().is_some_and(|resource| resource.value.ends_with(LIST_OBJECTS));
    match &reader.config {
        Some(config) if is_decoded(config) => Dataset::Json { pointer: None },
        // What the service answers, whatever is said of files.
        _ if is_list => Dataset::Json { pointer: Some(Str::from("/Contents")) },
        None => Dataset::Json { pointer: None },
        Some(config) => match config.input_type {
            InputType::Csv => Dataset::Csv { delimiter: config.delimiter, header: config.header.clone() },
            InputType::Json | InputType::Decoded => Dataset::Json { pointer: config.pointer.clone() },
            InputType::JsonLines => Dataset::JsonLines,
        },
    }
}

/// Whether the reader gives items and no text: it reads what nobody here can.
fn is_decoded(config: &ReaderConfig<'_>) -> bool {
    config.is_loaded || config.input_type == InputType::Decoded
}

fn label(view: View) -> &'static str {
    match view.language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    }
}

/// The members of both.
fn merged(one: Option<Expr>, other: Option<Expr>) -> Option<Expr> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Expr::Merge(vec![one, other])),
        (one, other) => one.or(other),
    }
}
