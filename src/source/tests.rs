use super::*;
use crate::value::Value;

fn place(node: &Node) -> (u32, u32) {
    let span = node.span.unwrap();
    (span.line, span.column)
}

#[test]
fn every_value_and_key_has_its_place() {
    let text = "Type: StateMachine\nStates:\n  - Name: a\n    \"x.$\": [1, 'two']\n";
    let document = parse(text).unwrap();
    let states = document.as_mapping().unwrap().get("States").unwrap();
    let Content::Sequence(items) = &states.content else { panic!("{states:?}") };
    let entry = &items[0].as_mapping().unwrap().entries[1];
    assert_eq!(&*entry.key.name, "x.$");
    assert_eq!(entry.key.span.unwrap().column, 5);
    assert_eq!(place(&entry.value), (4, 12));
    let Content::Sequence(list) = &entry.value.content else { panic!("{entry:?}") };
    assert_eq!(place(&list[1]), (4, 16));
    let span = list[1].span.unwrap();
    assert_eq!(&text[span.start as usize..span.end as usize], "'two'");
}

#[test]
fn json_is_read_as_json() {
    let text = "{\"a\": \"\\ud83d\\ude00\\/\",\n\t\"b\": [1e3, -0, null, \"yes\", yes]}";
    assert_eq!(parse(text).unwrap().to_value().to_json(), r#"{"a":"😀/","b":[1000.0,0,null,"yes","yes"]}"#);
}

#[test]
fn anchors_and_merge_keys_are_expanded_and_bounded() {
    let text = "base: &b {x: 1}\nother: *b\nmore: {<<: *b, y: 2}\n";
    let value = parse(text).unwrap().to_value();
    assert_eq!(value.get("more").unwrap().get("x"), Some(&Value::from(1_i64)));
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(400_000), "*a,".repeat(20_000));
    let cases = [
        (&*bomb, "the aliases (`*name`) repeat too much: at most 100000 values"),
        (&*long, "the aliases (`*name`) repeat too much: at most 4194304 bytes"),
        ("a: &a [*a]", "an alias (`*name`) repeats what it stands in"),
        ("a: *b", "an alias (`*name`) of an anchor that does not stand before it"),
    ];
    for (text, message) in cases {
        assert_eq!(parse(text).unwrap_err().message, message);
    }
}

#[test]
fn bad_text_is_refused_with_its_place() {
    let cases = [
        ("a: [1, 2\nb: 3\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: .inf\n", 1),
        ("? [1, 2]\n: x\n", 1),
        ("a: \"open\n", 0),
        ("é: 1\n%é𐤿: [\n", 2),
    ];
    for (text, line) in cases {
        let error = parse(text).expect_err(text);
        if line > 0 {
            assert_eq!(error.span.map(|span| span.line), Some(line), "{text:?}: {error}");
        }
        assert!(!error.message.contains(" at line "), "{error}");
        for at in error.span.iter().flat_map(|span| [span.start, span.end]) {
            assert!(text.is_char_boundary(at as usize), "{text:?}: {:?}", error.span);
        }
    }
    let deep = "[".repeat(100_000);
    assert!(parse(&deep).unwrap_err().message.contains("100 levels"));
    let long = "a".repeat(DEFINITION_BYTES_MAX + 1);
    assert!(parse(&long).unwrap_err().message.contains("1048577 bytes"));
}

#[test]
fn duplicate_keys_are_kept_for_the_reader() {
    let document = parse("a: 1\na: 2\n").unwrap();
    assert_eq!(document.as_mapping().unwrap().entries.len(), 2);
}

#[test]
fn what_is_refused_is_told_in_a_line() {
    let many = format!("[{}]", "0,".repeat(300_000));
    assert_eq!(parse(&many).unwrap_err().message, "the definition has more than 250000 values");
    let number = format!("a: {}", "9".repeat(10_000));
    let error = parse(&number).unwrap_err();
    assert!(error.message.chars().count() < 100 && error.message.contains("9…` is no number"), "{error}");
}

