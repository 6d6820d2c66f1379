//! What a run holds beside its snapshot.

use super::*;
use crate::engine::snapshot::{Encoded, Part, decode_beside, encode, encode_apart, encode_beside};

/// A Map that asks something for each item, and then a task that is given only a small result.
fn gathering() -> Program {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let body = sequence(&mut builder, Handover::Replace, vec![task("Ask", "r")]);
    let map = Map::over(member(Root::Input, "items"), body);
    let each = State { output: Some(literal("\"done\"")), ..State::new("Each", Kind::Map(Box::new(map))) };
    let root = sequence(&mut builder, Handover::Replace, vec![each, task("Rest", "r")]);
    builder.build(None, root, Boundary::default()).unwrap()
}

/// Takes in a result without storing the run in between: what it shares with parts stays shared.
fn succeed(program: &Program, run: Run, id: &str, result: &str) -> Run {
    let event = Event::Task { id: id.into(), report: Report::Succeeded(json(result)) };
    step(program, run, at(1), event, &key()).unwrap().run
}

fn keys(encoded: &Encoded) -> Vec<String> {
    encoded.parts.iter().map(|part| part.key().to_owned()).collect()
}

/// Long, and different for each number.
fn long(number: usize) -> String {
    format!("\"{number} {}\"", "x".repeat(1_000))
}

#[test]
fn what_stands_in_a_part_is_not_written_again() {
    let items: Vec<_> = (0..6).map(|n| n.to_string()).collect();
    let mut rig = Rig::start(gathering(), &format!(r#"{{"items": [{}]}}"#, items.join(",")));
    for number in 0..3 {
        rig.succeed(&format!("Each/{number}/Ask@1"), &long(number));
    }
    let first = encode_apart(&rig.run, &[]);
    assert_eq!((first.parts.len(), first.loose_bytes), (1, 0));
    assert!(first.text.len() < 1_200 && first.held_bytes > 3_000, "{}", first.text);

    let program = &rig.program;
    let run = decode_beside(&first.text, program, &first.parts).unwrap();
    let mut run = succeed(program, run, "Each/3/Ask@1", &long(3));
    let second = encode_beside(&run, &first.parts);
    assert_eq!(keys(&second), keys(&first));
    assert!(second.loose_bytes > 1_000 && second.loose_bytes < 1_200, "{}", second.loose_bytes);
    let third = encode_apart(&run, &first.parts);
    assert_eq!(third.parts.len(), 2);
    assert_eq!(keys(&third)[0], keys(&first)[0]);
    assert!(third.parts[1].bytes() < 1_200);
    assert_eq!(encode(&decode_beside(&third.text, program, &third.parts).unwrap()), encode(&run));

    // Once nothing needs them they are not named any more.
    run = decode_beside(&third.text, program, &third.parts).unwrap();
    for number in 4..6 {
        run = succeed(program, run, &format!("Each/{number}/Ask@1"), &long(number));
    }
    assert_eq!(run.outstanding(program).len(), 1);
    let last = encode_beside(&run, &third.parts);
    assert!(last.held_bytes < 1_000, "{}", last.held_bytes);
    // The accepted input stays for as long as the run.
    assert_eq!(keys(&last), keys(&third)[..1]);
}

#[test]
fn content_that_comes_back_has_another_key() {
    let rig = Rig::start(gathering(), r#"{"items": [1]}"#);
    let first = encode_apart(&rig.run, &[]);
    let later = Run { events: rig.run.events + 1, ..rig.run };
    assert_ne!(keys(&first), keys(&encode_apart(&later, &[])));
}

#[test]
fn a_part_that_is_missing_or_something_else_is_refused() {
    let rig = Rig::start(gathering(), r#"{"items": ["what is long enough to be known again"]}"#);
    let Encoded { text, parts, .. } = encode_apart(&rig.run, &[]);
    let other = Part::read("id", r#"{"v":1,"e":1,"d":[1]}"#).unwrap();
    assert!(
        decode_beside(&text, &rig.program, &[other]).unwrap_err().to_string().contains("part is missing")
    );
    assert!(decode_beside(&text, &rig.program, &parts).is_ok());
    for (text, said) in [
        ("", "a part: "),
        ("[]", "a part: "),
        (r#"{"v":2,"e":1,"d":[]}"#, "version 2 is not 1"),
        (r#"{"v":1,"e":1,"d":7}"#, "a part: "),
    ] {
        assert!(Part::read("id", text).unwrap_err().to_string().contains(said), "{text}");
    }
}
