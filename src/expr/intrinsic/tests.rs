use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::expr::{ErrorKind, Missing, Root, jsonpath};

struct Fixed {
    input: Value,
    draws: Cell<u8>,
}

impl Scope for Fixed {
    fn get(&self, root: &Root) -> Option<Value> {
        (*root == Root::Input).then(|| self.input.clone())
    }

    fn draw(&self) -> [u8; 16] {
        self.draws.set(self.draws.get() + 1);
        [self.draws.get(); 16]
    }
}

const INPUT: &str = r#"{"name": "Arnav", "template": "Hi {}, \\{ok\\}", "object": {"Arg1": 1, "Arg2": []},
    "deep": {"a": {"x": 1, "y": [1, {"k": null}]}, "b": 2}, "other": {"a": {"x": 9}, "c": 3},
    "list": [1, "a", {"k": [1.0]}, 1, "a"], "n": 2, "a,b)": "odd", "long": "LONG"}"#;

fn read(text: &str) -> Result<Expr, SyntaxError> {
    parse(text, &|path| {
        let (_, path) = jsonpath::Path::parse(path)?;
        Ok(Expr::Query {
            from: Box::new(Expr::Root(Root::Input)),
            path: path.into(),
            missing: Missing::Error,
        })
    })
}

fn eval(text: &str) -> Result<Value, Error> {
    let mut input = Value::parse(INPUT).unwrap().as_object().unwrap().clone();
    input = input.with("long", Value::from("x".repeat(10_001)));
    let scope = Fixed { input: input.into(), draws: Cell::new(0) };
    read(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).eval(&scope).map(Option::unwrap)
}

