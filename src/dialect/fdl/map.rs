//! Maps as they are written, inline and distributed (fdl.md §7.8).

use crate::diagnostic::Code;

use super::super::reader::{Field, Fields, Problems, Text, expect_word, items_of};
use super::syntax::{Body, Computed};

#[derive(Debug)]
pub(super) struct Map<'n> {
    /// Nothing where a reader gives the items, or where it is missing, which was noted.
    pub(super) items: Option<Text>,
    pub(super) item: Option<Field<'n>>,
    pub(super) processor: Option<Body<'n>>,
    pub(super) concurrency: Option<Computed<'n>>,
    /// Whether iterations are executions of their own, and of which mode.
    pub(super) mode: Option<ExecutionMode>,
    pub(super) reader: Option<Reader<'n>>,
    pub(super) batcher: Option<Batcher<'n>>,
    pub(super) writer: Option<Writer<'n>>,
    pub(super) items_max: Option<Computed<'n>>,
    pub(super) tolerated_count: Option<Computed<'n>>,
    pub(super) tolerated_percentage: Option<Computed<'n>>,
}

/// Of sub-executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExecutionMode {
    Standard,
    Express,
}

#[derive(Debug)]
pub(super) struct Reader<'n> {
    pub(super) source: Option<Source>,
    pub(super) parameters: Option<Field<'n>>,
    /// Names of the columns where the file does not say them.
    pub(super) headers: Option<Vec<Text>>,
}

/// What a reader reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Csv,
    Json,
    Inventory,
    Objects,
}

#[derive(Debug)]
pub(super) struct Batcher<'n> {
    pub(super) items_max: Option<Computed<'n>>,
    pub(super) bytes_max: Option<Computed<'n>>,
    pub(super) input: Option<Field<'n>>,
}

#[derive(Debug)]
pub(super) struct Writer<'n> {
    pub(super) parameters: Option<Field<'n>>,
}

/// What only distributed Maps have.
const DISTRIBUTED_FIELDS: &[&str] = &[
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "MaxItems",
    "MaxItems.$",
    "ToleratedFailedPercentage",
    "ToleratedFailedPercentage.$",
    "ToleratedFailedCount",
    "ToleratedFailedCount.$",
];

const SOURCES: &[(&str, Source)] = &[
    ("OSS.CSV", Source::Csv),
    ("OSS.JSON", Source::Json),
    ("OSS.Inventory", Source::Inventory),
    ("OSS.Objects", Source::Objects),
];

impl<'n> Map<'n> {
    pub(super) fn read(fields: &mut Fields<'n>, problems: &Problems) -> Self {
        let processor = fields.required("Processor", problems);
        let (processor, mode) = match processor.and_then(|field| read_processor(&field, problems)) {
            Some((body, mode)) => (Some(body), mode),
            None => (None, None),
        };
        // Where the Processor could not be read, whether it is distributed is not known.
        if processor.is_some() && mode.is_none() {
            refuse_distributed(fields, problems);
        }
        let concurrency = read_concurrency(fields, problems);
        let reader = fields.optional("ItemReader");
        let items = match &reader {
            Some(_) => fields.optional("ItemsPath"),
            None => fields.required("ItemsPath", problems),
        };
        Self {
            items: items.and_then(|field| field.text(problems)),
            item: fields.optional("ItemConstructor"),
            processor,
            concurrency,
            mode,
            reader: reader.and_then(|field| Reader::read(&field, problems)),
            batcher: fields.optional("ItemBatcher").and_then(|field| Batcher::read(&field, problems)),
            writer: fields.optional("ResultWriter").and_then(|field| Writer::read(&field, problems)),
            items_max: Computed::read(fields, "MaxItems", "MaxItems.$", problems),
            tolerated_count: Computed::read(
                fields,
                "ToleratedFailedCount",
                "ToleratedFailedCount.$",
                problems,
            ),
            tolerated_percentage: Computed::read(
                fields,
                "ToleratedFailedPercentage",
                "ToleratedFailedPercentage.$",
                problems,
            ),
        }
    }
}

