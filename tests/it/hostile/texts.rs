//! The texts, generated.

use millrace::diagnostic::Code;
use millrace::dialect::Dialect;

/// What is to come of a text.
pub(super) enum Expected {
    Compiles,
    /// Refused with this code, and these words in the message or the path.
    Refused(Code, &'static str),
    /// Whatever it is, it is told in time.
    Told,
}

/// A text that is compiled.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) forced: Option<Dialect>,
    pub(super) expected: Expected,
}

use Dialect::{Asl, Fdl, FdlLegacy};
use Expected::{Compiles, Refused, Told};

fn case(name: &str, text: impl Into<String>, expected: Expected) -> Case {
    Case { name: name.to_owned(), text: text.into(), forced: None, expected }
}

fn of(dialect: Dialect, name: &str, text: String, expected: Expected) -> Case {
    Case { name: format!("{dialect}: {name}"), text, forced: Some(dialect), expected }
}

const MIB: usize = 1024 * 1024;

fn each(count: usize, of: impl Fn(usize) -> String, between: &str) -> String {
    (0..count).map(of).collect::<Vec<_>>().join(between)
}

/// A definition with these states, in the notation of its language: a list of objects, or members.
fn machine(dialect: Dialect, start: &str, states: &str) -> String {
    match dialect {
        Fdl => format!("{{Type: StateMachine, SpecVersion: v1, StartAt: {start}, States: [\n{states}\n]}}"),
        FdlLegacy => format!("{{version: v1, type: flow, steps: [\n{states}\n]}}"),
        Asl => format!("{{\"StartAt\": \"{start}\", \"States\": {{\n{states}\n}}}}"),
    }
}

/// A state that hands on its input, with further fields.
fn pass(dialect: Dialect, name: &str, next: Option<&str>, more: &str) -> String {
    match (dialect, next) {
        (Fdl, Some(next)) => format!("{{Type: Pass, Name: {name}, Next: {next}{more}}}"),
        (Fdl, None) => format!("{{Type: Pass, Name: {name}, End: true{more}}}"),
        (FdlLegacy, Some(_)) => format!("{{type: pass, name: {name}{more}}}"),
        (FdlLegacy, None) => format!("{{type: pass, name: {name}, end: true{more}}}"),
        (Asl, Some(next)) => format!("\"{name}\": {{\"Type\": \"Pass\", \"Next\": \"{next}\"{more}}}"),
        (Asl, None) => format!("\"{name}\": {{\"Type\": \"Pass\", \"End\": true{more}}}"),
    }
}

/// States one after the other.
fn chain(dialect: Dialect, count: usize, more: &str) -> String {
    let state = |number: usize| {
        let next = format!("s{}", number + 1);
        pass(dialect, &format!("s{number}"), Some(&*next).filter(|_| number + 1 < count), more)
    };
    machine(dialect, "s0", &each(count, state, ",\n"))
}

/// A Choice of rules that all lead to one state, with further fields.
fn choice(dialect: Dialect, rules: usize, more: &str) -> String {
    let rule = |number: usize| match dialect {
        Fdl => format!("{{Condition: $Input.a == {number}, Next: s}}"),
        FdlLegacy => format!("{{condition: $.a == {number}, goto: s}}"),
        Asl => format!("{{\"Variable\": \"$.a\", \"NumericEquals\": {number}, \"Next\": \"s\"}}"),
    };
    let rules = each(rules, rule, ",\n");
    let choice = match dialect {
        Fdl => format!("{{Type: Choice, Name: c, Default: s, Branches: [{rules}]{more}}}"),
        FdlLegacy => format!("{{type: choice, name: c, choices: [{rules}], default: {{goto: s}}{more}}}"),
        Asl => format!("\"c\": {{\"Type\": \"Choice\", \"Default\": \"s\", \"Choices\": [{rules}]{more}}}"),
    };
    machine(dialect, "c", &format!("{choice},\n{}", pass(dialect, "s", None, "")))
}

