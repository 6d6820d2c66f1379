//! Requests and what is told of them.

use std::time::Duration;

use reqwest::Method;

use super::*;

fn cause(arguments: &str) -> String {
    let error = Request::from_arguments(&Value::parse(arguments).unwrap()).unwrap_err();
    error.cause.unwrap().to_string()
}

#[test]
fn a_request_is_read_from_its_parameters() {
    let arguments = r#"{"url": "http://h/p?a=1", "method": "post", "query": {"b": 2, "c": null, "d": "x y"},
        "headers": {"X-A": "1", "X-N": 3}, "body": {"k": [1]}, "timeoutSeconds": 5}"#;
    let request = Request::from_arguments(&Value::parse(arguments).unwrap()).unwrap();
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.url.as_str(), "http://h/p?a=1&b=2&d=x+y");
    assert_eq!(request.headers["x-n"], "3");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.body.as_deref(), Some(&br#"{"k":[1]}"#[..]));
    assert_eq!(request.timeout, Some(Duration::from_secs(5)));
}

#[test]
fn wrong_parameters_are_named() {
    let cases = [
        ("[]", "must be an object"),
        ("{}", "`url` is missing"),
        (r#"{"url": "ftp://h/"}"#, "only http and https"),
        (r#"{"url": "no url"}"#, "cannot be read"),
        (r#"{"url": 1}"#, "`url` must be a string"),
        (r#"{"url": "http://h", "header": {}}"#, "no parameter `header`"),
        (r#"{"url": "http://h", "headers": {"a b": "1"}}"#, "`\"a b\"` is no name of a header"),
        (r#"{"url": "http://h", "headers": {"a": "secret\n"}}"#, "value of header `a`"),
        (r#"{"url": "http://h", "headers": {"a": []}}"#, "`headers.a` must be a string"),
        (r#"{"url": "http://h", "query": []}"#, "`query` must be an object"),
        (r#"{"url": "http://h", "method": "A B"}"#, "`method` must be an HTTP method"),
        (r#"{"url": "http://h", "timeoutSeconds": 0}"#, "`timeoutSeconds` must be a whole number from 1"),
    ];
    for (arguments, expected) in cases {
        let found = cause(arguments);
        assert!(found.contains(expected), "{arguments}: {found}");
        assert!(!found.contains("secret"), "{found}");
    }
}

#[test]
fn only_a_callback_is_awaited_after_the_answer() {
    let answer = || Report::Accepted(Value::Null);
    assert_eq!(conclude(Completion::Job, answer()), Report::Succeeded(Value::Null));
    assert_eq!(conclude(Completion::Callback, answer()), answer());
    assert_eq!(conclude(Completion::Response, answer()), answer());
}

#[test]
fn credentials_of_a_url_are_not_shown() {
    let url = Url::parse("https://user:pass@h:8443/a/b?token=t#f").unwrap();
    assert_eq!(shown(&url), "https://h:8443/a/b");
    assert!(!cause(r#"{"url": "https://user:pass@"}"#).contains("pass"));
}
