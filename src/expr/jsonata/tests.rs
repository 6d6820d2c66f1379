use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::expr::{Interrupt, interruptible};
use crate::value::Number;

/// `$states.input`, some variables, a clock that stands and draws that count.
struct Here {
    input: Value,
    draws: Cell<u8>,
    string: Option<Value>,
}

impl Scope for Here {
    fn get(&self, root: &Root) -> Option<Value> {
        match root {
            Root::Input => Some(self.input.clone()),
            Root::Now => Some(Value::from("2026-11-22T10:30:00.250Z")),
            Root::Variable(name) => match &**name {
                "x" => Some(Value::from(7_i64)),
                "sum" => Some(Value::from("a variable")),
                "string" => self.string.clone(),
                "list" => Some(Value::parse("[3,1,2]").unwrap()),
                _ => None,
            },
            _ => None,
        }
    }

    fn draw(&self) -> [u8; 16] {
        self.draws.set(self.draws.get() + 1);
        [self.draws.get(); 16]
    }
}

const INPUT: &str = r#"{"a": 41, "f": 2.5, "name": "Ann", "none": null, "yes": true, "empty": [],
    "items": [{"id": 1, "tags": ["x", "y"]}, {"id": 2, "tags": ["z"]}, {"id": 3}],
    "zebra": {"z": 1, "a": 2}}"#;

fn states() -> Expr {
    Expr::Record(vec![
        ("input".into(), Expr::Root(Root::Input)),
        ("context".into(), Expr::Record(vec![("Broken".into(), broken())])),
    ])
}

/// What fails when it is evaluated at all.
fn broken() -> Expr {
    Expr::Negate(Box::new(Expr::Literal(Value::Bool(true))))
}

fn parse(text: &str, expected: Expected) -> Result<Expression, SyntaxError> {
    Expression::parse(text, states(), "Output", expected)
}

fn eval_as(text: &str, expected: Expected) -> Result<Value, Error> {
    let scope = Here { input: Value::parse(INPUT).unwrap(), draws: Cell::new(0), string: None };
    parse(text, expected).unwrap_or_else(|e| panic!("{text}: {e:?}")).eval(&scope)
}

fn eval(text: &str) -> Result<Value, Error> {
    eval_as(text, Expected::Any)
}

