mod laws;

use std::cell::Cell;

use super::*;

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
        self.draws.set(self.draws.get().wrapping_add(1));
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
        (r#"{"undefined": 1}.undefined"#, "1"),
        (r#"[{"undefined": {"a": 2}}][undefined.a = 2].undefined.a"#, "2"),
        ("$exists($states.input.undefined)", "false"),
        ("/* undefined */ 'undefined' & ($undefined := 3)", r#""undefined3""#),
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
        ("undefined & undefined", 0, "the name `undefined` leads nowhere: there is no input document"),
        ("{'undefined': undefined.a b}", 26, "`b` cannot stand here"),
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