/// The Processor, and the mode of its executions where it has executions of its own.
fn read_processor<'n>(field: &Field<'n>, problems: &Problems) -> Option<(Body<'n>, Option<ExecutionMode>)> {
    let mut fields = field.fields(problems)?;
    let config = fields.optional("ProcessorConfig");
    let mode = config.map(|config| read_config(&config, problems));
    let body = Body::read(&mut fields, problems);
    fields.finish("a Processor", problems);
    Some((body, mode))
}

fn read_config(field: &Field<'_>, problems: &Problems) -> ExecutionMode {
    let Some(mut fields) = field.fields(problems) else { return ExecutionMode::Standard };
    let word = expect_word(fields.required("ExecutionMode", problems), &["Standard", "Express"], problems);
    fields.finish("a ProcessorConfig", problems);
    if word == Some(1) { ExecutionMode::Express } else { ExecutionMode::Standard }
}

/// The documents of the service misspell it; both spellings are accepted (§7.8).
fn read_concurrency<'n>(fields: &mut Fields<'n>, problems: &Problems) -> Option<Computed<'n>> {
    let concurrency = Computed::read(fields, "MaxConcurrency", "MaxConcurrency.$", problems);
    let written = ["MaxConcuccency", "MaxConcuccency.$"].into_iter().find_map(|name| fields.optional(name));
    let misspelt = Computed::read(fields, "MaxConcuccency", "MaxConcuccency.$", problems);
    if let (Some(_), Some(written)) = (&concurrency, written) {
        let message = "`MaxConcurrency` is given in both its spellings";
        problems.push(written.problem(Code::DuplicateField, message).with_help("remove one of them"));
    }
    concurrency.or(misspelt)
}

fn refuse_distributed(fields: &mut Fields<'_>, problems: &Problems) {
    for name in DISTRIBUTED_FIELDS {
        if let Some(field) = fields.optional(name) {
            let message = format!("only a distributed Map has `{name}`");
            let problem = field.problem(Code::InvalidValue, message);
            problems
                .push(problem.with_help("add `ProcessorConfig: {ExecutionMode: Standard}` to its Processor"));
        }
    }
}

impl<'n> Reader<'n> {
    fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let source = fields.required("SourceType", problems).and_then(|field| read_source(&field, problems));
        let parameters = fields.optional("SourceParameters");
        let mut headers = None;
        if let Some(mut fields) = fields.optional("ReaderConfig").and_then(|field| field.fields(problems)) {
            headers = fields.optional("CSVHeaders").map(|field| {
                let items = items_of(Some(field), "name of a column", problems);
                items.iter().filter_map(|item| item.name(problems)).collect()
            });
            fields.finish("a ReaderConfig", problems);
        }
        fields.finish("an ItemReader", problems);
        Some(Self { source, parameters, headers })
    }
}

fn read_source(field: &Field<'_>, problems: &Problems) -> Option<Source> {
    let text = field.text(problems)?;
    let known = SOURCES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&text.value));
    if known.is_none() {
        let known: Vec<_> = SOURCES.iter().map(|(known, _)| format!("`{known}`")).collect();
        let message = format!("expected {}, found `{}`", known.join(" or "), text.value);
        problems.push(field.problem(Code::InvalidValue, message));
    }
    known.map(|(_, source)| *source)
}

impl<'n> Batcher<'n> {
    fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let items_max = Computed::read(&mut fields, "MaxItemsPerBatch", "MaxItemsPerBatch.$", problems);
        let bytes = ("MaxInputBytesPerBatch", "MaxInputBytesPerBatch.$");
        let bytes_max = Computed::read(&mut fields, bytes.0, bytes.1, problems);
        if items_max.is_none() && bytes_max.is_none() {
            let message = "the ItemBatcher has neither `MaxItemsPerBatch` nor `MaxInputBytesPerBatch`";
            problems.push(
                fields.problem(Code::MissingField, message).with_help("say how much goes into a batch"),
            );
        }
        let input = fields.optional("BatchInput");
        fields.finish("an ItemBatcher", problems);
        Some(Self { items_max, bytes_max, input })
    }
}

impl<'n> Writer<'n> {
    fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let parameters = fields.required("Parameters", problems);
        fields.finish("a ResultWriter", problems);
        Some(Self { parameters })
    }
}