/// A state within states of lists.
fn nested(dialect: Dialect, levels: usize) -> String {
    let mut inner = pass(dialect, "s", None, "");
    let mut start = "s".to_owned();
    for level in 0..levels {
        let name = format!("m{level}");
        inner = match dialect {
            Fdl => format!(
                "{{Type: Map, Name: {name}, End: true, ItemsPath: $Input.a, Processor: {{StartAt: {start}, States: [{inner}]}}}}"
            ),
            FdlLegacy => format!(
                "{{type: foreach, name: {name}, iterationMapping: {{collection: $.a, item: i}}, steps: [{inner}]}}"
            ),
            Asl => format!(
                "\"{name}\": {{\"Type\": \"Map\", \"End\": true, \"ItemProcessor\": {{\"StartAt\": \"{start}\", \"States\": {{{inner}}}}}}}"
            ),
        };
        start = name;
    }
    machine(dialect, &start, &inner)
}

/// The field of a Pass that takes a template, with a value.
fn template(dialect: Dialect, value: &str) -> String {
    match dialect {
        Fdl => format!(", OutputConstructor: {{t: {value}}}"),
        FdlLegacy => format!(", outputMappings: [{{target: t, source: {value}}}]"),
        Asl => format!(", \"Parameters\": {{\"t\": {value}}}"),
    }
}

pub(super) fn of_yaml() -> Vec<Case> {
    let refers = |to: String| vec![format!("*{to}"); 10].join(",");
    let bomb = |first: &str, open: char, close: char| {
        let level = |n: usize| format!("a{}: &a{} {open}{}{close}\n", n + 1, n + 1, refers(format!("a{n}")));
        format!("a0: &a0 {first}\n{}States: *a12\n", each(12, level, ""))
    };
    let merges = each(2_000, |n| format!("m{n}: {{<<: *b}}"), "\n");
    let anchors = each(20_000, |n| format!("a{n}: &a{n} x"), "\n");
    let reused = vec!["*b"; 50_000].join(",");
    let wide = each(2_000, |n| format!("k{n}: {n}"), ", ");
    vec![
        case("anchor bomb", bomb("[x,x,x,x,x,x,x,x,x,x]", '[', ']'), Refused(Code::Syntax, "")),
        case("anchor bomb of objects", bomb("{x: y}", '[', ']'), Refused(Code::Syntax, "")),
        case("an anchor within itself", "a: &a [*a]", Refused(Code::Syntax, "")),
        case("an alias of nothing", "a: *b", Refused(Code::Syntax, "")),
        case("2,000 merges of 2,000 members", format!("b: &b {{{wide}}}\n{merges}\n"), Told),
        case(
            "merge chain",
            format!(
                "a0: &a0 {{x: 1}}\n{}",
                each(1_000, |n| { format!("a{}: &a{} {{<<: [*a{n}, *a{n}], k{n}: 1}}\n", n + 1, n + 1) }, "")
            ),
            Told,
        ),
        case("20,000 anchors", anchors, Told),
        case("50,000 aliases of one list", format!("a: &b [x,x,x,x,x,x,x,x]\nb: [{reused}]\n"), Told),
        case("nothing but blanks", " ".repeat(MIB), Refused(Code::UnknownDialect, "")),
        case("nothing but lines", "\n".repeat(MIB), Refused(Code::UnknownDialect, "")),
        case("nothing but a comment", format!("#{}", "x".repeat(MIB - 1)), Refused(Code::UnknownDialect, "")),
        case("one word of 1 MiB", "x".repeat(MIB), Refused(Code::UnknownDialect, "")),
        case("one byte too long", "x".repeat(MIB + 1), Refused(Code::Syntax, "1048577 bytes")),
        case("64 MiB", "x".repeat(64 * MIB), Refused(Code::Syntax, "67108864 bytes")),
        case("a number of 1 MiB", format!("a: {}", "9".repeat(MIB - 3)), Told),
        case(
            "a quote that never ends",
            format!("a: \"{}", "x\\n".repeat(300_000)),
            Refused(Code::Syntax, ""),
        ),
        case("300,000 escapes", format!("a: \"{}\"", "\\n".repeat(300_000)), Told),
        case("a block of 500,000 lines", format!("a: |\n{}", " x\n".repeat(300_000)), Told),
        case("a folded block", format!("a: >\n{}", " x\n\n".repeat(200_000)), Told),
        case(
            "1,000 lists in JSON",
            "[".repeat(1_000) + &"]".repeat(1_000),
            Refused(Code::Syntax, "100 levels"),
        ),
        case("500,000 open lists", "[".repeat(500_000), Refused(Code::Syntax, "100 levels")),
        case("500,000 open objects", "{a: ".repeat(250_000), Refused(Code::Syntax, "100 levels")),
        case("1,000 lists in YAML", "- ".repeat(1_000) + "x", Refused(Code::Syntax, "100 levels")),
        case("500,000 lists in YAML", "- ".repeat(500_000), Refused(Code::Syntax, "100 levels")),
        case(
            "1,000 objects in YAML",
            each(1_000, |n| format!("{}a:\n", " ".repeat(n)), ""),
            Refused(Code::Syntax, "100 levels"),
        ),
        case("400,000 complex keys", "? ".repeat(400_000), Refused(Code::Syntax, "")),
        case("500,000 tags", "!a ".repeat(300_000), Refused(Code::Syntax, "")),
        case("200,000 documents", "---\n".repeat(200_000), Told),
        case(
            "200,000 documents with something",
            "---\na\n".repeat(170_000),
            Refused(Code::Syntax, "second YAML document"),
        ),
        case("500,000 nulls", format!("[{}]", ",".repeat(500_000)), Told),
        case(
            "300,000 elements",
            format!("[{}]", "0,".repeat(300_000)),
            Refused(Code::Syntax, "more than 250000 values"),
        ),
        case(
            "100,000 members",
            format!("{{{}}}", each(100_000, |n| format!("\"{n}\":0"), ",")),
            Refused(Code::UnknownDialect, ""),
        ),
        case(
            "100,000 times one member",
            format!("{{{}}}", vec!["a: 0"; 100_000].join(",")),
            Refused(Code::UnknownDialect, ""),
        ),
    ]
}

