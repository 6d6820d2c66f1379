use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const CREATED: &str = "2025-12-31T23:00:00Z";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    case: String,
    schedule: String,
    time_zone: Option<String>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    offset_seconds: Option<i64>,
    after: Timestamp,
    /// The times that follow, all there are where there are fewer than asked for.
    times: Vec<Timestamp>,
    /// Whether nothing follows them.
    #[serde(default)]
    is_over: bool,
}

fn terms(case: &Case) -> Terms {
    Terms {
        time_zone: case.time_zone.clone(),
        start_time: case.start_time,
        end_time: case.end_time,
        offset_seconds: case.offset_seconds,
        ..Terms::default()
    }
}

fn cases() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("cases.yaml")).unwrap()
}

#[test]
fn times_are_those_of_the_table() {
    let cases = cases();
    assert!(cases.len() > 30, "{}", cases.len());
    for case in cases {
        let recurrence = Recurrence::new(&case.schedule, &terms(&case), CREATED.parse().unwrap()).unwrap();
        let mut found = Vec::new();
        let mut after = case.after;
        while found.len() < case.times.len()
            && let Some(next) = recurrence.next(after)
        {
            found.push(next);
            after = next;
        }
        assert_eq!(found, case.times, "{}", case.case);
        assert_eq!(case.is_over, recurrence.next(after).is_none(), "{}", case.case);
        // Looked at from their end they are the same.
        if let Some(last) = case.times.last() {
            let back = recurrence.between(case.after, *last, case.times.len() + 1);
            assert_eq!(back, case.times, "{} from its end", case.case);
        }
    }
}

#[test]
fn what_cannot_be_read_is_said_with_what_can_be() {
    for (schedule, zone, says) in [
        ("99 * * * *", "Etc/UTC", "schedule `99 * * * *` cannot be used"),
        ("* * *", "Etc/UTC", "it has 3 fields, and five or six are needed"),
        ("0 0 0 1 1 ? 2026", "Etc/UTC", "it has 7 fields"),
        ("cron(0 3 * * ?)", "Etc/UTC", "it has 5 fields, and six are needed"),
        ("@fortnightly", "Etc/UTC", "@fortnightly"),
        ("@every", "Etc/UTC", "`` is no duration"),
        ("@every soon", "Etc/UTC", "`soon` is no duration"),
        ("@every 500ms", "Etc/UTC", "a whole number of seconds"),
        ("@every -5s", "Etc/UTC", "from one to a year"),
        ("rate(1 month)", "Etc/UTC", "is no duration"),
        ("rate(0 minutes)", "Etc/UTC", "from one to a year"),
        ("0 0 30 2 *", "Etc/UTC", "no such time ever comes"),
        ("cron(0 0 1 1 ? 2020)", "Etc/UTC", "no such time ever comes"),
        ("0 3 * * *", "Mars/Olympus", "timeZone `Mars/Olympus` is none of IANA's"),
    ] {
        let terms = Terms { time_zone: Some(zone.to_owned()), ..Terms::default() };
        let said = Recurrence::new(schedule, &terms, CREATED.parse().unwrap()).unwrap_err();
        assert!(said.contains(says), "{schedule}: {said}");
        assert!(zone != "Etc/UTC" || said.contains("rate(5 minutes)"), "{schedule}: {said}");
    }
    let long = "7".repeat(250);
    let said = Recurrence::new(&long, &Terms::default(), CREATED.parse().unwrap()).unwrap_err();
    assert!(!said.contains(&"7".repeat(65)), "{said}");
}

proptest! {
    #[test]
    fn nothing_that_is_written_panics(
        text in r"(cron\(|rate\(|@every |@)?([-0-9*/,?LW#+A-Z]{0,8} ?){0,8}\)?",
        at in 0_i64..4_102_444_800,
    ) {
        let created = Timestamp::from_second(at).unwrap();
        if let Ok(recurrence) = Recurrence::new(&text, &Terms::default(), created) {
            let _ = recurrence.next(created);
            let _ = recurrence.between(created, Timestamp::from_second(at + 86_400).unwrap(), 3);
        }
    }

    #[test]
    fn the_same_times_are_found_forwards_and_backwards(
        schedule in prop::sample::select(vec![
            "30 2 * * *", "*/20 * * * *", "0 1-3 * * *", "15 */30 0-4 * * SUN", "0 0 L * *", "@every 47m",
            "cron(30 1,2 ? * * *)", "@daily",
        ]),
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Etc/UTC"]),
        at in 1_740_000_000_i64..1_800_000_000,
    ) {
        let terms = Terms { time_zone: Some(zone.to_owned()), ..Terms::default() };
        let (from, until) = (Timestamp::from_second(at).unwrap(), Timestamp::from_second(at + 2 * 86_400).unwrap());
        let recurrence = Recurrence::new(schedule, &terms, Timestamp::from_second(1_700_000_000).unwrap()).unwrap();
        let mut forwards = Vec::new();
        let mut after = from;
        while let Some(next) = recurrence.next(after).filter(|next| *next <= until) {
            prop_assert!(next > after);
            forwards.push(next);
            after = next;
        }
        prop_assert_eq!(recurrence.between(from, until, 10_000), forwards);
    }
}