fn assert_values(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, expected)| {
            let found = eval(text).map_or_else(|error| error.message, |value| value.to_json());
            (found != *expected).then(|| format!("{text}\n  gives   {found}\n  and not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn expressions_have_the_values_of_the_language() {
    assert_values(&[
        ("1", "1"),
        (" $states.input.a + 1 ", "42"),
        ("$states.input.f", "2.5"),
        ("$states.input.a / 2", "20.5"),
        ("$states.input.a * 2.0", "82"),
        ("2 + 2 = 4", "true"),
        ("null", "null"),
        ("$states.input.none", "null"),
        ("$states.input.items.id", "[1,2,3]"),
        ("$states.input.items[id = 2].tags", r#"["z"]"#),
        ("$states.input.items[id = 2].tags[0]", r#""z""#),
        ("$states.input.items[id > 1].tags[]", r#"["z"]"#),
        ("[$states.input.items[0].id]", "[1]"),
        ("$states.input.empty", "[]"),
        ("$states.input.zebra", r#"{"z":1,"a":2}"#),
        (r#"{"b": $states.input.nothing, "a": 1}"#, r#"{"a":1}"#),
        ("$variable := 1", "1"),
        ("($v := 3; $v * $v)", "9"),
        ("$x + 1", "8"),
        ("($x := 1; $x)", "1"),
        ("$list[0]", "3"),
        ("$sort($list)", "[1,2,3]"),
        ("$list ~> $max", "3"),
        ("$list ~> $sort() ~> $map($string) ~> $join('-') ", r#""1-2-3""#),
        ("$sum", r#""a variable""#),
        ("$map($list, function($v, $i) { $v * $i })", "[0,1,4]"),
        ("$map($list, $string)", r#"["3","1","2"]"#),
        ("$states.input.items ~> |$|{'id': $string(id)}, 'tags'|", r#"[{"id":"1"},{"id":"2"},{"id":"3"}]"#),
        ("$exists($states.input.nothing)", "false"),
        ("$states.input.nothing ? 1 : 2", "2"),
        ("$split('a,b', /,/)", r#"["a","b"]"#),
        ("$match('abab', /a(b)/i)[0].index", "0"),
        ("$number('1e3')", "1000"),
        ("9007199254740991 + 0", "9007199254740991"),
        ("1e300", "1e+300"),
        ("-0", "0"),
        ("$states.input.items[tags[0] = 'x'].id", "1"),
        (
            "($in := $states.input; $in.items@$i.{'n': $i.id, 'of': %.name})",
            "[{\"n\":1,\"of\":\"Ann\"},{\"n\":2,\"of\":\"Ann\"},{\"n\":3,\"of\":\"Ann\"}]",
        ),
        ("($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(10))", "3628800"),
        ("($f := function($n, $a) { $n = 0 ? $a : $f($n - 1, $a + $n) }; $f(20000, 0))", "200010000"),
        ("$lookup($states.input, 'name')", r#""Ann""#),
        ("$keys($states.input.zebra)", r#"["z","a"]"#),
        ("$string($states.input.zebra)", r#""{\"z\":1,\"a\":2}""#),
    ]);
}

#[test]
fn functions_of_the_service_have_the_values_of_the_reference() {
    let sha1 = "aaff4a450a104cd177d28d18d74485e8cae074b7";
    assert_values(&[
        ("$range(1, 9, 9)", "1"),
        ("$range(1, 9, 4)", "[1,5,9]"),
        ("[$range(1, 9, 9)]", "[1]"),
        ("$range(3, 1, -1)", "[3,2,1]"),
        ("$partition([0], 1)", "[[0]]"),
        ("$partition([1..5], 2)", "[[1,2],[3,4],[5]]"),
        ("$partition([], 2)", "[]"),
        ("$partition($range(1, 9, 9), 4)", "[[1]]"),
        ("$range(1, 4, 1) ~> $partition(2)", "[[1,2],[3,4]]"),
        ("$hash('input data', 'SHA-1')", &format!("{sha1:?}")),
        ("$hash('', 'MD5')", r#""d41d8cd98f00b204e9800998ecf8427e""#),
        ("$length($hash({'a': 1}, 'SHA-384'))", "96"),
        ("$parse('{\"z\": [1, 2.5], \"a\": null}')", r#"{"z":[1,2.5],"a":null}"#),
        ("$parse('[1]')", "[1]"),
        ("$random(7) = $random(7)", "true"),
        ("$random(7) = $random(8)", "false"),
        ("$random() = $random()", "false"),
        ("$uuid() = $uuid()", "false"),
        ("$count($shuffle([1..100]))", "100"),
        ("$sort($shuffle([1..4]))", "[1,2,3,4]"),
        ("$now()", r#""2026-11-22T10:30:00.250Z""#),
        ("$now() = $now()", "true"),
        ("$millis()", "1795343400250"),
        ("$toMillis($now()) = $millis()", "true"),
        ("$now('[Y0001]/[M01]/[D01] [H01]:[m01]', '+0200')", r#""2026/11/22 12:30""#),
        ("$map([1, 2], $now)[0]", r#""2026-11-22T10:30:00.250Z""#),
        ("$type($random)", r#""function""#),
        (
            "$match($uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/).index",
            "0",
        ),
    ]);
}

#[test]
fn a_variable_hides_a_function() {
    let scope = Here { input: Value::Null, draws: Cell::new(0), string: Some(Value::from("mine")) };
    let eval = |text: &str| parse(text, Expected::Any).unwrap().eval(&scope);
    assert_eq!(eval("$string").unwrap(), Value::from("mine"));
    assert!(eval("$string(1)").unwrap_err().message.contains("T1006"));
}

#[test]
fn draws_come_from_the_scope() {
    let text = "[$random(), $uuid(), $shuffle([1..20])]";
    assert_eq!(eval(text), eval(text), "equal draws give equal values");
    let expression = parse(text, Expected::Any).unwrap();
    let scope = Here { input: Value::Null, draws: Cell::new(0), string: None };
    assert_ne!(expression.eval(&scope), expression.eval(&scope), "each evaluation draws anew");
    assert_eq!(scope.draws.get(), 2, "once for each evaluation");
    let in_range = eval("$count([1..500].$random()[$ >= 0 and $ < 1])").unwrap();
    assert_eq!(in_range, Value::from(500_i64));
}

#[test]
fn bounded_functions_are_those_of_the_language() {
    assert_values(&[
        ("'a' & 1 & null & $states.input.nothing & [1] & {'k': true}", r#""a1null[1]{\"k\":true}""#),
        ("'a' & $count", r#""a""#),
        ("$list.('n' & $)", r#"["n3","n1","n2"]"#),
        ("$list.$string()", r#"["3","1","2"]"#),
        ("$states.input.items.$string(id)", r#"["1","2","3"]"#),
        ("$string({'a': [1]}, true)", r#""{\n  \"a\": [\n    1\n  ]\n}""#),
        ("$string(1, 2, 3)", "\"1\""),
        ("$x ~> $string", r#""7""#),
        ("$x ~> $string()", r#""7""#),
        ("($s := $string(?, false); $s(1))", r#""1""#),
        ("($s := $string; $s(5))", r#""5""#),
        ("('ab').$pad(4, '-')", r#""ab--""#),
        ("$pad('ab', -4)", r#""  ab""#),
        ("['ab', 'c'].$pad(3, '.')", r#"["ab.","c.."]"#),
        ("$join(['a', 'b'], ', ')", r#""a, b""#),
        ("$join(['a', 'b'])", r#""ab""#),
        ("$join('a')", r#""a""#),
        (
            "$join($states.input.nothing)",
            "The JSONata expression '$join($states.input.nothing)' specified for the field 'Output' returned nothing (undefined).",
        ),
        ("['a', 'b'] ~> $join('+')", r#""a+b""#),
        ("$replace('abcb', 'b', 'x')", r#""axcx""#),
        ("$replace('abcb', 'b', 'x', 1)", r#""axcb""#),
        ("('abcb').$replace('b', 'x')", r#""axcx""#),
        ("$replace('abc', /b(c)/, '[$1$0]')", r#""a[cbc]""#),
        (
            "($k := '!'; $replace('abc', /b/, function($m) { $uppercase($m.match) & $k & $string($x) }))",
            r#""aB!7c""#,
        ),
        ("$each({'a': 1, 'b': 2}, function($v, $k) { $k & '=' & $v })", r#"["a=1","b=2"]"#),
        ("($f := function($n) { $n = 0 ? '' : 'x' & $f($n - 1) }; $length($f(200)))", "200"),
        ("($f := function($n) { $n = 0 ? 'a' & 'b' : $f($n - 1) }; $f(300))", r#""ab""#),
        ("($f := function($n) { $n = 0 ? $string($n) : $f($n - 1) }; $f(300))", r#""0""#),
        // What is bound hides what is built in, also where it has another name inside.
        ("($string := 5; $string)", "5"),
        ("(function($join) { $join + 1 })(1)", "2"),
        ("($string := function($v) { $v + 1 }; $string(1))", "2"),
        ("$states.input.items.**[id = 2].tags", r#"["z"]"#),
        ("$count($states.input.zebra.**)", "3"),
        ("$states.input.items[0].(**)[id = 1].id", "1"),
    ]);
}

#[test]
fn what_cannot_be_used_is_refused_where_it_stands() {
    let cases = [
        ("$", 0, "`$` has no value here: there is no input document"),
        ("1 + $$", 4, "`$$` has no value here: there is no input document"),
        ("$states.input.a[$ > 1] + $", 25, "`$` has no value here: there is no input document"),
        ("name", 0, "the name `name` leads nowhere: there is no input document"),
        ("$states.input.items[id = 1] & id", 30, "the name `id` leads nowhere: there is no input document"),
        ("{'k': items.name}", 6, "the name `items` leads nowhere: there is no input document"),
        ("$count(a.b)", 7, "the name `a` leads nowhere: there is no input document"),
        ("`a b`.c", 0, "the name `a b` leads nowhere: there is no input document"),
        ("($x; $.y)", 5, "`$` has no value here: there is no input document"),
        ("$x ?: 1", 3, "the operator `?:` is not in JSONata 2.0.6"),
        ("'?:' & ($x ?? 1)", 11, "the operator `??` is not in JSONata 2.0.6"),
        ("$map([1], $eval)", 10, "`$eval` is not a function of Amazon States Language"),
        ("1 + $eval('2')", 4, "`$eval` is not a function of Amazon States Language"),
        ("$x.(", 4, "the expression ends too early"),
        ("", 0, "the expression ends too early"),
        ("1 +", 3, "the expression ends too early"),
        ("[1, 2", 5, "the expression ends too early"),
        ("1 + ) + [", 4, "`)` cannot stand here"),
        ("$x $y", 3, "`$y` cannot stand here: an operator or the end was expected"),
        ("'ä' & \"open", 7, "a string or a regular expression is not closed"),
        ("$x /* open", 3, "a comment is not closed"),
        ("1 # 2", 2, "Expected a variable reference after #"),
        ("{1 2}", 3, "`2` cannot stand here"),
        ("1e999", 0, "Number out of range: 1e999"),
    ];
    let mut wrong = Vec::new();
    for (text, offset, message) in cases {
        match parse(text, Expected::Any) {
            Ok(_) => wrong.push(format!("{text}: accepted")),
            Err(error) if (error.offset, &*error.message) != (offset, message) => {
                wrong.push(format!("{text}: {} {}", error.offset, error.message));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_context_item_can_be_used_where_there_is_one() {
    for text in [
        "$states.input.items[$.id = 1]",
        "$states.input.items.($$ ; name; $)",
        "$states.input.items^(id)",
        "$states.input.items{name: id}",
        "$map($list, function($v) { name })",
        "$list ~> |$|{'a': b}|",
        "[1, 2].$string()",
        "[1, 2][$ > 1]",
        "$states.*",
    ] {
        parse(text, Expected::Any).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }
}

#[test]
fn errors_have_the_words_of_the_service() {
    let error = |text: &str, expected| eval_as(text, expected).unwrap_err();
    let head = |text: &str| format!("The JSONata expression '{text}' specified for the field 'Output' ");
    let cases = [
        ("$states.input.nothing", Expected::Any, "returned nothing (undefined)."),
        ("$unknown", Expected::Any, "returned nothing (undefined)."),
        (
            "1",
            Expected::Array,
            "returned an unexpected result type. Expected 'array', but was 'number' for value: 1",
        ),
        (
            "'yes'",
            Expected::Boolean,
            "returned an unexpected result type. Expected 'boolean', but was 'string' for value: \"yes\"",
        ),
        (
            "1.5",
            Expected::Integer,
            "returned an unexpected result type. Expected 'integer', but was 'number' for value: 1.5",
        ),
        (
            "null",
            Expected::Object,
            "returned an unexpected result type. Expected 'object', but was 'null' for value: null",
        ),
        ("$count", Expected::Any, "gave a function, which is no value"),
        ("[function() { 1 }]", Expected::Any, "gave a function, which is no value"),
        ("/a/", Expected::Any, "gave a function, which is no value"),
        (
            "$x()",
            Expected::Any,
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "1 + 'a'",
            Expected::Any,
            "threw an error during evaluation. T2002: The right side of the + operator must evaluate to a number",
        ),
        ("$error('mine')", Expected::Any, "threw an error during evaluation. D3137: mine"),
        (
            "$parse('{')",
            Expected::Any,
            "threw an error during evaluation. Argument 1 of function $parse: not valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "$partition([1], 0)",
            Expected::Any,
            "threw an error during evaluation. T0410: Argument 2 of function $partition must be a positive integer, found number `0`",
        ),
        (
            "$hash('a', 'SHA-2')",
            Expected::Any,
            "threw an error during evaluation. T0410: Argument 2 of function $hash must be `MD5`, `SHA-1`, `SHA-256`, `SHA-384` or `SHA-512`, found string `\"SHA-2\"`",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, expected, message) in cases {
        let found = error(text, expected);
        assert_eq!(found.kind, ErrorKind::Query, "{text}");
        if found.message != head(text) + message {
            wrong.push(format!("{text}: {}", found.message));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(eval_as("2.0", Expected::Integer).unwrap(), Value::from(2_i64));
    let long = error("[1..1000]", Expected::String).message;
    assert!(long.ends_with('…') && long.chars().count() < 450, "{long}");
}

#[test]
fn only_what_is_read_is_asked_for() {
    let asked = |text: &str| {
        let expression = parse(text, Expected::Any).unwrap();
        let states = expression.states.as_ref().map(|states| format!("{states:?}"));
        let has = |what: &str| states.as_deref().is_some_and(|states| states.contains(what));
        let variables: Vec<String> = expression
            .variables
            .iter()
            .filter_map(|(root, _)| match root {
                Root::Variable(name) => Some(name.to_string()),
                _ => None,
            })
            .collect();
        (states.is_some(), has("Input"), has("Negate"), variables.join(" "))
    };
    let cases = [
        ("1", (false, false, false, "")),
        ("$states.input.a", (true, true, false, "")),
        ("$states.input", (true, true, false, "")),
        ("$states.context.Broken", (true, false, true, "")),
        ("$states.context.Execution", (true, false, false, "")),
        ("$states", (true, true, true, "")),
        ("$states.*", (true, true, true, "")),
        ("$lookup($states, 'input')", (true, true, true, "lookup")),
        ("$states.input@$i.{'a': %.context}", (true, true, true, "")),
        ("$x.a[b = $y]", (false, false, false, "x y")),
        ("$states[0].input", (true, true, true, "")),
        ("($s := $states; $s.input)", (true, true, true, "s")),
    ];
    for (text, (has_states, has_input, has_broken, variables)) in cases {
        assert_eq!(asked(text), (has_states, has_input, has_broken, variables.to_owned()), "{text}");
    }
}

/// What takes more than is good: an error each time, quickly.
#[test]
fn nothing_grows_without_bound() {
    let cases = [
        ("($f := function($n) { 1 + $f($n) }; $f(1))", ErrorKind::Query),
        ("$reduce([1..100], function($a, $i) { $a & $a }, 'x')", ErrorKind::Query),
        ("$pad('', 1e9)", ErrorKind::Query),
        ("$pad('', -1e300)", ErrorKind::Query),
        ("$join([1..100000].'x', $pad('', 1000))", ErrorKind::Query),
        ("$replace($pad('', 100000, 'a'), 'a', $pad('', 1000))", ErrorKind::Query),
        ("$replace($pad('', 100000, 'a'), /a*/, $pad('', 100, '$0'))", ErrorKind::Query),
        ("$reduce([1..60], function($a, $i) { [[$a, $a]] }, [1])", ErrorKind::TooLarge),
        ("$reduce([1..60], function($a, $i) { {'l': $a, 'r': $a} }, 1)", ErrorKind::TooLarge),
        ("$string($reduce([1..60], function($a, $i) { {'l': $a, 'r': $a} }, 1))", ErrorKind::Query),
        ("$reduce([1..60], function($a, $i) { $append($a, $a) }, [1])", ErrorKind::Query),
        ("$reduce([1..60], function($a, $i) { [$a, $a] }, [1])", ErrorKind::Query),
        ("$reduce([1..200], function($a, $i) { [[$a]] }, 1)", ErrorKind::TooLarge),
        ("[1..1000000]", ErrorKind::Query),
        ("[1..1000].[1..1000]", ErrorKind::TooLarge),
        ("$range(1, 1e12, 1)", ErrorKind::Query),
        ("[1..1000].($map([1..1000], function($v) { $v }))", ErrorKind::Query),
        ("$reduce([1..60], function($a, $i) { [[$a, $a]] }, [1]).**", ErrorKind::Query),
        // The library panics.
        ("$fromMillis(0, '[Y,1000000000]')", ErrorKind::Query),
        ("[1..200000].'a long text'", ErrorKind::TooLarge),
        ("($r := function($n) { $replace('a', /a/, function() { $r($n) }) }; $r(1))", ErrorKind::Query),
    ];
    for (text, kind) in cases {
        let began = std::time::Instant::now();
        let error = eval(text).map(|value| value.bytes()).expect_err(text);
        assert_eq!(error.kind, kind, "{text}: {error}");
        assert!(error.message.chars().count() < 600, "{text}: {error}");
        println!("{:?} {text}", began.elapsed());
    }
}

#[test]
fn an_endless_expression_ends_when_it_is_interrupted() {
    let endless = parse("($f := function() { $f() }; $f())", Expected::Any).unwrap();
    let scope = Here { input: Value::Null, draws: Cell::new(0), string: None };
    let interrupt = Interrupt::default();
    let pull = interrupt.clone();
    let result = interruptible(&interrupt, || {
        // Whenever it is pulled, before or while it runs: it ends.
        let puller = std::thread::spawn(move || pull.interrupt());
        let result = endless.eval(&scope);
        puller.join().unwrap();
        assert!(crate::expr::is_interrupted());
        result
    });
    assert!(result.is_err());
    assert!(!crate::expr::is_interrupted(), "only what was under the switch");
    assert_eq!(eval("1").unwrap(), Value::from(1_i64));
}

/// A test's thread has 2 MiB of stack, as many as those that decide.
#[test]
fn deep_texts_overflow_nothing() {
    let shapes = [
        ("(", "1", ")"),
        ("-", "1", ""),
        ("[", "1", "]"),
        ("{'a': ", "1", "}"),
        ("1 + ", "1", ""),
        ("$x[", "1", "]"),
        ("$x.(", "a", ")"),
        ("$count(", "1", ")"),
        ("function() { ", "1", " }"),
        ("$x ? ", "1", " : 2"),
        ("$x ~> ", "$sum", ""),
        ("$x.", "a", ""),
        ("$a := ", "1", ""),
        ("'a' & ", "'b'", ""),
        ("$x^(", "a", ")"),
        ("|$|", "{}", "|"),
        ("(", "", ""),
        ("[", "", ""),
        ("$x{'a': ", "1", "}"),
        ("$f(?, ", "1", ")"),
    ];
    for (open, middle, close) in shapes {
        for depth in [10, 300, 10_000] {
            let text = open.repeat(depth) + middle + &close.repeat(depth);
            if let Ok(expression) = parse(&text, Expected::Any) {
                let scope = Here { input: Value::Null, draws: Cell::new(0), string: None };
                let _ = expression.clone().eval(&scope);
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    const EXACT: i64 = 9_007_199_254_740_992;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-EXACT..=EXACT).prop_map(Value::from),
        // A double without a fraction comes back as an integer, which prints otherwise.
        any::<f64>().prop_filter_map("no fraction", |n| {
            Number::from_f64(n).filter(|n| n.as_f64().fract() != 0.0).map(Value::Number)
        }),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A text of words that expressions are made of.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "$",
        "$$",
        "$x",
        "$list",
        "$states",
        "$states.input",
        "a",
        "items",
        "id",
        "'s'",
        "1",
        "0.5",
        "1e400",
        ".",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ";",
        ":",
        ":=",
        "?",
        "??",
        "?:",
        "~>",
        "+",
        "-",
        "*",
        "**",
        "/",
        "%",
        "=",
        "!=",
        "<",
        ">",
        "<=",
        "&",
        "|",
        "^",
        "@",
        "@$v",
        "#",
        "#$i",
        "..",
        "and",
        "or",
        "in",
        "function(",
        "function($v){",
        "λ($v){",
        "<n-n:n>",
        "null",
        "true",
        "undefined",
        "/a/",
        "/(/",
        "`b`",
        "$string(",
        "$pad(",
        "$join(",
        "$replace(",
        "$map(",
        "$sort(",
        "$sum",
        "$range(",
        "$partition(",
        "$hash(",
        "$parse(",
        "$now(",
        "$random(",
        "$fromMillis(",
        "$formatNumber(",
        "$formatInteger(",
        "$toMillis(",
        "$match(",
        "$zip(",
        "$each(",
        "$sift(",
        "$split(",
        "\"",
        "\\",
        "/*",
        "*/",
        "ä",
    ]);
    prop::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn values_go_through_the_library_unchanged(value in value()) {
        let there = to_library(&value, &Part::Whole);
        prop_assert_eq!(from_library(&there).unwrap(), Some(value.clone()));
        let scope = Here { input: value.clone(), draws: Cell::new(0), string: None };
        let through = parse("$states.input", Expected::Any).unwrap().eval(&scope).unwrap();
        prop_assert_eq!(through.to_json(), value.to_json());
    }

    #[test]
    fn no_text_panics(text in words()) {
        if let Err(error) = parse(&text, Expected::Any) {
            prop_assert!(text.is_char_boundary(error.offset), "{} in {:?}", error.offset, text);
        } else {
            let _ = eval(&text);
        }
    }

    #[test]
    fn no_characters_panic(text in "[ -~ä]{0,24}") {
        if parse(&text, Expected::Any).is_ok() {
            let _ = eval(&text);
        }
    }
}

/// `cargo test --release … -- --ignored --nocapture what_an_evaluation_costs`
#[test]
#[ignore = "a measurement"]
fn what_an_evaluation_costs() {
    let scope = Here { input: Value::parse(INPUT).unwrap(), draws: Cell::new(0), string: None };
    for text in [
        "$states.input.a + 1",
        "$states.input.items[id > 1].tags",
        "'Hello ' & $states.input.name",
        "$uuid()",
        "{'total': $sum($states.input.items.id), 'at': $now()}",
        "($f := function($n) { $n = 0 ? 0 : $f($n - 1) }; $f(1000))",
    ] {
        let expression = parse(text, Expected::Any).unwrap();
        let began = std::time::Instant::now();
        let rounds = 10_000;
        for _ in 0..rounds {
            std::hint::black_box(expression.eval(&scope).unwrap());
        }
        println!("{:?} {text}", began.elapsed() / rounds);
    }
}
