//! Laws that hold for random programs and random orders of events.

use proptest::prelude::*;

use super::*;
use crate::ir::{
    Access, Batch, Catcher, Jitter, Next, Pattern, Retrier, Tolerance, Until, VariableScope, Variables,
};

/// The shape of a random scope.
#[derive(Clone, Debug)]
enum Shape {
    Pass,
    Task { retries: u32, is_caught: bool, is_askable: bool, completion: Completion },
    Wait(u32),
    Parallel { branches: Vec<Vec<Shape>>, retries: u32 },
    Map { items: usize, body: Vec<Shape>, more: More },
}

/// What a random Map has beyond elements and a body.
#[derive(Clone, Copy, Debug)]
struct More {
    reads: bool,
    writes: bool,
    is_isolated: bool,
    is_keyed: bool,
    tolerated: usize,
    batch: usize,
    retries: u32,
}

fn any_more() -> impl Strategy<Value = More> {
    let flag = || prop::bool::weighted(0.3);
    (flag(), flag(), any::<bool>(), flag(), 0_usize..3, 0_usize..4, 0_u32..2).prop_map(
        |(reads, writes, is_isolated, is_keyed, tolerated, batch, retries)| More {
            reads,
            writes,
            is_isolated,
            is_keyed,
            tolerated,
            batch,
            retries,
        },
    )
}

fn any_shape() -> impl Strategy<Value = Vec<Shape>> {
    let completion =
        prop_oneof![Just(Completion::Response), Just(Completion::Job), Just(Completion::Callback)];
    let leaf = prop_oneof![
        Just(Shape::Pass),
        (0_u32..3, any::<bool>(), prop::bool::weighted(0.8), completion).prop_map(
            |(retries, is_caught, is_askable, completion)| Shape::Task {
                retries,
                is_caught,
                is_askable,
                completion
            }
        ),
        (0_u32..20).prop_map(Shape::Wait),
    ];
    let shape = leaf.prop_recursive(3, 24, 3, |inner| {
        let body = prop::collection::vec(inner, 1..3);
        prop_oneof![
            (prop::collection::vec(body.clone(), 1..4), 0_u32..2)
                .prop_map(|(branches, retries)| Shape::Parallel { branches, retries }),
            (0_usize..5, body, any_more()).prop_map(|(items, body, more)| Shape::Map { items, body, more }),
        ]
    });
    prop::collection::vec(shape, 1..4)
}

fn retry(max_attempts: u32) -> Vec<Retrier> {
    vec![Retrier {
        errors: vec![Pattern::Any],
        max_attempts,
        interval_seconds: 3,
        backoff_rate: 2.0,
        max_delay_seconds: Some(10),
        jitter: Jitter::Full,
    }]
}

fn map_of(items: usize, body: ScopeIdx, more: More) -> Map {
    let elements = match more.is_keyed {
        true => Value::Object((0..items).map(|number| (format!("k{number}"), Value::from(number))).collect()),
        false => (0..items).map(Value::from).collect(),
    };
    let access = |resource: &str, arguments| Access { resource: resource.into(), arguments };
    Map {
        reader: more.reads.then(|| access("read", None)),
        takes_objects: true,
        items_max: Some(Expr::Literal(Value::from(4_u32))),
        item: Some(object(vec![
            ("item", Expr::Root(Root::Item)),
            ("key", Expr::Root(Root::ItemKey)),
            ("from", Expr::Root(Root::ItemSource)),
            ("id", Expr::Call(crate::expr::Function::Uuid, vec![])),
        ])),
        batch: (more.batch > 0).then(|| Batch {
            items_max: Some(Expr::Literal(Value::from(more.batch))),
            bytes_max: Some(literal("200")),
            input: (more.batch > 1).then(|| Expr::Root(Root::Input)),
        }),
        concurrency: Some(literal("2")),
        is_isolated: more.is_isolated,
        tolerance: Some(Tolerance {
            count: Some(Expr::Literal(Value::from(more.tolerated))),
            percentage: None,
        }),
        writer: more.writes.then(|| access("write", Some(object(vec![("r", Expr::Root(Root::Result))])))),
        ..Map::over(Expr::Literal(elements), body)
    }
}