pub(super) fn odd() -> Vec<Case> {
    let fine = machine(Fdl, "s", "{Type: Pass, Name: s, End: true}");
    let block = "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates:\n  - Type: Pass\n    Name: s\n    End: true\n";
    let named = |name: &str| machine(Fdl, name, &format!("{{Type: Pass, Name: {name}, End: true}}"));
    vec![
        case("nothing", "", Refused(Code::UnknownDialect, "")),
        case("a mark of the byte order", format!("\u{feff}{fine}"), Compiles),
        case("CRLF", block.replace('\n', "\r\n"), Compiles),
        case("CR alone", block.replace('\n', "\r"), Told),
        case("tabs in JSON", fine.replace(' ', "\t").replace("SpecVersion", "\t\tSpecVersion"), Told),
        case("tabs that indent", block.replace("    ", "\t"), Refused(Code::Syntax, "")),
        case("NUL", block.replace("Pass", "Pa\0ss"), Told),
        case("an escaped NUL", named("\"a\\0b\""), Compiles),
        case("NUL alone", "\0", Told),
        case("control characters", "\u{1}\u{2}\u{7f}\u{9b}", Told),
        case("half of a pair", named("\"\\ud800\""), Told),
        case("a pair", named("\"\\ud83d\\ude00\""), Compiles),
        case("emoji and zero width", named("\"👩\u{200d}👩\u{200d}👧\u{202e}\u{feff}\""), Compiles),
        case("separators of lines", named("\"a\u{2028}b\u{2029}c\u{85}d\""), Told),
        case(
            "letters that grow in lower case",
            machine(Fdl, "İ", &format!("{{Type: Pass, Name: {}, End: true}}", "İ".repeat(300))),
            Refused(Code::MissingTarget, ""),
        ),
        case("the highest character", named("\"\u{10ffff}\""), Compiles),
        case("two documents", format!("{fine}\n---\n{fine}"), Refused(Code::Syntax, "second YAML document")),
        case("a directive", format!("%YAML 1.2\n---\n{fine}"), Compiles),
        case("a binary tag", named("!!binary aGVsbG8="), Told),
        case("a timestamp", named("2001-12-14t21:59:43.10-05:00"), Compiles),
        case("infinity", fine.replace("Name: s", "Name: .inf"), Refused(Code::Syntax, "")),
        case("no number", fine.replace("Name: s", "Name: .nan"), Refused(Code::Syntax, "")),
        case("a huge exponent", fine.replace("Name: s", "Name: 1e999"), Told),
        case("a list", "[1, 2]", Refused(Code::UnknownDialect, "")),
        case("a word", "StateMachine", Refused(Code::UnknownDialect, "")),
    ]
}

