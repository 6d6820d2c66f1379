//! Maps (asl.md §12).

use crate::diagnostic::Code;
use crate::expr::{self, Delimiter};
use crate::value::Str;

use super::super::super::reader::{Field, Fields, Text};
use super::super::limits::LABEL_CHARS_MAX;
use super::field::{Computed, items_of};
use super::task::read_resource;
use super::{Body, Language, Reading};

#[derive(Debug)]
pub(in super::super) struct Map<'n> {
    /// `ItemsPath` or `Items`.
    pub(in super::super) items: Option<Field<'n>>,
    pub(in super::super) reader: Option<Source<'n>>,
    /// `ItemSelector`, or its old name `Parameters`.
    pub(in super::super) selector: Option<Field<'n>>,
    pub(in super::super) batcher: Option<Batcher<'n>>,
    pub(in super::super) processor: Option<Processor<'n>>,
    pub(in super::super) concurrency: Option<Computed<'n>>,
    pub(in super::super) tolerated_count: Option<Computed<'n>>,
    pub(in super::super) tolerated_percentage: Option<Computed<'n>>,
    pub(in super::super) writer: Option<Writer<'n>>,
}

/// `ItemProcessor`, or its old name `Iterator`.
#[derive(Debug)]
pub(in super::super) struct Processor<'n> {
    pub(in super::super) body: Body<'n>,
    pub(in super::super) is_distributed: bool,
    pub(in super::super) is_express: bool,
}

/// `ItemReader`.
#[derive(Debug)]
pub(in super::super) struct Source<'n> {
    pub(in super::super) resource: Option<Text>,
    pub(in super::super) arguments: Option<Field<'n>>,
    pub(in super::super) config: Option<ReaderConfig<'n>>,
}

#[derive(Debug)]
pub(in super::super) struct ReaderConfig<'n> {
    /// As it was written, for readers that decode by themselves.
    pub(in super::super) field: Field<'n>,
    pub(in super::super) input_type: InputType,
    pub(in super::super) delimiter: Delimiter,
    pub(in super::super) header: expr::Header,
    pub(in super::super) pointer: Option<Str>,
    pub(in super::super) max_items: Option<Computed<'n>>,
    /// `Transformation: LOAD_AND_FLATTEN`: the reader reads what the objects hold.
    pub(in super::super) is_loaded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum InputType {
    Csv,
    Json,
    JsonLines,
    /// Formats whose text nobody here decodes: what reads them does.
    Decoded,
}

/// `ItemBatcher`.
#[derive(Debug)]
pub(in super::super) struct Batcher<'n> {
    pub(in super::super) max_items: Option<Computed<'n>>,
    pub(in super::super) max_bytes: Option<Computed<'n>>,
    pub(in super::super) input: Option<Field<'n>>,
}

/// `ResultWriter`.
#[derive(Debug)]
pub(in super::super) struct Writer<'n> {
    pub(in super::super) resource: Option<Text>,
    pub(in super::super) arguments: Option<Field<'n>>,
    /// `WriterConfig`, as it was written.
    pub(in super::super) config: Option<Field<'n>>,
    /// `Transformation: FLATTEN`.
    pub(in super::super) is_flattened: bool,
}

const INPUT_TYPES: &[(&str, InputType)] = &[
    ("CSV", InputType::Csv),
    ("JSON", InputType::Json),
    ("JSONL", InputType::JsonLines),
    ("PARQUET", InputType::Decoded),
    ("MANIFEST", InputType::Decoded),
];

const DELIMITERS: &[(&str, Delimiter)] = &[
    ("COMMA", Delimiter::Comma),
    ("PIPE", Delimiter::Pipe),
    ("SEMICOLON", Delimiter::Semicolon),
    ("SPACE", Delimiter::Space),
    ("TAB", Delimiter::Tab),
];

