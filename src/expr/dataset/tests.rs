use super::*;
use proptest::prelude::*;

fn csv(delimiter: Delimiter, header: Header) -> Dataset {
    Dataset::Csv { delimiter, header }
}

fn given(names: &[&str]) -> Header {
    Header::Given(names.iter().map(|name| Str::from(*name)).collect())
}

fn json(pointer: &str) -> Dataset {
    Dataset::Json { pointer: Some(pointer.into()) }
}

/// What a dataset makes of a text: the items as JSON, or the message.
fn items(dataset: &Dataset, read: impl Into<Value>) -> String {
    match dataset.items(&read.into()) {
        Ok(items) => items.to_json(),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Dataset);
            error.message
        }
    }
}

#[test]
fn tables_become_objects_of_texts() {
    let first = || csv(Delimiter::Comma, Header::FirstRow);
    let table = [
        (first(), "a,b\n1,true\n\"x, y\",\n", r#"[{"a":"1","b":"true"},{"a":"x, y","b":""}]"#),
        // Recorded: short rows are padded, what is beyond the first row stands under "".
        (first(), "a,b,c\n1\n", r#"[{"a":"1","b":"","c":""}]"#),
        (first(), "a\n1,2\n3\n", r#"[{"a":"1","":"2"},{"a":"3"}]"#),
        (first(), "\u{feff}a\r\n1\r\n", r#"[{"a":"1"}]"#),
        (first(), "", "[]"),
        (first(), "a,b\n", "[]"),
        (first(), "a,b,a\n1,2,3\n", "CSV headers cannot contain duplicates."),
        (csv(Delimiter::Comma, given(&["x", "x"])), "1,2\n", "CSV headers cannot contain duplicates."),
        // Recorded: with fewer given headers the others vanish.
        (csv(Delimiter::Comma, given(&["x", "y"])), "1,2,3\n4\n", r#"[{"x":"1","y":"2"},{"x":"4","y":""}]"#),
        (csv(Delimiter::Pipe, given(&["x", "y"])), "1|2", r#"[{"x":"1","y":"2"}]"#),
        (csv(Delimiter::Semicolon, given(&["x", "y"])), "1;2", r#"[{"x":"1","y":"2"}]"#),
        (csv(Delimiter::Space, given(&["x", "y"])), "1 2", r#"[{"x":"1","y":"2"}]"#),
        (csv(Delimiter::Tab, given(&["x", "y"])), "1\t2", r#"[{"x":"1","y":"2"}]"#),
    ];
    for (dataset, text, expected) in table {
        assert_eq!(items(&dataset, text), expected, "{text}");
    }
}

#[test]
fn a_pointer_leads_to_a_collection() {
    let text = r#"{"a": {"b": [1, {"c~/": [2]}]}, "n": 5}"#;
    let table = [
        ("/a/b", r#"[1,{"c~/":[2]}]"#),
        ("/a/b/1/c~0~1", "[2]"),
        ("/a/b/1", r#"{"c~/":[2]}"#),
        ("/n", NOT_ITERABLE),
        ("/a/b/01", NOT_ITERABLE),
        ("/a/b/-", NOT_ITERABLE),
        ("/a/b/0/x", NOT_ITERABLE),
        ("/missing", NOT_ITERABLE),
        ("a", NOT_ITERABLE),
    ];
    for (pointer, expected) in table {
        assert_eq!(items(&json(pointer), text), expected, "{pointer}");
        // One that was parsed already.
        assert_eq!(items(&json(pointer), Value::parse(text).unwrap()), expected, "{pointer}");
    }
    assert_eq!(items(&Dataset::Json { pointer: None }, "[1]"), "[1]");
    assert_eq!(items(&Dataset::Json { pointer: None }, "7"), NOT_ITERABLE);
    assert!(items(&Dataset::Json { pointer: None }, "[1").starts_with("the file that was read is no JSON"));
}

#[test]
fn lines_are_values() {
    assert_eq!(items(&Dataset::JsonLines, "{\"a\": 1}\n\n[2]\r\n3\n"), r#"[{"a":1},[2],3]"#);
    assert_eq!(items(&Dataset::JsonLines, ""), "[]");
    assert!(items(&Dataset::JsonLines, "1\nx\n").starts_with("line 2 of the file that was read is no JSON"));
    let parsed = Value::parse(r#"{"a": 1}"#).unwrap();
    assert_eq!(items(&Dataset::JsonLines, parsed), r#"[{"a":1}]"#);
}

#[test]
fn the_text_may_be_the_body_of_an_answer() {
    let body = |text: &str| Value::Object(Object::from_iter([("Body", Value::from(text))]));
    assert_eq!(items(&Dataset::JsonLines, body("1\n2")), "[1,2]");
    assert_eq!(items(&csv(Delimiter::Comma, Header::FirstRow), body("a\n1")), r#"[{"a":"1"}]"#);
    let rows = Value::parse(r#"[{"a": 1}]"#).unwrap();
    assert_eq!(items(&csv(Delimiter::Comma, Header::FirstRow), rows), r#"[{"a":1}]"#);
    assert_eq!(items(&csv(Delimiter::Comma, Header::FirstRow), 7_u64), NOT_ITERABLE);
}

#[test]
fn padding_cannot_make_a_table_without_bounds() {
    let text =
        format!("{}\n{}", (0..3_000).map(|n| format!("{n},")).collect::<String>(), "x\n".repeat(1_000));
    assert!(items(&csv(Delimiter::Comma, Header::FirstRow), text).contains("more than 2000000 cells"));
}

proptest! {
    #[test]
    fn any_text_is_items_or_an_error(text in "[\\PC\n\r\t\"',;|{}\\[\\]0-9]{0,80}") {
        for dataset in [
            Dataset::Json { pointer: None },
            json("/a/0"),
            Dataset::JsonLines,
            csv(Delimiter::Comma, Header::FirstRow),
            csv(Delimiter::Tab, given(&["a"])),
        ] {
            if let Ok(items) = dataset.items(&Value::from(text.as_str())) {
                prop_assert!(items.as_array().is_some() || items.as_object().is_some());
            }
        }
    }
}

#[test]
fn the_answer_of_a_call_is_read_by_its_body() {
    let first = csv(Delimiter::Comma, Header::FirstRow);
    let answers = [
        r#"{"StatusCode": 200, "StatusText": "OK", "Headers": {}, "ResponseBody": "a\n1\n"}"#,
        r#"{"statusCode": 200, "headers": {}, "body": "a\n1\n"}"#,
        r#"{"ContentLength": 4, "Body": "a\n1\n"}"#,
    ];
    for answer in answers {
        assert_eq!(items(&first, Value::parse(answer).unwrap()), r#"[{"a":"1"}]"#, "{answer}");
    }
    let whole = Dataset::Json { pointer: None };
    let parsed = r#"{"StatusCode": 200, "ResponseBody": [1, 2]}"#;
    assert_eq!(items(&whole, Value::parse(parsed).unwrap()), "[1,2]");
    // A file may have such a member too.
    assert_eq!(items(&json("/body"), Value::parse(r#"{"body": [3]}"#).unwrap()), "[3]");
}