pub(super) fn large() -> Vec<Case> {
    let mut cases = Vec::new();
    for dialect in Dialect::ALL.iter().copied() {
        let catch = |count: usize| match dialect {
            Fdl => format!(
                "{{Type: Task, Name: s, Action: HTTP:Request, End: true, Catch: [{}]}}",
                each(count, |n| format!("{{Errors: [E{n}], Next: s}}"), ",")
            ),
            FdlLegacy => format!(
                "{{type: task, name: s, resourceArn: 'acs:mns:::/topics/t/messages', catch: [{}]}}, {}",
                each(count, |n| format!("{{errors: [E{n}], goto: z}}"), ","),
                pass(FdlLegacy, "z", None, "")
            ),
            Asl => format!(
                "\"s\": {{\"Type\": \"Task\", \"Resource\": \"arn:aws:lambda:us-east-1:123456789012:function:f\", \"End\": true, \"Catch\": [{}]}}",
                each(count, |n| format!("{{\"ErrorEquals\": [\"E{n}\"], \"Next\": \"s\"}}"), ",")
            ),
        };
        let branches = |count: usize| match dialect {
            Fdl => format!(
                "{{Type: Parallel, Name: s, End: true, Branches: [{}]}}",
                each(count, |_| "{StartAt: a, States: [{Type: Succeed, Name: a}]}".to_owned(), ",")
            ),
            FdlLegacy => format!(
                "{{type: parallel, name: s, branches: [{}]}}",
                each(count, |n| format!("{{steps: [{{type: pass, name: a{n}}}]}}"), ",")
            ),
            Asl => format!(
                "\"s\": {{\"Type\": \"Parallel\", \"End\": true, \"Branches\": [{}]}}",
                each(
                    count,
                    |n| format!(
                        "{{\"StartAt\": \"a{n}\", \"States\": {{\"a{n}\": {{\"Type\": \"Succeed\"}}}}}}"
                    ),
                    ","
                )
            ),
        };
        cases.extend([
            of(dialect, "10,000 states", chain(dialect, 10_000, ""), Told),
            of(dialect, "9,000 states with templates", chain(dialect, 9_000, &template(dialect, "1")), Told),
            of(dialect, "a Choice of 10,000 rules", choice(dialect, 10_000, ""), Told),
            of(dialect, "5,000 Catch rules", machine(dialect, "s", &catch(5_000)), Told),
            of(dialect, "5,000 branches", machine(dialect, "s", &branches(5_000)), Told),
            of(
                dialect,
                "a template of 1 MiB",
                machine(
                    dialect,
                    "s",
                    &pass(
                        dialect,
                        "s",
                        None,
                        &template(dialect, &format!("[{}]", vec!["{\"a\": [0]}"; 80_000].join(","))),
                    ),
                ),
                Told,
            ),
            of(
                dialect,
                "a template of 60,000 members",
                machine(
                    dialect,
                    "s",
                    &pass(
                        dialect,
                        "s",
                        None,
                        &template(dialect, &format!("{{{}}}", each(60_000, |n| format!("\"k{n}\": 0"), ","))),
                    ),
                ),
                Told,
            ),
        ]);
    }
    let values = each(15_000, |n| format!("v{n}.$: $Input.a"), ", ");
    cases.push(of(
        Fdl,
        "10,000 rules that set 15,000 variables",
        choice(Fdl, 10_000, &format!(", GlobalConstructor: {{{values}}}")),
        Told,
    ));
    let values = each(15_000, |n| format!("{{target: v{n}, source: $input.a}}"), ", ");
    let rules = choice(FdlLegacy, 10_000, &format!(", outputMappings: [{values}]"));
    cases.push(of(FdlLegacy, "10,000 rules with 15,000 mappings", rules, Told));
    let catch = each(5_000, |n| format!("{{errors: [E{n}], goto: z}}"), ",");
    let task = format!(
        "{{type: task, name: s, resourceArn: 'acs:fc:::services/s/functions/f', catch: [{catch}], errorMappings: [{values}]}}, {}",
        pass(FdlLegacy, "z", None, "")
    );
    cases.push(of(FdlLegacy, "5,000 Catch rules with 15,000 mappings", machine(FdlLegacy, "s", &task), Told));
    let values = each(15_000, |n| format!("\"v{n}\": \"{{% 1 %}}\""), ", ");
    let rules = each(8_000, |_| "{\"Condition\": true, \"Next\": \"s\"}".to_owned(), ",");
    let states = format!(
        "\"c\": {{\"Type\": \"Choice\", \"QueryLanguage\": \"JSONata\", \"Default\": \"s\", \"Output\": {{{values}}}, \"Choices\": [{rules}]}}, {}",
        pass(Asl, "s", None, "")
    );
    cases.push(of(Asl, "8,000 rules with 15,000 outputs", machine(Asl, "c", &states), Told));
    cases.push(of(Fdl, "10,000 states compile", chain(Fdl, 10_000, ""), Compiles));
    cases.push(of(
        Fdl,
        "10,001 states do not",
        chain(Fdl, 10_001, ""),
        Refused(Code::LimitExceeded, "10001 states"),
    ));
    cases
}

