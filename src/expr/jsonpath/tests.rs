use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::value::tests::any_value;

const DOCUMENT: &str = r#"{
    "detail-type": "order", "a.b": "dotted", "café": 1, "it's": "quoted", "_x1": 2, "a\"b": 3, "0": "zero",
    "nothing": null, "no": [], "word": "hello", "@id": 9, "xml:lang": "en", "list": [0, 1, 2, 3, 4],
    "store": {
        "book": [
            {"category": "reference", "author": "Rees", "price": 8.95, "tags": ["a", "b"]},
            {"category": "fiction", "author": "Waugh", "price": 12.99, "tags": []},
            {"category": "fiction", "author": "Melville", "isbn": "0-553", "price": 8.99},
            {"category": "fiction", "author": "Tolkien", "isbn": "0-395", "price": 22.99, "sold": null}
        ],
        "bicycle": {"color": "red", "price": 19.95}
    },
    "limit": 10, "words": ["a_1", "é", "a b/c"],
    "mixed": [1, "1", true, null, [1], {"k": 1}]
}"#;

fn parse(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).1
}

fn select(text: &str, document: &str) -> Result<Option<Value>, Error> {
    parse(text).select(Some(&Value::parse(document).unwrap()), Missing::Error)
}

#[track_caller]
fn check(document: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let value = select(text, document).unwrap_or_else(|error| panic!("{text}: {error}")).unwrap();
        assert_eq!(value.to_json(), *expected, "{text}");
    }
}

