//! What holds for every expression: nothing panics, overflows, or grows without bound.

use std::cell::Cell;

use proptest::prelude::*;

use super::super::*;
use super::{Here, eval, parse};
use crate::expr::{Interrupt, interruptible};
use crate::value::Number;

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
        ("$reduce([1..60], function($a, $i) { [[$a, $a]] }, [1])", ErrorKind::Query),
        ("$reduce([1..60], function($a, $i) { {'l': $a, 'r': $a} }, 1)", ErrorKind::Query),
        ("$reduce([1..18], function($a, $i) { {'l': $a, 'r': $a} }, 1)", ErrorKind::TooLarge),
        ("$reduce([1..60], function($a, $i) { [1]{'l': $a, 'r': $a} }, 1)", ErrorKind::Query),
        ("$reduce([1..60], function($a, $i) { [1].{'l': $a, 'r': $a} }, 1)", ErrorKind::Query),
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
        ("[1..200000].('a long text')", ErrorKind::TooLarge),
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

/// Values whose parts share theirs: what walks through all of them is refused before it begins.
#[test]
fn nothing_walks_through_what_is_shared_without_end() {
    let mut shared = String::new();
    for (name, seed) in [("a", "true"), ("b", "true"), ("f", "false")] {
        let twice = "function($v, $i) { $map([1, 2], function() { $v }) }";
        shared += &format!("${name} := $reduce([1..40], {twice}, [[{seed}]]); ");
    }
    for text in [
        "$a = $b",
        "$a != $b",
        "$f[0] = $b[0]",
        "($x := $a; $y := $b; [1][$x = $y])",
        "$distinct($a)",
        "$distinct([[$a], [$b]])",
        "$a ~> $distinct",
        "$map([$a], $distinct)",
        "$map([$a], $distinct(?))",
        "$a.$distinct()",
        "[$a]",
        "{'a': $a}",
        "[1]{'a': $a}",
    ] {
        let error = eval(&format!("({shared} {text})")).expect_err(text);
        assert_eq!(error.kind, ErrorKind::Query, "{text}: {error}");
        assert!(error.message.contains("bytes"), "{text}: {error}");
    }
    for (text, value) in [("$a = 1", "false"), ("null = $a", "false"), ("$a in $b", "false")] {
        assert_eq!(eval(&format!("({shared} {text})")).unwrap().to_json(), value, "{text}");
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
    const WORDS: &str = r#"$ $$ $x $list $states $states.input a items id 's' 1 0.5 1e400 . [ ] ( ) { } , ; :
        := ? ?? ?: ~> + - * ** / % = != < > <= & | ^ @ @$v # #$i .. and or in function( function($v){ λ($v){
        <n-n:n> null true undefined /a/ /(/ `b` $string( $pad( $join( $replace( $map( $sort( $sum $range(
        $partition( $hash( $parse( $now( $random( $fromMillis( $formatNumber( $formatInteger( $toMillis(
        $match( $zip( $each( $sift( $split( " \\ /* */ ä"#;
    let word = prop::sample::select(WORDS.split_whitespace().collect::<Vec<_>>());
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