pub(super) fn deep() -> Vec<Case> {
    let mut cases = Vec::new();
    for dialect in Dialect::ALL.iter().copied() {
        let in_template = |levels: usize| {
            let value = "{\"a\": ".repeat(levels) + "1" + &"}".repeat(levels);
            machine(dialect, "s", &pass(dialect, "s", None, &template(dialect, &value)))
        };
        cases.extend([
            of(dialect, "10 levels of states", nested(dialect, 10), Compiles),
            of(
                dialect,
                "1,000 levels of states",
                nested(dialect, 1_000),
                Refused(Code::Syntax, "100 levels"),
            ),
            of(dialect, "a template of 80 levels", in_template(80), Compiles),
            of(
                dialect,
                "a template of 1,000 levels",
                in_template(1_000),
                Refused(Code::Syntax, "100 levels"),
            ),
        ]);
        for levels in [20, 24, 28, 32, 33, 40, 48] {
            cases.push(of(dialect, &format!("{levels} levels of states"), nested(dialect, levels), Told));
        }
    }
    let rules = |open: &str, close: &str, levels: usize| {
        let rule = open.repeat(levels) + "{\"Variable\": \"$.a\", \"IsNull\": true}" + &close.repeat(levels);
        let rule = rule.replacen('{', "{\"Next\": \"s\", ", 1);
        format!(
            "{{\"StartAt\": \"c\", \"States\": {{\"c\": {{\"Type\": \"Choice\", \"Default\": \"s\", \"Choices\": [{rule}]}}, \"s\": {{\"Type\": \"Succeed\"}}}}}}"
        )
    };
    for (name, open, close) in
        [("Not", "{\"Not\": ", "}"), ("And", "{\"And\": [", "]}"), ("Or", "{\"Or\": [", "]}")]
    {
        cases.push(of(Asl, &format!("40 times {name}"), rules(open, close, 40), Compiles));
        cases.push(of(
            Asl,
            &format!("1,000 times {name}"),
            rules(open, close, 1_000),
            Refused(Code::Syntax, "100 levels"),
        ));
    }
    cases
}