#[test]
fn definite_paths_give_the_value() {
    check(
        DOCUMENT,
        &[
            ("$.detail-type", r#""order""#),
            (r"$.a\.b", r#""dotted""#),
            (r"$.\wo\rd", r#""hello""#),
            (r"$.caf\u00e9", "1"),
            ("$.café", "1"),
            ("$._x1", "2"),
            ("$.0", r#""zero""#),
            ("$.xml:lang", r#""en""#),
            (r"$.\@id", "9"),
            ("$['detail-type']", r#""order""#),
            ("$[\"a.b\"]", r#""dotted""#),
            (r"$['it\'s']", r#""quoted""#),
            ("$[\"it's\"]", r#""quoted""#),
            (r#"$['a\"b']"#, "3"),
            ("$.nothing", "null"),
            ("$.store.book[0].author", r#""Rees""#),
            ("$.store['book'][-1].author", r#""Tolkien""#),
            ("$.store.book.[1].author", r#""Waugh""#),
            ("$.store.['book'][ 2 ]['author']", r#""Melville""#),
            ("$.list", "[0,1,2,3,4]"),
        ],
    );
    check("[[1,2],[3]]", &[("$[0][1]", "2"), ("$", "[[1,2],[3]]"), ("$.[1].[0]", "3")]);
    check("7", &[("$", "7")]);
}

#[test]
fn indefinite_paths_give_all_matches() {
    check(
        DOCUMENT,
        &[
            ("$.store.book[*].author", r#"["Rees","Waugh","Melville","Tolkien"]"#),
            ("$.store.book.*.isbn", r#"["0-553","0-395"]"#),
            ("$.store.*.color", r#"["red"]"#),
            ("$..author", r#"["Rees","Waugh","Melville","Tolkien"]"#),
            ("$.store..price", "[8.95,12.99,8.99,22.99,19.95]"),
            ("$..book[2].author", r#"["Melville"]"#),
            ("$..['color']", r#"["red"]"#),
            ("$..tags[0]", r#"["a"]"#),
            ("$.store.book[0,2].author", r#"["Rees","Melville"]"#),
            ("$.store.book[0]['author', 'price']", r#"["Rees",8.95]"#),
            ("$.list[1:3]", "[1,2]"),
            ("$.list[:2]", "[0,1]"),
            ("$.list[3:]", "[3,4]"),
            ("$.list[-2:]", "[3,4]"),
            ("$.list[:-3]", "[0,1]"),
            ("$.list[-9:2]", "[0,1]"),
            ("$.list[:]", "[0,1,2,3,4]"),
            ("$.list[::2]", "[0,2,4]"),
            ("$.list[4:1:-2]", "[4,2]"),
            ("$.list[::-1]", "[4,3,2,1,0]"),
            ("$.list[::0]", "[]"),
            ("$.list[3:1]", "[]"),
            ("$.list[2:99999999999]", "[2,3,4]"),
            ("$.list[-9223372036854775808:9223372036854775807:9223372036854775807]", "[0]"),
            ("$.list[9,0,-1]", "[0,4]"),
            ("$.no[*]", "[]"),
            ("$.missing[*]", "[]"),
            ("$.missing.deeper[1:].x", "[]"),
            ("$.word[*]", "[]"),
            ("$..missing", "[]"),
            ("$.limit..x", "[]"),
        ],
    );
    check("{}", &[("$[*]", "[]"), ("$.items[*]", "[]"), ("$.items[1:]", "[]")]);
    check("{}", &[("$.item.items[:1].itemValue", "[]"), ("$..*", "[]")]);
    let nested = r#"{"a":{"b":[1,{"c":2}]},"d":[[3]]}"#;
    check(
        nested,
        &[
            ("$..*", r#"[{"b":[1,{"c":2}]},[[3]],[1,{"c":2}],1,{"c":2},2,[3],3]"#),
            ("$..[0]", "[1,[3],3]"),
            ("$.*", r#"[{"b":[1,{"c":2}]},[[3]]]"#),
        ],
    );
}

/// Tests of books, and the authors of those for which they hold.
const FILTERS: &[(&str, &str)] = &[
    ("@.category == 'fiction' && @.price < 10", "Melville"),
    ("@.category=='reference'||@.price>20", "Rees Tolkien"),
    ("@.isbn", "Melville Tolkien"),
    ("!@.isbn", "Rees Waugh"),
    ("!(@.isbn) && !(@.price < 10)", "Waugh"),
    ("@.sold", "Tolkien"),
    ("@.sold == null", "Tolkien"),
    ("@['price'] <= 8.95", "Rees"),
    ("@.price < $.limit", "Rees Melville"),
    ("8.99 == @.price", "Melville"),
    ("@.author == \"Rees\"", "Rees"),
    ("@.author == Waugh", "Waugh"),
    ("@.isbn != '0-553'", "Rees Waugh Tolkien"),
    ("@.author =~ /.*o.*/", "Tolkien"),
    ("@.author =~ /tol.*/i", "Tolkien"),
    ("@.author =~ /tol/i", ""),
    ("@.isbn =~ /\\d-\\d{3}/", "Melville Tolkien"),
    (r"@.author =~ /^\w+@\w+\.\w{2,4}$/", ""),
    ("@.author in ['Rees', 'Tolkien']", "Rees Tolkien"),
    ("@.author nin ['Rees', 'Tolkien']", "Waugh Melville"),
    ("@.isbn NIN ['0-553']", "Rees Waugh Tolkien"),
    ("@.tags contains 'a'", "Rees"),
    ("@.author contains 'ee'", "Rees"),
    ("@.tags size 2", "Rees"),
    ("@.author size 5", "Waugh"),
    ("@.tags empty true", "Waugh"),
    ("@.tags empty false", "Rees"),
    ("@.tags subsetof ['b', 'a', 'c']", "Rees Waugh"),
    ("@.tags anyof ['b', 'x']", "Rees"),
    ("@.tags noneof ['b', 'x']", "Waugh"),
    ("@.tags all ['a', 'b']", "Rees"),
    ("@.tags[0] == 'a'", "Rees"),
    ("@.tags[?(@ == 'b')]", "Rees"),
    ("@.tags.length() == 2", "Rees"),
    ("@.price == $.store.book[*].price.max()", "Tolkien"),
    ("@.price >= -1.5e1 && (@.tags || @.sold)", "Rees Waugh Tolkien"),
    ("@.missing < 3", ""),
    ("@.missing == @.absent", ""),
    ("@.category < 3", ""),
    ("true", "Rees Waugh Melville Tolkien"),
    ("false", ""),
    ("@", "Rees Waugh Melville Tolkien"),
];

#[test]
fn filters_keep_what_their_test_holds_for() {
    for (filter, expected) in FILTERS {
        let expected: Value = expected.split_whitespace().map(Value::from).collect();
        for text in
            [format!("$.store.book[?({filter})].author"), format!("$.store.book.[ ?( {filter} ) ].author")]
        {
            let found = select(&text, DOCUMENT).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found.unwrap().to_json(), expected.to_json(), "{text}");
        }
    }
    check(
        DOCUMENT,
        &[
            ("$.store.bicycle[?(@.color == 'red')].price", "[19.95]"),
            ("$.word[?(@.x)]", "[]"),
            ("$..[?(@.isbn == '0-553')].author", r#"["Melville"]"#),
            ("$.list[?(@ > 2)]", "[3,4]"),
            ("$..list[?(@ > 2)]", "[3,4]"),
            // A number is the text that writes it, as in Jayway.
            ("$.mixed[?(@ == 1)]", r#"[1,"1"]"#),
            ("$.mixed[?(@ == [1])]", "[[1]]"),
            ("$.mixed[?(@ == null)]", "[null]"),
            ("$.mixed[?(@ == true)]", "[true]"),
            (r"$.mixed[?(@ =~ /[\d\s]/)]", r#"["1"]"#),
            (r"$.words[?(@ =~ /\w+/)]", r#"["a_1"]"#),
            (r"$.words[?(@ =~ /\w+/U)]", r#"["a_1","é"]"#),
            (r"$.words[?(@ =~ /\S+\sb\/c/)]", r#"["a b/c"]"#),
            (r"$.words[?(@ =~ /.*\bb.*/)]", r#"["a b/c"]"#),
            (r"$.words[?(@ =~ /A .*  # text\n/xi)]", r#"["a_1","a b/c"]"#),
        ],
    );
}

#[test]
fn functions_make_one_value() {
    check(
        DOCUMENT,
        &[
            ("$.list.length()", "5"),
            ("$.store.length()", "2"),
            ("$.word.length()", "5"),
            ("$..book.length()", "1"),
            ("$.list.size()", "5"),
            ("$.list.min()", "0"),
            ("$..price.max()", "22.99"),
            ("$.list.sum()", "10"),
            ("$.list.sum($.limit, 0.5)", "20.5"),
            ("$.list.avg()", "2"),
            ("$.list[1:3].stddev()", "0.5"),
            ("$.store.bicycle.keys()", r#"["color","price"]"#),
            ("$.store.book[0].tags.concat('-', $.word)", r#""ab-hello""#),
            ("$.store.book[0].tags.append('c')", r#"["a","b","c"]"#),
            ("$.list.first()", "0"),
            ("$.list.last()", "4"),
            ("$.list.index(-2)", "3"),
            ("$.sum($.list, 1)", "11"),
        ],
    );
    for text in
        ["$.no.min()", "$.nothing.length()", "$.missing.keys()", "$.list.index(9)", "$.missing.length()"]
    {
        assert_eq!(select(text, DOCUMENT).unwrap_err().kind, ErrorKind::Path, "{text}");
    }
}

#[test]
fn a_definite_path_that_leads_nowhere_names_itself() {
    let input = Value::parse(r#"{"a": [1], "s": "x"}"#).unwrap();
    for text in ["$.x", "$.x.y", "$.a[1]", "$.a[-2]", "$.a.b", "$.s[0]", "$.s.t"] {
        let path = parse(text).of_field("value.$");
        assert_eq!(path.select(Some(&input), Missing::Null), Ok(Some(Value::Null)), "{text}");
        assert_eq!(path.select(Some(&input), Missing::Undefined), Ok(None), "{text}");
        let error = path.select(Some(&input), Missing::Error).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Path);
        assert_eq!(
            error.message,
            format!(
                "The JSONPath '{text}' specified for the field 'value.$' could not be found in the input \
                 '{{\"a\":[1],\"s\":\"x\"}}'"
            )
        );
    }
    let large = Value::from("x".repeat(1_000_000));
    let error = parse("$.x").select(Some(&large), Missing::Error).unwrap_err();
    assert!(error.message.starts_with("The JSONPath '$.x' could not be found"), "{error}");
    assert!(error.message.len() < 1000, "{error}");
    let unset = parse("$name.x").select(None, Missing::Error).unwrap_err();
    assert_eq!(unset.message, "The JSONPath '$name.x' could not be found");
    assert_eq!(parse("$name[*]").select(None, Missing::Undefined), Ok(None));
}

#[test]
fn heads_and_names_are_known() {
    let cases = [
        ("$", Head::Input, Some(vec![])),
        ("$.a['b c']", Head::Input, Some(vec!["a", "b c"])),
        ("$$", Head::Context, Some(vec![])),
        ("$$.Map.Item.Value", Head::Context, Some(vec!["Map", "Item", "Value"])),
        ("$$['Execution'].Id", Head::Context, Some(vec!["Execution", "Id"])),
        ("$order_2.a", Head::Variable("order_2".into()), Some(vec!["a"])),
        ("$été[0]", Head::Variable("été".into()), None),
        ("$.a[*]", Head::Input, None),
        ("$.a.length()", Head::Input, None),
    ];
    for (text, head, names) in cases {
        let (found, path) = Path::parse(text).unwrap();
        assert_eq!(found, head, "{text}");
        assert_eq!(path.text().as_ref(), text);
        let names: Option<Vec<Str>> = names.map(|names| names.into_iter().map(Str::from).collect());
        assert_eq!(path.names(), names, "{text}");
    }
}

#[test]
fn reference_paths_name_one_place() {
    let good = [
        "$",
        "$.store.book",
        r"$.store\.book",
        r"$.\stor\e.boo\k",
        r"$.foo\@bar.baz\[\[.\?pretty",
        r"$.&Ж中.\uD800\uDF46",
        "$.ledgers.branch[0].pending.count",
        "$.ledgers[0][22].foo",
        "$['store'][0]['book, or:not']",
    ];
    for text in good {
        assert!(parse(text).reference().is_some() && parse(text).is_definite(), "{text}");
    }
    let definite = ["$.a:b", "$.@a", "$.a.length()"];
    let indefinite = ["$.a[*]", "$..a", "$.a[0,1]", "$['a','b']", "$.a[1:2]", "$.a[?(@.b)]", "$.*"];
    for text in definite.iter().chain(&indefinite) {
        assert_eq!(parse(text).reference(), None, "{text}");
        assert_eq!(parse(text).is_definite(), definite.contains(text), "{text}");
    }
    let steps = parse(r"$.&Ж中.\uD800\uDF46[3]").reference().unwrap();
    let expected =
        [PathStep::Member("&Ж中".into()), PathStep::Member("\u{10346}".into()), PathStep::Element(3)];
    assert_eq!(steps, expected);
}

#[test]
fn syntax_errors_say_where_and_what() {
    let deep = format!("$[?({}@.a", "(".repeat(10_000));
    let filters = format!("$[?(@{}", "[?(@".repeat(3_000));
    let lists = format!("$[?(@ in {}", "[".repeat(10_000));
    let calls = format!("$.a.sum({}", "$.b.sum(".repeat(1_000));
    let long = format!("${}", ".a".repeat(PATH_BYTES_MAX));
    let cases = [
        ("", 0, "expected `$`, found the end"),
        ("a.b", 0, "expected `$`, found `a`"),
        (" $.a", 0, "expected `$`, found ` `"),
        ("$.", 2, "expected a name"),
        ("$..", 3, "expected a name"),
        ("$.a.", 4, "expected a name"),
        ("$.a b", 3, "end of the path"),
        ("$.a ", 3, "end of the path"),
        ("$.a,b", 3, "end of the path"),
        ("$1", 1, "begins with a letter"),
        ("$a-b", 2, "end of the path"),
        ("$.a[", 4, "expected a position"),
        ("$.a[]", 4, "expected a position"),
        ("$.a[b]", 4, "expected a position"),
        ("$.a[0", 5, "expected `]`, found the end"),
        ("$.a[0,]", 6, "expected a position"),
        ("$.a[-]", 4, "`-` is no position"),
        ("$.a[99999999999999999999]", 4, "is no position"),
        ("$['a", 2, "not closed"),
        ("$['a',0]", 6, "expected a quoted name"),
        ("$.a\\", 4, "a character after `\\`"),
        ("$.a.nope()", 4, "no function `nope()`"),
        ("$.a.length().b", 12, "end of the path"),
        ("$.a.sum(1", 9, "`,` or `)`"),
        ("$[?@.a]", 3, "expected `(`"),
        ("$[?(@.a ==)]", 10, "expected `@`"),
        ("$[?(@.a == 'x]", 11, "not closed"),
        ("$[?(@.a == 1]", 12, "expected `)`"),
        ("$[?(@.a foo 1)]", 8, "`foo` is no operator"),
        ("$[?('a')]", 7, "expected an operator"),
        ("$[?(@.a =~ 'x')]", 14, "`=~` compares with a regular expression"),
        ("$[?(@.a == /x/)]", 14, "`=~` compares with a regular expression"),
        ("$[?(@.a =~ /(/)]", 11, "no regular expression"),
        ("$[?(@.a =~ /)(/)]", 11, "no regular expression"),
        ("$[?(@.a =~ /x/q)]", 11, "no flag `q`"),
        (r"$[?(@.a =~ /(\w{90}){900}/)]", 11, "no regular expression"),
        (&deep, 24, "nested more than 20"),
        (&filters, 84, "nested more than 20"),
        (&lists, 28, "nested more than 20"),
        (&calls, 168, "nested more than 20"),
        (&long, 0, "at most 16384 are allowed"),
    ];
    for (text, offset, expected) in cases {
        let error = Path::parse(text).unwrap_err();
        assert!(error.message.contains(expected), "{text:.40}: {error:?}");
        assert_eq!(error.offset, offset, "{text:.40}: {error:?}");
    }
}

#[test]
fn what_a_path_costs_is_bounded() {
    let mut nested = String::from("1");
    for _ in 0..60 {
        nested = format!("{{\"a\":{nested},\"b\":[1,2,3]}}");
    }
    let many: Value = (0..60_000_i64).map(Value::from).collect();
    let text = Value::parse(&format!("[[{:?}],{many}]", "a".repeat(200_000))).unwrap();
    let cases = [
        ("$..a..a..a..a..a..a", Value::parse(&nested).unwrap()),
        ("$..*..*..*..*..*", Value::parse(&nested).unwrap()),
        ("$[?(@ in $[?(@ > 0)])]", many.clone()),
        ("$[1][?($[0][0] =~ /(a*)*b/)]", text.clone()),
        ("$[1][?($[0][0] contains 'b')]", text.clone()),
        ("$[?($[*].sum() > 0)]", many),
        ("$[1][?($[0][0].length() == @)]", text.clone()),
        ("$[1][?($[0][0] == $[0][0] && $[0][0] != 'b')]", text.clone()),
        ("$[1][?($[0][0,0,0,0,0,0,0,0,0,0] == @)]", text.clone()),
        ("$[1][?($[0].append($[0][0]) == @)]", text),
    ];
    for (path, value) in cases {
        let error = parse(path).select(Some(&value), Missing::Error).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{path}");
        assert!(error.message.contains(path), "{error}");
    }
}

/// A path to every leaf of a value, in quoted names and positions, with what stands there.
fn leaves(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| leaves(item, &format!("{path}[{at}]"), out));
        }
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            leaves(member, &format!("{path}[{}]", Value::String(name.clone()).to_json()), out);
        }),
        _ => out.push((path.to_owned(), value.clone())),
    }
}

proptest! {
    #[test]
    fn every_leaf_has_a_path(value in any_value()) {
        let mut all = Vec::new();
        leaves(&value, "$", &mut all);
        for (text, leaf) in all {
            prop_assert_eq!(parse(&text).select(Some(&value), Missing::Error), Ok(Some(leaf)), "{}", text);
        }
    }

    #[test]
    fn escaped_names_lead_to_their_member(name in ".{1,12}", value in any::<i64>()) {
        let mut text = String::from("$.");
        for c in name.chars() {
            // Behind a backslash `u` and hexadecimal digits would be another character.
            let _ = if c == 'u' { write!(text, "u") } else { write!(text, "\\{c}") };
        }
        let object = Value::Object([(name, Value::from(value))].into_iter().collect());
        prop_assert_eq!(parse(&text).select(Some(&object), Missing::Error), Ok(Some(Value::from(value))));
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in "[$@.*\\[\\]?()'\"a0,:!&|=<>~/\\\\ -]{0,40}", value in any_value()) {
        for text in [format!("${text}"), format!("$[?({text})]"), text] {
            if let Ok((_, path)) = Path::parse(&text) {
                let found = path.select(Some(&value), Missing::Null);
                if !path.is_definite() {
                    prop_assert!(found.unwrap().unwrap().as_array().is_some());
                }
            }
        }
    }
}