/// Calls and what they give.
const VALUES: &[(&str, &str)] = &[
    ("States.Format('Hello, my name is {}.', $.name)", r#""Hello, my name is Arnav.""#),
    ("States.Format('{}{} {}', 1, 1.5, null)", r#""11.5 null""#),
    ("States.Format('{}', $.object)", r#""{Arg1=1, Arg2=[]}""#),
    ("States.Format('{}', $.deep)", r#""{a={x=1, y=[1, {k=null}]}, b=2}""#),
    ("States.Format('{}', true)", r#""true""#),
    (r"States.Format('\{\} {} \'\\', 'x')", r#""{} x '\\""#),
    ("States.Format('{a} {')", r#""{a} {""#),
    ("States.Format($.template, 'you')", r#""Hi you, \\{ok\\}""#),
    ("States.Format('')", r#""""#),
    ("States.Format('a\nb')", r#""a\nb""#),
    (r#"States.StringToJson('\{"number":20\}')"#, r#"{"number":20}"#),
    (r#"States.StringToJson('{"a": {}}')"#, r#"{"a":{}}"#),
    ("States.StringToJson('')", "null"),
    ("States.StringToJson(' ')", "null"),
    ("States.StringToJson('-0')", "0"),
    ("States.JsonToString($.object)", r#""{\"Arg1\":1,\"Arg2\":[]}""#),
    ("States.JsonToString('a')", r#""\"a\"""#),
    ("States.Array()", "[]"),
    ("States.Array( 'Foo' , 2020,$.object,null )", r#"["Foo",2020,{"Arg1":1,"Arg2":[]},null]"#),
    ("States.Array($['a,b)'], $.list[?(@ == 'a')])", r#"["odd",["a","a"]]"#),
    ("States.Array($.list.length(), -1.5e1)", "[5,-15.0]"),
    ("States.ArrayPartition(States.ArrayRange(1, 9, 1), 4)", "[[1,2,3,4],[5,6,7,8],[9]]"),
    ("States.ArrayPartition(States.Array(), 4)", "[]"),
    ("States.ArrayContains($.list, 'a')", "true"),
    ("States.ArrayContains($.list, States.StringToJson('{\"k\":[1]}'))", "true"),
    ("States.ArrayContains($.list, null)", "false"),
    ("States.ArrayRange(1, 9, 2)", "[1,3,5,7,9]"),
    ("States.ArrayRange(1, 8, 2)", "[1,3,5,7]"),
    ("States.ArrayRange(1, 9, 9)", "[1]"),
    ("States.ArrayRange(9, 1, -4)", "[9,5,1]"),
    ("States.ArrayRange(9, 1, 1)", "[]"),
    ("States.ArrayGetItem($.list, 1)", r#""a""#),
    ("States.ArrayLength($.list)", "5"),
    ("States.ArrayUnique($.list)", r#"[1,"a",{"k":[1.0]}]"#),
    ("States.ArrayUnique(States.Array(1, 1.0, '1'))", r#"[1,"1"]"#),
    ("States.Base64Encode('Data to encode')", r#""RGF0YSB0byBlbmNvZGU=""#),
    ("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", r#""Data to encode""#),
    ("States.Hash('input data', 'SHA-1')", r#""aaff4a450a104cd177d28d18d74485e8cae074b7""#),
    ("States.Hash('abc', 'MD5')", r#""900150983cd24fb0d6963f7d28e17f72""#),
    ("States.JsonMerge($.deep, $.other, false)", r#"{"a":{"x":9},"b":2,"c":3}"#),
    ("States.JsonMerge($.deep, $.other, true)", r#"{"a":{"x":9,"y":[1,{"k":null}]},"b":2,"c":3}"#),
    ("States.MathRandom(5, 6)", "5"),
    ("States.MathRandom(5.2, 6.1, 3)", "5"),
    ("States.MathAdd(111, -1)", "110"),
    ("States.MathAdd(1.49, 1.5)", "3"),
    ("States.MathAdd(-1.5, 0)", "-1"),
    ("States.MathAdd(-2.5, 0)", "-2"),
    ("States.MathAdd(2.5, 0)", "3"),
    ("States.MathAdd(-0.5, 0.5)", "1"),
    ("States.MathAdd(0.49999999999999994, 0)", "0"),
    ("States.MathAdd(9007199254740993, 0)", "9007199254740993"),
    ("States.StringSplit('1,2,3,4,5', ',')", r#"["1","2","3","4","5"]"#),
    ("States.StringSplit(',,,,', ',')", "[]"),
    ("States.StringSplit(', , ,', ',')", r#"[" "," "]"#),
    ("States.StringSplit('This.is+a,test=string', '.+,=')", r#"["This","is","a","test","string"]"#),
    ("States.StringSplit(' ', ',')", r#"[" "]"#),
    ("States.StringSplit('ab', '')", r#"["ab"]"#),
    ("States.UUID()", r#""01010101-0101-4101-8101-010101010101""#),
];

#[test]
fn functions_have_the_values_of_the_reference() {
    for (text, expected) in VALUES {
        let value = eval(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value.to_json(), *expected, "{text}");
    }
    // What is no text is hashed as its compact JSON.
    let of_text = eval(r#"States.Hash('\{"Arg1":1,"Arg2":[]\}', 'MD5')"#);
    assert_eq!(eval("States.Hash($.object, 'MD5')"), of_text);
    for (algorithm, digits) in [("SHA-256", 64), ("SHA-384", 96), ("SHA-512", 128)] {
        let digest = eval(&format!("States.Hash(1, '{algorithm}')")).unwrap();
        assert_eq!(digest.as_str().unwrap().len(), digits);
    }
}

#[test]
fn functions_name_the_argument_they_refuse() {
    let cases = [
        ("States.Format('{} {}', 1)", "`States.Format`: the template has 2 `{}`"),
        ("States.Format('x', 1)", "the template has 0 `{}`"),
        ("States.Format($.n)", "argument 1 must be a string, found number `2`"),
        ("States.Format($.list)", "argument 1 must be a string, found array"),
        ("States.StringToJson('{')", "argument 1 must be JSON text, found `\"{\"`"),
        ("States.StringToJson(1)", "`States.StringToJson`: argument 1 must be a string, found number `1`"),
        ("States.ArrayPartition($.list, 0)", "argument 2 must be a positive integer, found number `0`"),
        ("States.ArrayPartition($.list, 1.5)", "argument 2 must be an integer"),
        ("States.ArrayContains('a', 'a')", "argument 1 must be an array, found string"),
        ("States.ArrayRange(0, 1000, 1)", "at most 1000 elements, found 1001"),
        ("States.ArrayRange(-9223372036854775808, 9223372036854775807, 1)", "at most 1000 elements"),
        ("States.ArrayRange(0, 1, 0)", "argument 3 must be an integer other than 0"),
        ("States.ArrayRange('0', 1, 1)", "argument 1 must be a number, found string"),
        ("States.ArrayGetItem($.list, 5)", "argument 2 must be a position in the array of 5 elements"),
        ("States.ArrayGetItem($.list, -1)", "argument 2 must be a position"),
        ("States.ArrayLength($.object)", "argument 1 must be an array, found object"),
        ("States.Base64Encode($.long)", "at most 10000 characters, found 10001"),
        ("States.Base64Decode('!')", "argument 1 must be Base64"),
        ("States.Hash($.long, 'MD5')", "at most 10000 characters, found 10001"),
        ("States.Hash('a', 'SHA-3')", "argument 2 must be `MD5`, `SHA-1`"),
        ("States.JsonMerge($.object, 1, false)", "argument 2 must be an object"),
        ("States.JsonMerge($.object, $.object, 'x')", "argument 3 must be `true` or `false`"),
        ("States.MathRandom(3, 3)", "argument 2 must be a number greater than argument 1, which is 3"),
        ("States.MathAdd(9223372036854775807, 1)", "does not fit into 64 bits"),
        ("States.MathAdd(1e300, 1)", "argument 1 must be a number of at most 64 bits"),
        ("States.MathAdd(1, '1')", "argument 2 must be a number, found string `\"1\"`"),
        ("States.StringSplit(1, ',')", "argument 1 must be a string"),
    ];
    for (text, expected) in cases {
        let error = eval(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Function, "{text}");
        assert!(error.message.contains(expected), "{text}: {error}");
    }
    assert_eq!(eval("States.Array($.missing)").unwrap_err().kind, ErrorKind::Path);
    let large = "States.JsonToString(".to_owned()
        + &"States.Array(".repeat(8)
        + &vec!["$.long"; 200].join(",")
        + &")".repeat(9);
    assert_eq!(eval(&large).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn syntax_errors_say_where_and_what() {
    let ten = "States.Array(".repeat(10) + &")".repeat(10);
    assert!(read(&ten).is_ok());
    let eleven = "States.Array(".repeat(11) + &")".repeat(11);
    let deep = "States.Array(".repeat(100_000);
    let cases = [
        ("", 0, "expected a call such as"),
        (" States.UUID()", 0, "expected a call such as"),
        ("States.UUID ()", 11, "expected `(`, found ` `"),
        ("States.UUID", 11, "expected `(`, found the end"),
        ("States.UUID() ", 13, "expected the end"),
        ("States.UUID()x", 13, "expected the end"),
        ("States.Nope()", 0, "no intrinsic function `States.Nope`"),
        ("States.Uuid()", 0, "did you mean `States.UUID`?"),
        ("States.Format of a text('a')", 13, "expected `(`"),
        ("Format('a')", 0, "no intrinsic function `Format`"),
        ("States.UUID(1)", 0, "`States.UUID` takes no arguments, found 1"),
        ("States.Format()", 0, "`States.Format` takes at least 1 argument, found 0"),
        ("States.MathRandom(1)", 0, "takes 2 or 3 arguments, found 1"),
        ("States.Array(1,)", 15, "expected an argument"),
        ("States.Array(1 2)", 15, "expected `,` or `)`"),
        ("States.Array(1", 14, "expected `,` or `)`, found the end"),
        ("States.Array('a)", 13, "not closed with `'`"),
        (r"States.Array('a\b')", 16, "behind the backslash, found `b`"),
        (r"States.Array('\", 15, "behind the backslash, found the end"),
        ("States.Array(\"a\")", 13, "expected an argument"),
        ("States.Array(1x)", 13, "`1x` is no number"),
        ("States.Array(nullx)", 13, "no intrinsic function `nullx`"),
        ("States.Array($.a[)", 17, "expected a position"),
        ("States.Array(1, $.)", 18, "expected a name"),
        (&eleven, 130, "nested more than 10"),
        (&deep, 130, "nested more than 10"),
    ];
    for (text, offset, expected) in cases {
        let error = read(text).unwrap_err();
        assert!(error.message.contains(expected), "{text:.40}: {error:?}");
        assert_eq!(error.offset, offset, "{text:.40}: {error:?}");
    }
}

proptest! {
    #[test]
    fn random_integers_stay_in_their_range(low in -1000_i64..1000, width in 1_i64..1000, seed in any::<i64>()) {
        let text = format!("States.MathRandom({low}, {}, {seed})", low + width);
        let first = eval(&text).unwrap();
        prop_assert!((low..low + width).contains(&first.as_i64().unwrap()));
        prop_assert_eq!(first, eval(&text).unwrap());
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in "[$.'{}()\\\\a0, \\[\\]?@-]{0,30}") {
        for text in [format!("States.Format({text})"), format!("States.Array('{text}', {text})"), text] {
            if read(&text).is_ok() {
                let _ = eval(&text);
            }
        }
    }
}