pub(super) fn wrong() -> Vec<Case> {
    let mut cases = Vec::new();
    for dialect in Dialect::ALL.iter().copied() {
        let lost = |number: usize| pass(dialect, &format!("s{number}"), Some(&format!("t{number}")), "");
        let unknown = |number: usize| match dialect {
            Fdl | FdlLegacy => format!("Nmae{number}: 1"),
            Asl => format!("\"Nxet{number}\": 1"),
        };
        let twice = match dialect {
            Fdl => "Comment: x",
            FdlLegacy => "name: x",
            Asl => "\"Comment\": \"x\"",
        };
        let long = "k".repeat(400_000);
        let in_long =
            template(dialect, &format!("{{\"{long}\": {{{}}}}}", vec!["\"a.$\": 1"; 50_000].join(",")));
        let in_deep = {
            let key = "k".repeat(5_000);
            let open = format!("{{\"{key}\": ").repeat(80);
            template(
                dialect,
                &format!("{open}{{{}}}{}", vec!["\"a.$\": 1"; 40_000].join(","), "}".repeat(80)),
            )
        };
        let objects =
            |state: &str| machine(dialect, "s", &format!("{state}, {}", pass(dialect, "s", None, "")));
        cases.extend([
            of(dialect, "10,000 wrong names", machine(dialect, "s0", &each(10_000, lost, ",\n")), Told),
            of(
                dialect,
                "10,000 unknown fields",
                machine(
                    dialect,
                    "s",
                    &pass(dialect, "s", None, &format!(", {}", each(10_000, unknown, ","))),
                ),
                Told,
            ),
            of(
                dialect,
                "10,000 times one field",
                machine(
                    dialect,
                    "s",
                    &pass(dialect, "s", None, &format!(", {}", vec![twice; 10_000].join(","))),
                ),
                Told,
            ),
            of(
                dialect,
                "10,000 times one state",
                machine(dialect, "s", &each(10_000, |_| pass(dialect, "s", None, ""), ",\n")),
                Told,
            ),
            of(
                dialect,
                "10,000 unknown fields at the top",
                machine(dialect, "s", &pass(dialect, "s", None, "")).replacen(
                    '{',
                    &format!("{{{},", each(10_000, unknown, ",")),
                    1,
                ),
                Told,
            ),
            of(
                dialect,
                "100,000 states that are numbers",
                machine(
                    dialect,
                    "s",
                    &if dialect == Asl {
                        each(60_000, |n| format!("\"{n}\": 0"), ",")
                    } else {
                        vec!["0"; 100_000].join(",")
                    },
                ),
                Told,
            ),
            of(
                dialect,
                "problems below a name of 400,000 letters",
                machine(dialect, "s", &pass(dialect, "s", None, &in_long)),
                Told,
            ),
            of(
                dialect,
                "problems below 80 long names",
                machine(dialect, "s", &pass(dialect, "s", None, &in_deep)),
                Told,
            ),
            of(
                dialect,
                "5,000 choices of nothing",
                objects(&match dialect {
                    Fdl => format!(
                        "{{Type: Choice, Name: c, Default: s, Branches: [{}]}}",
                        vec!["{}"; 5_000].join(",")
                    ),
                    FdlLegacy => {
                        format!("{{type: choice, name: c, choices: [{}]}}", vec!["{}"; 5_000].join(","))
                    }
                    Asl => format!(
                        "\"c\": {{\"Type\": \"Choice\", \"Default\": \"s\", \"Choices\": [{}]}}",
                        vec!["{}"; 5_000].join(",")
                    ),
                }),
                Told,
            ),
            of(dialect, "another language", machine(if dialect == Asl { Fdl } else { Asl }, "s", "a"), Told),
        ]);
        for text in [
            "null",
            "1",
            "a",
            "[]",
            "{}",
            "{States: []}",
            "{States: {}}",
            "{StartAt: {}, States: {a: null}}",
            "{steps: {}}",
            "{steps: [null, 1, [], {}]}",
            "{Type: [], States: [{}, null]}",
        ] {
            cases.push(of(dialect, text, text.to_owned(), Told));
        }
    }
    cases
}

