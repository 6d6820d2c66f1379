use std::cell::Cell;

use super::fdl::{SyntaxErrorKind, Variables};
use super::*;

/// A scope with an input and nothing else.
struct InputOnly {
    input: Value,
    draws: Cell<u8>,
}

impl Scope for InputOnly {
    fn get(&self, root: &Root) -> Option<Value> {
        match root {
            Root::Input => Some(self.input.clone()),
            Root::ExecutionName => Some(Value::from("run-1")),
            _ => None,
        }
    }

    fn draw(&self) -> [u8; 16] {
        self.draws.set(self.draws.get() + 1);
        [self.draws.get(); 16]
    }
}

const KNOWN: &[(&str, Layout)] = &[
    ("Input", Layout::Leaf(Root::Input)),
    (
        "Context",
        Layout::Group(&[(
            "Execution",
            Layout::Group(&[
                ("Name", Layout::Leaf(Root::ExecutionName)),
                ("RoleArn", Layout::Leaf(Root::ServiceAccount)),
            ]),
        )]),
    ),
];

const INPUT: &str = r#"{"s": "ready", "n": 3, "f": 2.5, "t": true, "z": null, "list": [1, "two", {"k": "v"}],
    "rows": [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": ["b", "c"]}, {"x": 0}], "a-b": {"0": "zero", "007": "bond", "3d": "deep", "1e5": "big", "5-6": {"0x1": 1}}}"#;

fn eval(text: &str, missing: Missing) -> Result<Option<Value>, Error> {
    let scope = InputOnly { input: Value::parse(INPUT).unwrap(), draws: Cell::new(0) };
    fdl::parse(text, Variables { known: KNOWN, missing })
        .unwrap_or_else(|e| panic!("{text}: {e:?}"))
        .eval(&scope)
}

#[test]
fn expressions_have_the_values_of_the_reference() {
    // Examples of fdl.md §8.4 first, then corners.
    let cases = [
        (r#"arrayContains(["Tom",10],10)"#, "true"),
        ("arrayUnique([1,2,3,1])", "[1,2,3]"),
        (r#"format("hello {}","world")"#, r#""hello world""#),
        ("length([1,2,3])", "3"),
        (r#"length({"name":"Tom","age":10})"#, "2"),
        (r#"length("name")"#, "4"),
        (
            r#"jsonMerge({"name":"Tom","age":10},{"name":"Tom","address":"beijing"})"#,
            r#"{"name":"Tom","age":10,"address":"beijing"}"#,
        ),
        (r#"stringToJson('{"name": "Tom", "age": 10}')"#, r#"{"name":"Tom","age":10}"#),
        (r#"fromJSON('[1]')"#, "[1]"),
        (r#"fromBase64("Rm5G")"#, r#""FnF""#),
        (r#"toBase64("FnF")"#, r#""Rm5G""#),
        (r#"hash("abc","MD5")"#, r#""900150983cd24fb0d6963f7d28e17f72""#),
        (r#"hash("abc","SHA-1")"#, r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
        ("toArray(1, 'a', null)", r#"[1,"a",null]"#),
        ("split('a,b,,c', ',')", r#"["a","b","","c"]"#),
        ("regexMatchString('order-17', '^order-[0-9]+$')", "true"),
        ("mapKeys({'b': 1, 'a': 2})", r#"["b","a"]"#),
        ("mapValues({'b': 1, 'a': 2})", "[1,2]"),
        ("jsonToString({'a': [1, null]})", r#""{\"a\":[1,null]}""#),
        ("get([5, 6], 1)", "6"),
        ("get({'a': 7}, 'a')", "7"),
        ("get([5], 9)", "null"),
        ("intAdd(-1, 3)", "2"),
        ("uuid()", r#""01010101-0101-4101-8101-010101010101""#),
        ("randomInt(5, 6)", "5"),
        ("format('{}-{}', $Input.n, $Input.list)", r#""3-[1,\"two\",{\"k\":\"v\"}]""#),
        ("$Input.list[2].k", r#""v""#),
        ("$Input['list'][-1]['k']", r#""v""#),
        ("$Input.rows[*].tags[*]", r#"["a","b","c"]"#),
        ("$Input.rows[*].nothing", "[]"),
        ("$Input.a-b.0", r#""zero""#),
        ("$Input.a-b.007", r#""bond""#),
        ("$Input.a-b.3d", r#""deep""#),
        ("$Input.a-b.1e5", r#""big""#),
        ("$Input.a-b.5-6.0x1", "1"),
        ("$Input.a-b.7", "null"),
        ("$Input.list.2.k", r#""v""#),
        ("$Input.rows.1.tags.0", r#""b""#),
        ("$Input.rows[*].tags.0", r#"["a","b"]"#),
        ("$Input.list.007", "null"),
        ("[1.5, -2.5e1]", "[1.5,-25.0]"),
        ("$Context.Execution.Name", r#""run-1""#),
        ("$Context.Execution", r#"{"Name":"run-1"}"#),
        ("$Context", r#"{"Execution":{"Name":"run-1"}}"#),
        ("[1, $Input.n]", "[1,3]"),
        ("`raw \\n`", r#""raw \\n""#),
        (r#""\u0041\n""#, r#""A\n""#),
        (r#"'\ud83d\uDE00!\b\f'"#, r#""😀!\b\f""#),
        ("-$Input.n", "-3"),
        ("$Input.missing.deep", "null"),
    ];
    for (text, expected) in cases {
        let value = eval(text, Missing::Null).unwrap_or_else(|e| panic!("{text}: {e}")).unwrap();
        assert_eq!(value.to_json(), expected, "{text}");
    }
}

#[test]
fn conditions_hold_as_the_reference_says() {
    let any = "false || ".repeat(100_000) + "true";
    let cases = [
        ("$Input.s == \"ready\"", true),
        ("$Input.s == `ready`", true),
        ("$Input.s != ''", true),
        ("$Input.n != -1", true),
        ("$Input.n >= 3 && ($Input.f < 1 || $Input.t)", true),
        ("$Input.n == 3.0", true),
        ("$Input.t", true),
        ("!$Input.t", false),
        ("$Input.s", false),
        ("'two' in $Input.list", true),
        ("'k' in $Input.list[2]", true),
        ("'s' in $Input", true),
        // Ill-typed comparisons: equal false, different true, order false.
        ("$Input.s == 3", false),
        ("$Input.s != 3", true),
        ("$Input.s < 3 || $Input.s >= 3", false),
        // A missing variable makes the comparison false, whichever it is.
        ("$Input.missing == 'x'", false),
        ("$Input.missing != 'x'", false),
        ("!($Input.missing == 'x')", true),
        ("$Input.missing", false),
        ("!$Input.missing", true),
        // Under a function that needs a value and under `-` too; others take `null`.
        ("length($Input.missing) == 0", false),
        ("length($Input.missing) != 0", false),
        ("!(length($Input.missing) > 0)", true),
        ("arrayContains($Input.missing, 1)", false),
        ("regexMatchString($Input.missing, '^a')", false),
        ("intAdd(length(split($Input.missing, ',')), 1) > 0", false),
        ("get($Input.missing, 'a') == null", false),
        ("-$Input.missing < 0", false),
        ("format('{}', $Input.missing) == 'null'", true),
        ("length(toArray($Input.missing)) == 1", true),
        ("arrayContains([null], $Input.missing)", true),
        ("$Input.z == null", true),
        (&any, true),
        ("'a' < 'b' && 'b' > 'a' && 'a' <= 'a'", true),
    ];
    for (text, expected) in cases {
        let value = eval(text, Missing::Undefined).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(value == Some(Value::Bool(true)), expected, "{text}");
    }
}

#[test]
fn what_is_there_and_of_the_wrong_type_is_an_error_in_conditions_too() {
    for text in ["length($Input.z) == 0", "-$Input.s < 0", "length($Input.n) == intAdd(1, 1)"] {
        assert_eq!(eval(text, Missing::Undefined).unwrap_err().kind, ErrorKind::Function, "{text}");
    }
    let error = eval("length($Input.missing)", Missing::Null).unwrap_err();
    assert!(error.message.contains("found null"), "{error}");
    assert_eq!(eval("-$Input.missing", Missing::Null).unwrap_err().kind, ErrorKind::Function);
}

#[test]
fn a_missing_path_can_be_an_error() {
    let error = eval("$Input.missing.deep[0]", Missing::Error).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Path);
    assert!(error.message.contains(".missing.deep[0]"), "{error}");
}

#[test]
fn functions_name_the_argument_they_refuse() {
    let cases = [
        ("length(3)", "argument 1 must be an array, an object or a string, found number `3`"),
        ("format('{} {}', 1)", "2 `{}` but 1 values"),
        ("format('x', 1)", "0 `{}` but 1 values"),
        ("intAdd(1, 'x')", "argument 2 must be an integer, found string `\"x\"`"),
        ("intAdd(9223372036854775807, 1)", "does not fit into 64 bits"),
        ("hash('a', 'SHA-3')", "argument 2 must be `MD5`"),
        ("stringToJson('{')", "not valid JSON"),
        ("fromBase64('!')", "argument 1 must be Base64"),
        ("regexMatchString('a', '(')", "no regular expression"),
        ("split('a', '')", "at least one character"),
        ("randomInt(3, 3)", "is empty"),
        ("-'a'", "`-` needs a number"),
    ];
    for (text, expected) in cases {
        let error = eval(text, Missing::Null).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Function, "{text}");
        assert!(error.message.contains(expected), "{text}: {error}");
    }
}

#[test]
fn syntax_errors_say_where_and_what() {
    let deep = "(".repeat(10_000);
    let chain = "1".to_owned() + &"==1".repeat(10_000);
    let calls = "length(".repeat(11) + "1" + &")".repeat(11);
    let cases = [
        ("", 0, "expected a value, found the end"),
        ("$Input.a ==", 11, "expected a value"),
        ("$Input.", 7, "expected a name after `.`"),
        ("$Nope.a", 0, "no variable `$Nope`"),
        ("lenght(1)", 0, "no function `lenght`"),
        ("length(1, 2)", 0, "`length` takes 1 argument, found 2"),
        ("jsonMerge({})", 0, "`jsonMerge` takes 2 arguments, found 1"),
        ("uuid(1)", 0, "`uuid` takes no arguments, found 1"),
        ("format()", 0, "`format` takes at least 1 argument, found 0"),
        ("$Context.Execution.name", 19, "`$Context` has no `name` in this place"),
        ("$Context['Foo'].x", 9, "`$Context` has no `Foo` in this place"),
        ("ready", 0, "unexpected `ready`"),
        ("$Input.a == 'x", 12, "not closed"),
        ("1 2", 2, "unexpected `2` behind"),
        ("$Input.a % 2", 9, "unexpected character `%`"),
        ("$Input[1.5]", 7, "must be an integer"),
        ("'\\q'", 1, "unknown escape"),
        ("'a\\ud83d'", 2, "`\\ud83d` is no character"),
        ("'\\ud83d\\u0041'", 1, "`\\ud83d` is no character"),
        ("'\\u+041'", 1, "`\\u+041` is no character"),
        ("'\\u00", 1, "is no character"),
        ("1x", 0, "`1x` is no number"),
        ("$Input.a == .5", 12, "expected a value, found `.`"),
        ("{1: 2}", 1, "expected a key"),
        (&deep, 50, "nested more than 50 levels"),
        (&chain, 151, "more than 50 comparisons"),
        (&calls, 70, "calls nested more than 10"),
    ];
    for (text, offset, expected) in cases {
        let error = fdl::parse(text, Variables { known: KNOWN, missing: Missing::Null }).unwrap_err();
        assert!(error.message.contains(expected), "{text:.40}: {error:?}");
        assert_eq!(error.offset, offset, "{text:.40}: {error:?}");
    }
    let helps = [
        ("lenght(1)", SyntaxErrorKind::Function, Some("did you mean `length`?")),
        ("LENGTH(1)", SyntaxErrorKind::Function, Some("did you mean `length`?")),
        ("now()", SyntaxErrorKind::Function, None),
        ("$Context.Execution.name", SyntaxErrorKind::Variable, Some("did you mean `Name`?")),
        ("$Context.Foo", SyntaxErrorKind::Variable, Some("there are `Execution`")),
    ];
    for (text, kind, help) in helps {
        let error = fdl::parse(text, Variables { known: KNOWN, missing: Missing::Null }).unwrap_err();
        assert_eq!((error.kind, error.help.as_deref()), (kind, help), "{text}");
    }
}

#[test]
fn place_makes_objects_on_the_way_and_refuses_others() {
    let place = |into: &str, at: &[&str]| {
        Expr::Place {
            into: Box::new(Expr::Literal(Value::parse(into).unwrap())),
            at: at.iter().map(|name| PathStep::Member((*name).into())).collect(),
            value: Box::new(Expr::Literal(Value::from(1_i64))),
        }
        .eval(&InputOnly { input: Value::Null, draws: Cell::new(0) })
    };
    assert_eq!(
        place(r#"{"a":{"x":0}}"#, &["a", "b", "c"]).unwrap().unwrap().to_json(),
        r#"{"a":{"x":0,"b":{"c":1}}}"#
    );
    assert_eq!(place("[]", &[]).unwrap().unwrap().to_json(), "1");
    assert_eq!(place(r#"{"a":[]}"#, &["a", "b"]).unwrap_err().kind, ErrorKind::Place);
}

#[test]
fn place_replaces_elements_that_are_there() {
    let place = |into: &str, at: Vec<PathStep>| {
        let into = Box::new(Expr::Literal(Value::parse(into).unwrap()));
        Expr::Place { into, at, value: Box::new(Expr::Literal(Value::from(1_i64))) }
            .eval(&InputOnly { input: Value::Null, draws: Cell::new(0) })
    };
    let a = || PathStep::Member("a".into());
    let cases = [
        (r#"{"a":[5,6]}"#, vec![a(), PathStep::Element(0)], r#"{"a":[1,6]}"#),
        (r#"{"a":[5,6]}"#, vec![a(), PathStep::Element(-1)], r#"{"a":[5,1]}"#),
        (r#"[{"a":0,"b":2}]"#, vec![PathStep::Element(0), a()], r#"[{"a":1,"b":2}]"#),
    ];
    for (into, at, expected) in cases {
        assert_eq!(place(into, at).unwrap().unwrap().to_json(), expected, "{into}");
    }
    let refused = [
        (r#"{"a":[5,6]}"#, vec![a(), PathStep::Element(2)], "`[2]` of array `[5,6]`"),
        (r#"{"a":[5,6]}"#, vec![a(), PathStep::Element(-3)], "`[-3]` of array"),
        (r#"{}"#, vec![a(), PathStep::Element(0)], "`[0]` of nothing"),
        (r#"{"a":null}"#, vec![a(), a()], "`.a` of null"),
        (r#"{}"#, vec![PathStep::All], "`[*]` of object"),
    ];
    for (into, at, expected) in refused {
        let error = place(into, at).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Place, "{into}");
        assert!(error.message.contains(expected), "{into}: {error}");
    }
    assert_eq!(place("{}", vec![a(); 10_000]).unwrap_err().kind, ErrorKind::TooLarge);
}