impl<'n> Map<'n> {
    pub(super) fn read(fields: &mut Fields<'n>, reading: Reading<'_>, outer: Reading<'_>) -> Self {
        let (items, selectors) = match reading.language {
            Language::JsonPath => ("ItemsPath", &["ItemSelector", "Parameters"][..]),
            Language::Jsonata => ("Items", &["ItemSelector"][..]),
        };
        let processor = reading.exactly_one(fields, &["ItemProcessor", "Iterator"]);
        read_label(fields, reading);
        let reader = fields.given("ItemReader");
        let batcher = fields.given("ItemBatcher");
        let writer = fields.given("ResultWriter");
        let (count, percentage) = ("ToleratedFailureCount", "ToleratedFailurePercentage");
        Self {
            items: fields.given(items),
            reader: reader.and_then(|field| Source::read(&field, reading)),
            selector: reading.at_most_one(fields, selectors).map(|(_, field)| field),
            batcher: batcher.and_then(|field| Batcher::read(&field, reading)),
            processor: processor.and_then(|(_, field)| Processor::read(&field, outer)),
            concurrency: Computed::read(fields, "MaxConcurrency", "MaxConcurrencyPath", reading),
            tolerated_count: Computed::read(fields, count, "ToleratedFailureCountPath", reading),
            tolerated_percentage: Computed::read(
                fields,
                percentage,
                "ToleratedFailurePercentagePath",
                reading,
            ),
            writer: writer.and_then(|field| Writer::read(&field, reading)),
        }
    }
}

/// `Label`: what the runs of the iterations would be called.
fn read_label(fields: &mut Fields<'_>, reading: Reading<'_>) {
    let Some(field) = fields.given("Label") else { return };
    let Some(text) = field.text(reading.problems) else { return };
    let length = text.value.chars().count();
    if length > LABEL_CHARS_MAX {
        let message = format!("a label has {length} characters, at most {LABEL_CHARS_MAX} are allowed");
        reading.problems.push(field.problem(Code::LimitExceeded, message));
    }
    let refused = |c: &char| c.is_whitespace() || c.is_control() || "?*<>{}[]:;,\\|^~$#%&`\"".contains(*c);
    if let Some(refused) = text.value.chars().find(refused) {
        let message = format!("a label cannot hold {refused:?}");
        reading.problems.push(field.problem(Code::InvalidValue, message));
    }
}

impl<'n> Processor<'n> {
    fn read(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let mut fields = field.fields(reading.problems)?;
        let (is_distributed, is_express) = match fields.given("ProcessorConfig") {
            Some(config) => read_processor_config(&config, reading),
            None => (false, false),
        };
        let body = Body::read(&mut fields, reading);
        reading.finish(fields, "a processor");
        Some(Self { body, is_distributed, is_express })
    }
}

/// Whether the iterations are runs of their own, and whether those are Express.
fn read_processor_config(field: &Field<'_>, reading: Reading<'_>) -> (bool, bool) {
    let Some(mut fields) = field.fields(reading.problems) else { return (false, false) };
    let mode = fields.given("Mode").and_then(|field| reading.word(&field, &["INLINE", "DISTRIBUTED"]));
    let is_distributed = mode == Some("DISTRIBUTED");
    let kind = if is_distributed {
        fields.needed("ExecutionType", reading.problems)
    } else {
        fields.given("ExecutionType")
    };
    let kind = kind.and_then(|field| reading.word(&field, &["STANDARD", "EXPRESS"]));
    reading.finish(fields, "a ProcessorConfig");
    (is_distributed, is_distributed && kind == Some("EXPRESS"))
}

/// `Parameters` or `Arguments` of a reader or writer.
fn read_arguments<'n>(fields: &mut Fields<'n>, reading: Reading<'_>) -> Option<Field<'n>> {
    fields.given(match reading.language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    })
}

impl<'n> Source<'n> {
    fn read(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let mut fields = field.fields(reading.problems)?;
        let config = fields.given("ReaderConfig");
        let source = Self {
            resource: read_resource(&mut fields, reading.problems),
            arguments: read_arguments(&mut fields, reading),
            config: config.and_then(|field| ReaderConfig::read(field, reading)),
        };
        reading.finish(fields, "an ItemReader");
        Some(source)
    }
}

