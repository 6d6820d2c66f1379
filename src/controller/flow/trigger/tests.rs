use super::*;
use crate::api::Condition;

const NOW: i64 = 1_767_225_600;

fn now() -> Timestamp {
    Timestamp::from_millisecond(NOW * 1_000 + 250).unwrap()
}

fn spec(text: &str) -> FlowSpec {
    serde_json::from_str(&format!(r#"{{"definition": "", {text}}}"#)).unwrap()
}

const SCHEDULED: &str = r#""trigger": {"type": "Scheduled", "schedule": {"expression": "rate(1 hour)", "failureThreshold": 2, "input": {"b": 1, "a": 2}}}"#;

/// A look at a Flow whose definition is valid.
fn lived(spec: &FlowSpec, before: &FlowStatus, schedule: &ScheduleView) -> Life {
    life(&Subject {
        name: "f",
        generation: 4,
        spec,
        before,
        schedule,
        is_valid: true,
        latest_revision: Some(1),
        now: now(),
    })
}

fn after(life: &Life) -> FlowStatus {
    FlowStatus { flow_status: life.state, activated_at: life.activated_at, ..FlowStatus::default() }
}

fn said(life: &Life) -> (ConditionStatus, Reason) {
    let active = life.active.as_ref().unwrap();
    (active.status, active.reason)
}

/// The Schedule that the API server holds after a change.
fn own(life: &Life, ready: Option<(ConditionStatus, Reason)>) -> ScheduleView {
    let spec = match &life.change {
        ScheduleChange::Create(spec) | ScheduleChange::Replace(spec, _) => (**spec).clone(),
        change @ (ScheduleChange::Keep | ScheduleChange::Delete(..)) => panic!("{change:?}"),
    };
    let conditions = ready.map(|(status, reason)| Condition {
        type_: ConditionType::Ready,
        status,
        reason,
        message: "why".to_owned(),
        last_transition_time: now(),
        observed_generation: 1,
    });
    let status = ScheduleStatus {
        conditions: conditions.into_iter().collect(),
        observed_generation: 1,
        consecutive_failures: 2,
        ..ScheduleStatus::default()
    };
    ScheduleView::Own(Box::new(Own { uid: "u".to_owned(), version: 9, generation: 1, spec, status }))
}

#[test]
fn a_scheduled_flow_is_a_draft_until_it_is_activated() {
    let suspended = spec(&format!(r#"{SCHEDULED}, "suspend": true"#));
    let draft = lived(&suspended, &FlowStatus::default(), &ScheduleView::Absent);
    assert_eq!((draft.state, draft.activated_at, said(&draft).1), (FlowState::Draft, None, Reason::Draft));
    let ScheduleChange::Create(made) = &draft.change else { panic!("{draft:?}") };
    assert_eq!((made.suspend, made.terms.start_time, made.trigger_generation), (Some(true), None, Some(4)));
    let held = own(&draft, None);
    let activated = lived(&spec(SCHEDULED), &after(&draft), &held);
    assert_eq!((activated.state, activated.activated_at), (FlowState::Active, Some(now())));
    assert_eq!(said(&activated), (ConditionStatus::True, Reason::Activated));
    let ScheduleChange::Replace(made, 9) = &activated.change else { panic!("{activated:?}") };
    // A rate has its first time then.
    assert_eq!((made.suspend, made.terms.start_time.map(Timestamp::as_second)), (None, Some(NOW + 1)));
    let back = lived(&suspended, &after(&activated), &own(&activated, None));
    assert_eq!((back.state, back.activated_at), (FlowState::Suspended, Some(now())));
    let deprecated = spec(&format!(r#"{SCHEDULED}, "lifecycle": "Deprecated""#));
    let deprecated = lived(&deprecated, &after(&activated), &own(&activated, None));
    assert_eq!((deprecated.state, said(&deprecated).1), (FlowState::Deprecated, Reason::FlowDeprecated));
    let ScheduleChange::Replace(made, _) = &deprecated.change else { panic!("{deprecated:?}") };
    assert_eq!(made.suspend, Some(true));
}

#[test]
fn a_schedule_that_gives_up_makes_its_flow_errored_until_it_is_changed() {
    let flow = spec(SCHEDULED);
    let first = lived(&flow, &FlowStatus::default(), &ScheduleView::Absent);
    let gave_up = own(&first, Some((ConditionStatus::False, Reason::FailureThresholdReached)));
    let errored = lived(&flow, &after(&first), &gave_up);
    assert_eq!((errored.state, errored.consecutive_failures), (FlowState::Errored, Some(2)));
    assert_eq!(said(&errored), (ConditionStatus::False, Reason::FailureThresholdReached));
    assert_eq!(errored.change, ScheduleChange::Keep);
    let edited = Subject {
        name: "f",
        generation: 5,
        spec: &flow,
        before: &after(&errored),
        schedule: &gave_up,
        is_valid: true,
        latest_revision: Some(1),
        now: now(),
    };
    let active = life(&edited);
    assert!(matches!(active.change, ScheduleChange::Replace(..)) && is_behind(&edited));
    assert_eq!(active.state, FlowState::Active);
    let unreadable = own(&first, Some((ConditionStatus::False, Reason::InvalidSchedule)));
    let errored = lived(&flow, &after(&first), &unreadable);
    assert_eq!((errored.state, said(&errored).1), (FlowState::Errored, Reason::InvalidSchedule));
    assert_eq!(errored.active.unwrap().message, "Schedule f: why");
}

#[test]
fn a_schedule_of_somebody_else_is_left_alone_and_ones_own_is_removed() {
    let flow = spec(SCHEDULED);
    let taken = lived(&flow, &FlowStatus::default(), &ScheduleView::Foreign);
    assert_eq!((taken.state, said(&taken).1), (FlowState::Errored, Reason::NameTaken));
    assert_eq!(taken.change, ScheduleChange::Keep);
    let made = own(&lived(&flow, &FlowStatus::default(), &ScheduleView::Absent), None);
    for other in
        [r#""suspend": false"#, r#""trigger": {"type": "Event"}"#, r#""trigger": {"type": "OnDemand"}"#]
    {
        assert_eq!(
            lived(&spec(other), &FlowStatus::default(), &made).change,
            ScheduleChange::Delete("u".to_owned(), 9),
            "{other}"
        );
        let foreign = lived(&spec(other), &FlowStatus::default(), &ScheduleView::Foreign);
        assert_eq!((foreign.change, foreign.state), (ScheduleChange::Keep, FlowState::Active), "{other}");
    }
}

#[test]
fn a_schedule_is_the_same_however_its_input_is_written() {
    let flow = spec(SCHEDULED);
    let made = own(&lived(&flow, &FlowStatus::default(), &ScheduleView::Absent), None);
    let before = lived(&flow, &FlowStatus::default(), &ScheduleView::Absent);
    let turned = spec(&SCHEDULED.replace(r#"{"b": 1, "a": 2}"#, r#"{"a": 2, "b": 1}"#));
    assert_eq!(lived(&turned, &after(&before), &made).change, ScheduleChange::Keep);
    let other = spec(&SCHEDULED.replace(r#""a": 2"#, r#""a": 3"#));
    assert!(matches!(lived(&other, &after(&before), &made).change, ScheduleChange::Replace(..)));
}

#[test]
fn an_event_flow_has_the_same_life_without_a_schedule() {
    let event = r#""trigger": {"type": "Event"}"#;
    let suspended = spec(&format!(r#"{event}, "suspend": true"#));
    let draft = lived(&suspended, &FlowStatus::default(), &ScheduleView::Absent);
    assert_eq!(
        (draft.state, &draft.change, draft.consecutive_failures),
        (FlowState::Draft, &ScheduleChange::Keep, None)
    );
    let active = lived(&spec(event), &after(&draft), &ScheduleView::Absent);
    assert_eq!((active.state, active.activated_at), (FlowState::Active, Some(now())));
    assert_eq!(lived(&suspended, &after(&active), &ScheduleView::Absent).state, FlowState::Suspended);
}