fn scope_of(builder: &mut Builder, handover: Handover, shapes: &[Shape]) -> ScopeIdx {
    let mut scope = ScopeBuilder::new(handover);
    let positions: Vec<_> = (0..shapes.len()).map(|number| scope.declare(format!("S{number}"))).collect();
    for (number, shape) in shapes.iter().enumerate() {
        let next = positions.get(number + 1).map_or(Next::End, |next| Next::State(*next));
        let output = Some(object(vec![(
            "seen",
            Expr::Call(
                crate::expr::Function::Hash,
                vec![
                    Expr::Array(vec![Expr::Root(Root::Input), Expr::Root(Root::Result)]),
                    literal("\"MD5\""),
                ],
            ),
        )]));
        let variables = Some(Variables {
            scope: if number % 2 == 0 { VariableScope::Run } else { VariableScope::Instance },
            values: object(vec![
                ("last", Expr::Root(Root::StateName)),
                ("id", Expr::Call(crate::expr::Function::Uuid, vec![])),
            ]),
        });
        let state = match shape {
            Shape::Pass => State::new("", Kind::Pass { result: None }),
            Shape::Wait(seconds) => {
                State::new("", Kind::Wait(Until::Seconds(Expr::Literal(Value::from(*seconds)))))
            }
            Shape::Task { retries, is_caught, is_askable, completion } => {
                let target = positions[(number + 1).min(positions.len() - 1)];
                // The last one has nothing behind it to lead to.
                let catch = (*is_caught && number + 1 < positions.len()).then(|| Catcher {
                    errors: vec![Pattern::Any],
                    output: None,
                    variables: None,
                    next: target,
                });
                let kind = Kind::Task {
                    resource: "r".into(),
                    arguments: (!is_askable)
                        .then(|| Expr::Call(crate::expr::Function::Length, vec![literal("3")])),
                    completion: *completion,
                    timeout: Some(literal("50")),
                    heartbeat: (*completion == Completion::Callback).then(|| literal("20")),
                };
                State { retry: retry(*retries), catch: catch.into_iter().collect(), ..State::new("", kind) }
            }
            Shape::Parallel { branches, retries } => {
                let branches = branches.iter().map(|branch| scope_of(builder, handover, branch)).collect();
                State {
                    retry: retry(*retries),
                    ..State::new("", Kind::Parallel { arguments: None, branches })
                }
            }
            Shape::Map { items, body, more } => {
                let body = scope_of(builder, handover, body);
                let kind = Kind::Map(Box::new(map_of(*items, body, *more)));
                State { retry: retry(more.retries), ..State::new("", kind) }
            }
        };
        scope.define(positions[number], State { next, output, variables, ..state });
    }
    builder.scope(scope, positions[0]).unwrap()
}

fn program_of(handover: Handover, shapes: &[Shape]) -> Program {
    let mut builder = Builder::new(ERRORS, Limits { wait_seconds_max: 100, ..LIMITS });
    let root = scope_of(&mut builder, handover, shapes);
    builder.build(None, root, Boundary::default()).unwrap()
}

/// One choice of what happens next.
#[derive(Clone, Copy, Debug)]
struct Choice {
    pick: usize,
    what: u8,
}

fn any_choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec((any::<usize>(), any::<u8>()).prop_map(|(pick, what)| Choice { pick, what }), 0..60)
}