pub(super) fn expressions() -> Vec<Case> {
    let fdl = |expression: &str| {
        let text = expression.replace('\\', "\\\\").replace('"', "\\\"");
        machine(
            Fdl,
            "s",
            &format!("{{Type: Pass, Name: s, End: true, OutputConstructor: {{\"t.$\": \"{text}\"}}}}"),
        )
    };
    let legacy = |condition: &str| {
        machine(
            FdlLegacy,
            "s",
            &format!(
                "{{type: choice, name: c, choices: [{{condition: \"{condition}\", goto: s}}], default: {{goto: s}}}}, {{type: succeed, name: s}}"
            ),
        )
    };
    let path = |path: &str| machine(Asl, "s", &pass(Asl, "s", None, &format!(", \"InputPath\": \"{path}\"")));
    let call = |call: &str| {
        machine(Asl, "s", &pass(Asl, "s", None, &format!(", \"Parameters\": {{\"a.$\": \"{call}\"}}")))
    };
    let jsonata = |query: &str| {
        machine(Asl, "s", &pass(Asl, "s", None, &format!(", \"Output\": \"{{% {query} %}}\""))).replacen(
            '{',
            "{\"QueryLanguage\": \"JSONata\", ",
            1,
        )
    };
    let large = 900_000;
    let mut cases = Vec::new();
    for (name, expression) in [
        ("1,000 parentheses", "(".repeat(1_000) + "1" + &")".repeat(1_000)),
        ("500,000 parentheses", "(".repeat(large)),
        ("1,000 negations", "!".repeat(1_000) + "true"),
        ("900,000 negations", "!".repeat(large)),
        ("900,000 minus signs", "-".repeat(large)),
        ("400,000 lists", "[".repeat(large)),
        ("100,000 conjunctions", vec!["true"; 100_000].join("&&")),
        ("100,000 alternations", vec!["1 == 1"; 100_000].join("||")),
        ("a chain of comparisons", vec!["1"; 100_000].join("==")),
        ("a path of 300,000 names", format!("$Input{}", ".a".repeat(300_000))),
        ("a path of 200,000 positions", format!("$Input{}", "[0]".repeat(200_000))),
        ("a path of 200,000 stars", format!("$Input{}", "[*]".repeat(200_000))),
        ("a string of 900,000 letters", format!("'{}'", "x".repeat(large))),
        ("a number of 900,000 digits", "9".repeat(large)),
        ("100,000 arguments", format!("toArray({})", vec!["1"; 100_000].join(","))),
        ("1,000 calls", "length(".repeat(1_000) + "1" + &")".repeat(1_000)),
        ("900,000 letters", "x".repeat(large)),
        ("a string that never ends", format!("'{}", "x".repeat(large))),
    ] {
        cases.push(of(Fdl, name, fdl(&expression), Told));
        cases.push(of(FdlLegacy, name, legacy(&expression.replace("$Input", "$").replace('\\', "")), Told));
    }
    for (name, text) in [
        ("a path of 300,000 names", format!("${}", ".a".repeat(300_000))),
        ("a path of 200,000 positions", format!("${}", "[0]".repeat(200_000))),
        ("a path of 200,000 stars", format!("${}", "[*]".repeat(200_000))),
        ("a path of 300,000 descents", format!("${}", "..a".repeat(250_000))),
        ("a filter of 900,000 parentheses", format!("$[?{}", "(".repeat(large))),
        ("1,000 filters within filters", format!("$.a{}{}", "[?(@.a".repeat(1_000), ")]".repeat(1_000))),
        ("900,000 negations in a filter", format!("$[?({}@.a)]", "!".repeat(large))),
        ("100,000 conjunctions in a filter", format!("$[?({})]", vec!["@.a == 1"; 80_000].join("&&"))),
        ("a pattern that explodes", "$[?(@.a =~ /(((a{100}){100}){100}){100}/)]".to_owned()),
        ("300,000 positions in one", format!("$[{}]", vec!["0"; 300_000].join(","))),
        ("only dots", format!("${}", ".".repeat(large))),
        ("only dollars", "$".repeat(large)),
    ] {
        cases.push(of(Asl, name, path(&text), Told));
        cases.push(of(Asl, &format!("{name}, in a template"), call(&text), Told));
    }
    for (name, text) in [
        ("1,000 calls", "States.Array(".repeat(1_000) + "1" + &")".repeat(1_000)),
        ("70,000 open calls", "States.Array(".repeat(70_000)),
        ("200,000 arguments", format!("States.Array({})", vec!["1"; 200_000].join(","))),
        ("a call with a string that never ends", format!("States.Format('{}", "x".repeat(large))),
        ("900,000 parentheses", format!("States.Array{}", "(".repeat(large))),
        ("900,000 blanks", format!("States.Array({}", " ".repeat(large))),
    ] {
        cases.push(of(Asl, name, call(&text), Told));
    }
    for (name, text) in [
        ("JSONata: 900,000 parentheses", "(".repeat(large)),
        ("JSONata: 10,000 parentheses", "(".repeat(10_000) + "1" + &")".repeat(10_000)),
        ("JSONata: 900,000 lists", "[".repeat(large)),
        ("JSONata: 900,000 objects", "{".repeat(large)),
        ("JSONata: 900,000 minus signs", "-".repeat(large)),
        ("JSONata: 100,000 sums", vec!["1"; 100_000].join("+")),
        ("JSONata: 100,000 conditions", "1?1:".repeat(100_000) + "1"),
        ("JSONata: 100,000 functions", "function($a){".repeat(60_000)),
        ("JSONata: a path of 300,000 names", vec!["a"; 300_000].join(".")),
        ("JSONata: 200,000 predicates", format!("a{}", "[0]".repeat(200_000))),
        ("JSONata: a comment that never ends", format!("/*{}", "x".repeat(large))),
        ("JSONata: a string of 900,000 letters", format!("'{}'", "x".repeat(large))),
        ("JSONata: 100,000 assignments", format!("({})", "$a:=1;".repeat(100_000))),
        ("JSONata: a chain of assignments", "$a:=".repeat(100_000) + "1"),
        ("JSONata: a chain of applications", format!("1{}", "~>$f".repeat(100_000))),
        ("JSONata: a regular expression", "/(a{100}){100}{100}/".to_owned()),
    ] {
        cases.push(of(Asl, name, jsonata(&text), Told));
    }
    cases
}
