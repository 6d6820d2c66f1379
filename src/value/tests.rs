use proptest::prelude::*;

use super::*;

/// Any value of modest size.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |n| Number::from_f64(n).map(Value::Number)),
        "\\PC{0,8}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,4}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_round_trip_keeps_value_and_size(value in any_value()) {
        let text = value.to_json();
        prop_assert_eq!(text.len(), value.bytes());
        prop_assert_eq!(depth_of_text(text.as_bytes()), value.depth());
        prop_assert_eq!(Value::parse(&text).unwrap(), value);
    }

    #[test]
    fn excerpt_is_a_prefix_of_the_json(value in any_value(), max in 0_usize..40) {
        let excerpt = value.excerpt(max);
        let text = value.to_json();
        match excerpt.strip_suffix('…') {
            Some(head) if text != excerpt => prop_assert!(head.chars().count() <= max),
            _ => prop_assert_eq!(excerpt, text),
        }
    }
}

#[test]
fn numbers_compare_by_value() {
    let cases = [("1", "1.0", true), ("0", "-0.0", true), ("18446744073709551615", "-1", false)];
    for (a, b, equal) in cases {
        assert_eq!(Value::parse(a).unwrap() == Value::parse(b).unwrap(), equal, "{a} == {b}");
    }
    assert_eq!(Value::parse("3.0").unwrap().as_i64(), Some(3));
    assert_eq!(Value::parse("3.5").unwrap().as_i64(), None);
    assert_eq!(Value::parse("1e300").unwrap().as_i64(), None);
}

#[test]
fn equal_values_have_equal_canonical_text() {
    let text = |json: &str| Value::parse(json).unwrap().to_canonical_json();
    assert_eq!(text(r#"{"b": 1.0, "a": [{"y": null, "x": 2.5}]}"#), r#"{"a":[{"x":2.5,"y":null}],"b":1}"#);
    assert_eq!(text(r#"{"a": 1, "b": 2}"#), text(r#"{"b": 2.0, "a": 1}"#));
}

#[test]
fn a_text_nested_too_deep_is_refused_before_it_is_decoded() {
    let at_limit = "[".repeat(100) + &"]".repeat(100);
    assert_eq!(Value::parse(&at_limit).unwrap().depth(), DEPTH_MAX);
    let text = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(matches!(Value::parse(&text), Err(ParseError::TooDeep { depth: 100_000 })));
}

#[test]
fn objects_keep_their_order_and_share_on_clone() {
    let value = Value::parse(r#"{"b": 1, "a": {"d": null, "c": []}}"#).unwrap();
    assert_eq!(value.to_json(), r#"{"b":1,"a":{"d":null,"c":[]}}"#);
    let object = value.as_object().unwrap();
    assert_eq!(object.identity(), object.clone().identity());
    let merged = object.merged(&[("b", Value::Null), ("e", Value::from(true))].into_iter().collect());
    assert_eq!(Value::Object(merged).to_json(), r#"{"b":null,"a":{"d":null,"c":[]},"e":true}"#);
}