/// What a choice means for the run as it stands.
fn event_of(choice: Choice, program: &Program, run: &Run, now: &mut Timestamp) -> Event {
    let tasks = run.outstanding(program);
    let id = || match tasks.len() {
        0 => TaskId::from("S0@1"),
        count => tasks[choice.pick % count].id.clone(),
    };
    let named = |name: &str| TaskError {
        name: TaskErrorName::Named(name.into()),
        cause: None,
        retry_after_seconds: None,
    };
    match choice.what % 16 {
        0..=6 => Event::Task { id: id(), report: Report::Succeeded(json(r#"{"ok": 1}"#)) },
        7 => Event::Task { id: id(), report: Report::Failed(named("E")) },
        8 => Event::Task { id: id(), report: Report::Accepted(Value::Null) },
        9 => Event::Task { id: id(), report: Report::Heartbeat },
        // Most often nobody's; where it is somebody's, it is answered as all are.
        10 => Event::Task { id: "S0/1/S0@1".into(), report: Report::Succeeded(json(r#"{"ok": 1}"#)) },
        11 if choice.pick.is_multiple_of(8) => Event::Stop(Stop::new(StopMode::Cancel)),
        12 if choice.pick.is_multiple_of(16) => Event::Stop(Stop::new(StopMode::Terminate)),
        13 if choice.pick.is_multiple_of(2) => Event::Suspend,
        14 | 15 if matches!(run.status(), Status::Suspended(_)) => Event::Resume,
        _ if run.outcome().is_some() && choice.pick.is_multiple_of(2) => Event::Redrive { stop: None },
        _ => {
            let ahead = i64::try_from(choice.pick % 30).unwrap();
            let passed = *now + jiff::SignedDuration::from_secs(ahead);
            *now = match run.next_wake(program) {
                Some(wake) if choice.what.is_multiple_of(2) => wake.max(*now),
                _ => passed,
            };
            Event::Tick
        }
    }
}

fn take(program: &Program, run: Run, now: Timestamp, event: Event) -> Step {
    step(program, run, now, event, &key()).unwrap()
}

fn success(id: &TaskId) -> Event {
    Event::Task { id: id.clone(), report: Report::Succeeded(json(r#"{"ok": 1}"#)) }
}

/// Lets everything that is out succeed and all time pass.
fn finish(program: &Program, run: Run, now: Timestamp) -> Run {
    finish_counting(program, run, now).0
}

/// The same, and how many tasks that were; nothing where any of it failed meanwhile.
fn finish_counting(program: &Program, mut run: Run, mut now: Timestamp) -> (Run, Option<usize>) {
    let (mut count, mut has_failed) = (0, run.progress().retries > 0);
    for _ in 0..10_000 {
        if run.outcome().is_some() {
            return (run, (!has_failed).then_some(count));
        }
        let event = match run.outstanding(program).into_iter().next() {
            _ if matches!(run.status(), Status::Suspended(_)) => Event::Resume,
            Some(task) => {
                count += 1;
                success(&task.id)
            }
            None => {
                now = now.max(run.next_wake(program).expect("a run without tasks waits for time"));
                Event::Tick
            }
        };
        let step = take(program, run, now, event);
        has_failed |= step.run.progress().retries > 0;
        has_failed |= step.history.iter().any(|event| matches!(event.kind, HistoryKind::StateFailed { .. }));
        run = step.run;
    }
    panic!("the run does not end: {run:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Equal events give equal runs, commands and history, whether the run stays in memory or is
    /// stored and read back between any two of them.
    #[test]
    fn a_run_is_a_function_of_its_events(shapes in any_shape(), choices in any_choices(), merge in any::<bool>()) {
        let program = program_of(if merge { Handover::Merge } else { Handover::Replace }, &shapes);
        let fresh = Run::new(execution(r#"{"k": 1}"#));
        let mut kept = take(&program, fresh.clone(), at(0), Event::Start);
        let mut stored = take(&program, fresh, at(0), Event::Start);
        let mut now = at(0);
        for choice in choices {
            prop_assert_eq!(&kept, &stored);
            let event = event_of(choice, &program, &kept.run, &mut now);
            let text = snapshot::encode(&stored.run);
            let decoded = snapshot::decode(&text, &program).unwrap();
            prop_assert_eq!(snapshot::encode(&decoded), text);
            kept = take(&program, kept.run, now, event.clone());
            stored = take(&program, decoded, now, event);
        }
        prop_assert_eq!(&kept, &stored);
    }

    /// Where its values are stored is not seen by a run: in its snapshot, in parts that were kept in
    /// memory, or in parts that were read anew.
    #[test]
    fn a_run_does_not_see_where_its_values_are_stored(shapes in any_shape(), choices in any_choices(), turns in prop::collection::vec(0_u8..4, 1..8)) {
        let program = program_of(Handover::Merge, &shapes);
        let fresh = Run::new(execution(r#"{"k": "what is long enough to be known again"}"#));
        let mut kept = take(&program, fresh.clone(), at(0), Event::Start);
        let mut stored = take(&program, fresh, at(0), Event::Start);
        let mut parts: Vec<snapshot::Part> = Vec::new();
        let mut now = at(0);
        for (choice, turn) in choices.into_iter().zip(turns.iter().cycle()) {
            let event = event_of(choice, &program, &kept.run, &mut now);
            let encoded = match turn {
                0 => snapshot::encode_apart(&stored.run, &parts),
                _ => snapshot::encode_beside(&stored.run, &parts),
            };
            parts = encoded.parts.clone();
            if *turn == 1 {
                let read = |part: &snapshot::Part| snapshot::Part::read("0000-0001", &part.to_json()).unwrap();
                let again: Vec<_> = parts.iter().map(read).collect();
                let keys = |parts: &[snapshot::Part]| parts.iter().map(|part| part.key().to_owned()).collect::<Vec<_>>();
                prop_assert_eq!(keys(&again), keys(&parts));
                parts = again;
            }
            let decoded = snapshot::decode_beside(&encoded.text, &program, &parts).unwrap();
            prop_assert_eq!(&decoded, &kept.run);
            // What was not touched is not written again.
            let again = snapshot::encode_beside(&decoded, &parts);
            prop_assert_eq!(&again.text, &encoded.text);
            prop_assert_eq!(again.held_bytes, encoded.held_bytes);
            if !parts.is_empty() {
                prop_assert!(snapshot::decode(&encoded.text, &program).is_err());
            }
            kept = take(&program, kept.run, now, event.clone());
            stored = take(&program, decoded, now, event);
        }
        prop_assert_eq!(&kept, &stored);
    }

    /// Telling the same news twice is telling it once, and old news is no news.
    #[test]
    fn events_that_are_told_again_change_nothing(shapes in any_shape(), choices in any_choices()) {
        let program = program_of(Handover::Replace, &shapes);
        let mut run = take(&program, Run::new(execution("{}")), at(0), Event::Start).run;
        let mut now = at(0);
        let mut told = Vec::new();
        for choice in choices {
            let event = event_of(choice, &program, &run, &mut now);
            let outcome = |event: &Event| match event {
                Event::Task { report: Report::Succeeded(_) | Report::Failed(_), .. } => Some(event.clone()),
                _ => None,
            };
            run = take(&program, run, now, event.clone()).run;
            told.extend(outcome(&event));
            for old in &told {
                let again = take(&program, run.clone(), now, old.clone());
                if let Event::Task { id, .. } = old {
                    // The same attempt is never out twice.
                    let is_out = run.outstanding(&program).iter().any(|task| task.id == *id);
                    prop_assert!(!is_out || event.clone() != *old, "{id} is out again");
                    if !is_out {
                        prop_assert!(!again.is_changed);
                        prop_assert_eq!(again.run, run.clone());
                    }
                }
            }
        }
    }

    /// Commands agree with what the run says is out, everything comes to an end, and the order in
    /// which answers arrive is not seen in the output.
    #[test]
    fn every_run_ends_and_owes_nothing(shapes in any_shape(), choices in any_choices()) {
        let program = program_of(Handover::Replace, &shapes);
        let first = take(&program, Run::new(execution("{}")), at(0), Event::Start);
        let undisturbed = finish(&program, first.run.clone(), at(0));
        let mut out: std::collections::BTreeSet<TaskId> = std::collections::BTreeSet::new();
        let (mut run, mut commands, mut now) = (first.run, first.commands, at(0));
        let mut is_disturbed = false;
        for choice in choices {
            for command in commands {
                match command {
                    Command::Start(task) => prop_assert!(out.insert(task.id)),
                    Command::Cancel { id, is_awaited } => prop_assert!(is_awaited || out.remove(&id), "{id}"),
                }
            }
            let is_out: std::collections::BTreeSet<_> =
                run.outstanding(&program).into_iter().map(|task| task.id).collect();
            // Of a run that stands still some tasks wait for it to go on.
            if !matches!(run.status(), Status::Suspended(_)) {
                out.retain(|id| is_out.contains(id));
                prop_assert_eq!(&out, &is_out);
            }
            let event = event_of(choice, &program, &run, &mut now);
            is_disturbed |= !matches!(&event, Event::Suspend | Event::Resume | Event::Task { report: Report::Succeeded(_) | Report::Heartbeat | Report::Accepted(_), .. });
            is_disturbed |= matches!(&event, Event::Task { report: Report::Accepted(_), .. });
            let step = take(&program, run, now, event);
            (run, commands) = (step.run, step.commands);
        }
        let ended = finish(&program, run, now);
        prop_assert!(ended.outstanding(&program).is_empty());
        prop_assert_eq!(ended.next_wake(&program), None);
        prop_assert!(ended.events() <= LIMITS.events_max + 100);
        if !is_disturbed {
            prop_assert_eq!(ended.outcome(), undisturbed.outcome());
        }
    }

    /// A run that was stopped anywhere and goes on does what is left and nothing twice.
    #[test]
    fn a_redriven_run_does_what_is_left(shapes in any_shape(), before in 0_usize..12, picks in prop::collection::vec(any::<usize>(), 16), mode in prop_oneof![Just(StopMode::Cancel), Just(StopMode::Terminate)]) {
        let program = program_of(Handover::Replace, &shapes);
        let begun = take(&program, Run::new(execution("{}")), at(0), Event::Start);
        let has_failed = begun.history.iter().any(|event| matches!(event.kind, HistoryKind::StateFailed { .. }));
        let begun = begun.run;
        let (undisturbed, all) = finish_counting(&program, begun.clone(), at(0));
        let (mut run, mut done, mut now) = (begun, 0, at(0));
        for pick in picks.iter().take(before) {
            let tasks = run.outstanding(&program);
            let event = match tasks.get(pick.checked_rem(tasks.len()).unwrap_or_default()) {
                Some(task) => success(&task.id),
                None => {
                    now = run.next_wake(&program).map_or(now, |wake| wake.max(now));
                    Event::Tick
                }
            };
            done += usize::from(event != Event::Tick);
            run = take(&program, run, now, event).run;
        }
        run = take(&program, run, now, Event::Stop(Stop::new(mode))).run;
        for (number, task) in run.outstanding(&program).into_iter().enumerate() {
            // What reads and writes for a Map does so again.
            let is_done = picks[number % picks.len()].is_multiple_of(2) && !task.id.as_str().contains("#read@") && !task.id.as_str().contains("#write@");
            let failed = Report::Failed(TaskError::named("E", "it was canceled"));
            let event = if is_done { success(&task.id) } else { Event::Task { id: task.id, report: failed } };
            done += usize::from(is_done);
            run = take(&program, run, now, event).run;
        }
        let stored = snapshot::decode(&snapshot::encode(&run), &program).unwrap();
        prop_assert_eq!(&stored, &run);
        run = take(&program, stored, now, Event::Redrive { stop: None }).run;
        let (ended, left) = finish_counting(&program, run, now);
        // What fails by itself is done again, as often as that is tolerated.
        if let (Some(Outcome::Succeeded(_)), Some(all), false) = (undisturbed.outcome(), all, has_failed) {
            prop_assert!(matches!(ended.outcome(), Some(Outcome::Succeeded(_))), "{:?}", ended.outcome());
            prop_assert_eq!(left.map(|left| done + left), Some(all));
        }
    }

    /// Whatever stands in a stored run, reading it is an error at worst.
    #[test]
    fn a_stored_run_that_was_tampered_with_is_refused(shapes in any_shape(), cut in any::<prop::sample::Index>(), with in "[0-9{}\\[\\],:\"a-z]{0,4}") {
        let program = program_of(Handover::Replace, &shapes);
        let run = take(&program, Run::new(execution("{}")), at(0), Event::Start).run;
        let text = snapshot::encode(&run);
        let at_byte = cut.index(text.len());
        let tampered = format!("{}{with}{}", &text[..at_byte], &text[(at_byte + with.len()).min(text.len())..]);
        if let Ok(decoded) = snapshot::decode(&tampered, &program) {
            // It still is a run that can be moved.
            let _ = step(&program, decoded, at(99), Event::Tick, &key());
        }
    }
}

#[test]
fn a_newer_stored_form_is_refused_by_name() {
    let error =
        snapshot::decode(r#"{"v": 3, "whatever": []}"#, &program_of(Handover::Replace, &[Shape::Pass]));
    assert!(error.unwrap_err().to_string().contains("version 3 is newer than 2"));
}
