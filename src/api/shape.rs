//! Shapes of fields for which the API server keeps rules of its own.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::execution::{PARAMETER_CHARS_MAX, PARAMETERS_MAX, TAGS_MAX, WORD_CHARS_MAX};
use super::flow::ALIAS_CHARS_MAX;
use super::schedule::EXPRESSION_CHARS_MAX;

pub(super) fn qualifier(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": ALIAS_CHARS_MAX,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^([1-9][0-9]{0,17}|[A-Za-z_][A-Za-z0-9_-]*)$')",
            "message": "qualifier must be the number of a revision or the name of an alias",
        }],
    })
}

/// What AppFlow takes as a token (start-apis.md §1.4).
pub(super) fn client_token(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": WORD_CHARS_MAX,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[ -~]+$')",
            "message": "clientToken must consist of printable ASCII characters",
        }],
    })
}

pub(super) fn outer_name(_: &mut SchemaGenerator) -> Schema {
    word("name")
}

pub(super) fn task_list(_: &mut SchemaGenerator) -> Schema {
    word("taskList")
}

/// Names of SWF: nothing that ends a line or takes an ARN apart (start-apis.md §0.2, §2.2).
fn word(field: &str) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": WORD_CHARS_MAX,
        "x-kubernetes-validations": [
            {
                "rule": r"!self.matches(r'[:/|\x00-\x1f\x7f-\x{9f}]')",
                "message": format!("{field} must not contain `:`, `/`, `|` or control characters"),
            },
            { "rule": "self != 'arn'", "message": format!("{field} must not be `arn`") },
            {
                "rule": "self.trim() == self",
                "message": format!("{field} must not begin or end with white space"),
            },
        ],
    })
}

pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": TAGS_MAX,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": WORD_CHARS_MAX,
            "x-kubernetes-validations": [{
                "rule": r"!self.matches(r'[\x00-\x1f\x7f-\x{9f}]')",
                "message": "a tag must not contain control characters",
            }],
        },
    })
}

pub(super) fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": PARAMETERS_MAX,
        "additionalProperties": { "type": "string", "maxLength": PARAMETER_CHARS_MAX },
        "x-kubernetes-validations": [{
            "rule": "self.all(name, name.size() >= 1 && name.size() <= 256)",
            "message": "names of parameters must have 1 to 256 characters",
        }],
    })
}

/// The outlines of a schedule: what is inside is read by the controller (controller/schedule/recurrence.rs).
pub(super) fn schedule(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": EXPRESSION_CHARS_MAX,
        "x-kubernetes-validations": [{
            "rule": r"self.matches(r'^\s*(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|@every\s+\S.*|rate\(.+\)|cron\(\s*\S+(\s+\S+){5}\s*\)|[^@\s=()]+(\s+[^@\s=()]+){4,5})\s*$')",
            "message": "a schedule must be five fields of cron (`0 3 * * *`), six with the seconds first, `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@every 90s`, `rate(5 minutes)` or `cron(0 3 * * ? *)`; its time zone belongs into timeZone",
        }],
    })
}
