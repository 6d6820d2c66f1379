//! Objects as they are printed for programs.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::value::Value;

/// Who a result is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For a person
    Text,
    /// For a program: the object as the cluster has it
    Json,
    /// The same in YAML
    Yaml,
    /// For a script: resource and name, as `kubectl get -o name` prints them
    Name,
}

/// Who a tree is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Document {
    /// For a person
    #[value(alias = "table")]
    Text,
    /// For a program
    Json,
    /// The same in YAML
    Yaml,
}

/// What an Execution is called among all resources.
pub(super) fn resource_name(name: &str) -> String {
    format!("execution.millrace.dev/{name}")
}

/// An object without the account of who wrote which field, which kubectl leaves out too. What cannot
/// be taken apart stays as it is.
pub(super) fn without_managed_fields(object: &str) -> String {
    // By name is the order in which Kubernetes itself writes members.
    type Members = BTreeMap<String, Box<RawValue>>;
    let stripped = || {
        let mut members: Members = serde_json::from_str(object).ok()?;
        let mut metadata: Members = serde_json::from_str(members.get("metadata")?.get()).ok()?;
        metadata.remove("managedFields");
        members.insert("metadata".to_owned(), to_raw_value(&metadata).ok()?);
        serde_json::to_string(&members).ok()
    };
    stripped().unwrap_or_else(|| object.to_owned())
}

/// A JSON text laid out. What is nested too deep to be read stays as it is: nobody reads that.
pub(super) fn json(text: &str) -> String {
    match Value::parse(text) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned()) + "\n",
        Err(_) => format!("{text}\n"),
    }
}

/// A JSON text as YAML. What is nested too deep stays JSON, which is YAML too.
pub(super) fn yaml(text: &str) -> String {
    let yaml = Value::parse(text).ok().and_then(|value| to_yaml(&value));
    yaml.unwrap_or_else(|| format!("{text}\n"))
}

fn to_yaml(value: &impl Serialize) -> Option<String> {
    let mut yaml = serde_saphyr::to_string(value).ok()?;
    if !yaml.ends_with('\n') {
        yaml.push('\n');
    }
    Some(yaml)
}

/// A list of objects, printed as its parts come.
#[derive(Debug)]
pub(super) struct ListPrinter {
    is_yaml: bool,
    printed: usize,
}

impl ListPrinter {
    pub(super) fn new(is_yaml: bool) -> Self {
        Self { is_yaml, printed: 0 }
    }

    /// What to print for another object.
    pub(super) fn item(&mut self, object: &str) -> String {
        let is_first = self.printed == 0;
        self.printed += 1;
        let object = without_managed_fields(object);
        if self.is_yaml {
            let head = if is_first { "apiVersion: v1\nkind: List\nitems:\n" } else { "" };
            return format!("{head}- {}\n", indented(&yaml(&object), "  "));
        }
        let head = if is_first {
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [\n"
        } else {
            ",\n"
        };
        format!("{head}    {}", indented(&json(&object), "    "))
    }

    /// What to print at the end.
    pub(super) fn end(&self) -> &'static str {
        match (self.is_yaml, self.printed) {
            (true, 0) => "apiVersion: v1\nkind: List\nitems: []\n",
            (true, _) => "",
            (false, 0) => "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": []\n}\n",
            (false, _) => "\n  ]\n}\n",
        }
    }
}

/// A text that stands further in. Its first line begins where it is put, and empty lines stay empty.
fn indented(text: &str, indent: &str) -> String {
    let text = text.trim_end_matches('\n');
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
            if !line.is_empty() {
                out.push_str(indent);
            }
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    const OBJECT: &str = r#"{"kind": "Execution", "metadata": {"name": "a", "managedFields": [{}]}, "spec": {"input": {"text": "a\n\n  b\nc\n", "no": "no", "n": null, "big": 9007199254740993}}}"#;

    #[test]
    fn managed_fields_go_and_the_rest_stays() {
        let stripped = without_managed_fields(OBJECT);
        assert!(!stripped.contains("managedFields") && stripped.contains("9007199254740993"), "{stripped}");
        assert_eq!(without_managed_fields("[1]"), "[1]");
    }

    #[test]
    fn lists_are_read_back_as_they_were() {
        let deep = format!(r#"{{"metadata": {{}}, "spec": {}1{}}}"#, "[".repeat(300), "]".repeat(300));
        for is_yaml in [true, false] {
            for objects in [&[][..], &[OBJECT], &[OBJECT, OBJECT]] {
                let mut printer = ListPrinter::new(is_yaml);
                let mut text: String = objects.iter().map(|object| printer.item(object)).collect();
                text.push_str(printer.end());
                let list = match is_yaml {
                    true => source::parse(&text).unwrap().to_value(),
                    false => Value::parse(&text).unwrap(),
                };
                let items = list.get("items").unwrap().as_array().unwrap();
                assert_eq!(items.len(), objects.len());
                let expected = Value::parse(&without_managed_fields(OBJECT)).unwrap();
                assert!(items.iter().all(|item| *item == expected), "{text}");
            }
            let mut printer = ListPrinter::new(is_yaml);
            let text = format!("{}{}{}", printer.item(&deep), printer.item(OBJECT), printer.end());
            assert!(text.contains(&"[".repeat(300)), "{text}");
        }
    }
}