#[test]
fn scalars_are_what_yaml_1_2_says() {
    let cases = [
        ("~", "null"),
        ("", "null"),
        ("NULL", "null"),
        ("True", "true"),
        ("yes", r#""yes""#),
        ("off", r#""off""#),
        ("'true'", r#""true""#),
        ("0x1F", "31"),
        ("0o17", "15"),
        ("007", "7"),
        ("+12", "12"),
        ("-0", "0"),
        ("-0.0", "0"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("1e3", "1000.0"),
        ("-2.5E-1", "-0.25"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("1_000", r#""1_000""#),
        ("0b1", r#""0b1""#),
        ("0x", r#""0x""#),
        ("0x+1", r#""0x+1""#),
        ("+-1", r#""+-1""#),
        ("1e", r#""1e""#),
        ("0xFFFFFFFFFFFFFFFF", "18446744073709551615"),
        (".", r#"".""#),
        ("-", r#""-""#),
        ("2026-11-22", r#""2026-11-22""#),
        ("10.0.0.1", r#""10.0.0.1""#),
        ("infinity", r#""infinity""#),
        ("!!str 1", r#""1""#),
        ("! 1", r#""1""#),
        ("!!int '7'", "7"),
        ("!!float 7", "7"),
        ("!!null ''", "null"),
        ("!!seq [1]", "[1]"),
        ("|\n  a\n  b\n", r#""a\nb\n""#),
        (">-\n  a\n  b\n", r#""a b""#),
        ("\"a\\u00e9\\\n  b\"", r#""aéb""#),
    ];
    for (text, json) in cases {
        let read = super::yaml::read(&format!("a: {text}")).map(|node| node.to_value().to_json());
        let expected = format!("{{\"a\":{}}}", json);
        match text {
            // Alone it begins a list, which has no place there.
            "-" => assert!(read.is_err(), "{read:?}"),
            _ => assert_eq!(read.unwrap_or_else(|error| panic!("{text}: {error}")), expected, "{text}"),
        }
    }
}

#[test]
fn scalars_that_are_nothing_in_json_are_refused() {
    let refused = [
        ("a: !Sub x", "the tag `!Sub` means nothing here"),
        ("a: !!binary aGk=", "the tag `!!binary` means nothing here"),
        ("a: !!int x", "`x` is not what the tag `!!int` says it is"),
        ("a: !!map [1]", "the tag `!!map` means nothing here"),
        ("a: -.inf", "`-.inf` is no number that JSON has"),
        ("a: 0x10000000000000000", "`0x10000000000000000` is no number that JSON has"),
        ("a: 1e400", "`1e400` is no number that JSON has"),
        ("~: x", "a key must be a string"),
        ("? {a: 1}\n: x", "a key must be a string"),
        ("a: [1]]", "unexpected"),
        ("<<: 7", "`<<` merges objects, found a number"),
    ];
    for (text, message) in refused {
        let error = super::yaml::read(text).expect_err(text);
        assert!(error.message.starts_with(message) || message == "unexpected", "{text}: {error}");
        assert!(error.span.is_some(), "{text}: {error}");
    }
}

#[test]
fn aliases_and_merges_mean_what_they_repeat() {
    let cases = [
        ("a: &x 1\nb: *x", r#"{"a":1,"b":1}"#),
        ("&k a: 1\nb: *k", r#"{"a":1,"b":"a"}"#),
        (
            "a: &x {p: &y [1, 2], q: *y}\nb: *x\nc: *y",
            r#"{"a":{"p":[1,2],"q":[1,2]},"b":{"p":[1,2],"q":[1,2]},"c":[1,2]}"#,
        ),
        ("a: &x 1\nb: &x 2\nc: *x", r#"{"a":1,"b":2,"c":2}"#),
        ("a: &x {p: 1, q: 1}\nb: {r: 3, <<: *x, q: 2}", r#"{"a":{"p":1,"q":1},"b":{"r":3,"p":1,"q":2}}"#),
        ("a: {<<: [{p: 1}, {p: 2, q: 2}], z: 0}", r#"{"a":{"p":1,"q":2,"z":0}}"#),
        ("a: {'<<': {p: 1}}", r#"{"a":{"<<":{"p":1}}}"#),
        ("{\"<<\": {\"p\": 1}}", r#"{"<<":{"p":1}}"#),
        ("007: a\n1.10: b\ntrue: c", r#"{"007":"a","1.10":"b","true":"c"}"#),
        ("%YAML 1.2\n---\na: 1\n...\n", r#"{"a":1}"#),
        ("\u{feff}a: 1", r#"{"a":1}"#),
        ("# nothing", "null"),
    ];
    for (text, json) in cases {
        assert_eq!(
            parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_value().to_json(),
            json,
            "{text}"
        );
    }
}

/// A node with all of its places, for comparing.
fn shown(node: &Node) -> String {
    let members = match &node.content {
        Content::Mapping(mapping) => mapping
            .entries
            .iter()
            .map(|entry| format!("{:?}@{:?}:{}", entry.key.name, entry.key.span, shown(&entry.value)))
            .collect(),
        Content::Sequence(items) => items.iter().map(shown).collect(),
        scalar => vec![format!("{scalar:?}")],
    };
    format!("{:?} {:?}", node.span, members)
}

#[test]
fn json_has_the_values_and_places_that_it_has_as_yaml() {
    let texts = [
        r#"{"a": [1, -2.50, true, null, "x\u00e9y\n"], "b" : {"c":{}, "d": [ ], "": "é"}, "e":1e3}"#,
        "  {\n\t\"ä\": [\r\n1,2 ],\n\"b\" :12345678901234567890, \"b\": -0 }  \n",
        "[]",
        "\"x\"",
        " -1.5e-3 ",
        "[[[{\"deep\": [false]}]]]",
    ];
    for text in texts {
        let json = super::json::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(shown(&json), shown(&super::yaml::read(text).unwrap()), "{text}");
    }
}

#[test]
fn what_is_no_plain_json_is_left_to_yaml() {
    let deep = "[".repeat(101) + &"]".repeat(101);
    let many = format!("[{}1]", "1,".repeat(250_000));
    let texts = [
        "",
        "a: 1",
        "[1,]",
        "{\"a\":1,}",
        "{'a':1}",
        "[1] x",
        "{\"a\" 1}",
        "\"a\nb\"",
        "[1e999]",
        "[01]",
        "[-]",
        "tru",
        "\u{feff}{}",
        "[1\r2]",
        "\"\\ud800\"",
        "{\"a\":1",
        "nul",
        &deep,
        &many,
    ];
    for text in texts {
        assert!(super::json::parse(text).is_none(), "{}", text.chars().take(20).collect::<String>());
    }
}