impl<'n> ReaderConfig<'n> {
    fn read(field: Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let mut fields = field.fields(reading.problems)?;
        let input_type = one_of(&mut fields, "InputType", INPUT_TYPES, reading);
        let delimiter = one_of(&mut fields, "CSVDelimiter", DELIMITERS, reading);
        let header = read_header(&mut fields, reading);
        let pointer = fields.given("ItemsPointer").and_then(|field| field.text(reading.problems));
        let mut word = |name, words| fields.given(name).and_then(|field| reading.word(&field, words));
        let transformation = word("Transformation", &["NONE", "LOAD_AND_FLATTEN"]);
        word("ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]);
        let max_items = Computed::read(&mut fields, "MaxItems", "MaxItemsPath", reading);
        reading.finish(fields, "a ReaderConfig");
        Some(Self {
            field,
            input_type: input_type.unwrap_or(InputType::Json),
            delimiter: delimiter.unwrap_or(Delimiter::Comma),
            header,
            pointer: pointer.map(|text| text.value),
            max_items,
            is_loaded: transformation == Some("LOAD_AND_FLATTEN"),
        })
    }
}

/// What a word stands for.
fn one_of<T: Copy>(
    fields: &mut Fields<'_>,
    name: &'static str,
    table: &[(&'static str, T)],
    reading: Reading<'_>,
) -> Option<T> {
    let field = fields.given(name)?;
    let words: Vec<_> = table.iter().map(|(word, _)| *word).collect();
    let word = reading.word(&field, &words)?;
    table.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
}

/// `CSVHeaderLocation` and `CSVHeaders`, which belong together.
fn read_header(fields: &mut Fields<'_>, reading: Reading<'_>) -> expr::Header {
    let problems = reading.problems;
    let location = fields.given("CSVHeaderLocation");
    let location = location.and_then(|field| reading.word(&field, &["FIRST_ROW", "GIVEN"]));
    if location != Some("GIVEN") {
        fields.given("CSVHeaders");
        return expr::Header::FirstRow;
    }
    let names = items_of(fields.needed("CSVHeaders", problems), "name of a column", problems);
    let names = names.iter().filter_map(|name| name.text(problems)).map(|name| name.value);
    expr::Header::Given(names.collect())
}

impl<'n> Batcher<'n> {
    fn read(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let mut fields = field.fields(reading.problems)?;
        let bytes = ("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath");
        let batcher = Self {
            max_items: Computed::read(&mut fields, "MaxItemsPerBatch", "MaxItemsPerBatchPath", reading),
            max_bytes: Computed::read(&mut fields, bytes.0, bytes.1, reading),
            input: fields.given("BatchInput"),
        };
        if batcher.max_items.is_none() && batcher.max_bytes.is_none() {
            let message = "one of `MaxItemsPerBatch`, `MaxInputBytesPerBatch` must be given";
            reading.problems.push(fields.problem(Code::Alternatives, message));
        }
        reading.finish(fields, "an ItemBatcher");
        Some(batcher)
    }
}

impl<'n> Writer<'n> {
    fn read(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let problems = reading.problems;
        let mut fields = field.fields(problems)?;
        let config = fields.given("WriterConfig");
        let arguments = read_arguments(&mut fields, reading);
        // Without one the results stay in the state, in the form that WriterConfig says.
        let has_resource = config.is_none() || fields.given("Resource").is_some();
        let resource = has_resource.then(|| read_resource(&mut fields, problems)).flatten();
        let is_flattened = config.as_ref().is_some_and(|config| is_flattened(config, reading));
        reading.finish(fields, "a ResultWriter");
        Some(Self { resource, arguments, config, is_flattened })
    }
}

/// Whether a WriterConfig says `FLATTEN`. Both of its members are required (§12).
fn is_flattened(field: &Field<'_>, reading: Reading<'_>) -> bool {
    let Some(mut fields) = field.fields(reading.problems) else { return false };
    let mut word = |name, words| {
        let field = fields.needed(name, reading.problems);
        field.and_then(|field| reading.word(&field, words))
    };
    let transformation = word("Transformation", &["NONE", "COMPACT", "FLATTEN"]);
    word("OutputType", &["JSON", "JSONL"]);
    reading.finish(fields, "a WriterConfig");
    transformation == Some("FLATTEN")
}
