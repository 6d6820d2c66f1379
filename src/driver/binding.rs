//! What the resource of a task means: first the Flow's bindings, then the built-in table.

use crate::api::flow::{Binding, SecretKeyRef};
use crate::cluster::object::is_name;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::{TaskCommand, TaskError};
use crate::expr::Expr;
use crate::ir::{Kind, Program};
use crate::value::{Object, Str, Value};

use super::http::Request;
use super::http::function::FunctionCall;
use super::object_store::Operation;

/// Who does a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Executor<'b> {
    /// An HTTP request described by the task's arguments.
    Http,
    /// The same in the words of Amazon States Language.
    HttpInvoke,
    /// A store of objects.
    Store(Operation),
    /// A payload posted to what the binding names.
    Post(&'b Binding),
    /// A Job described by the task's arguments.
    Job,
    /// A Job from the binding's template.
    JobTemplate(&'b Binding),
    /// Another Execution.
    Child,
    /// Nobody.
    Unbound,
}

/// Resources that mean something without a binding.
const BUILT_IN: &[(&str, Executor<'static>)] = &[
    ("HTTP:Request", Executor::Http),
    ("Kubernetes:RunJob", Executor::Job),
    ("arn:aws*:states:::http:invoke", Executor::HttpInvoke),
    ("arn:aws*:states:::*s3:getObject", Executor::Store(Operation::Get)),
    ("arn:aws*:states:::*s3:listObjectsV2", Executor::Store(Operation::List)),
    ("arn:aws*:states:::*s3:putObject", Executor::Store(Operation::Put)),
    ("FNF:StartExecution", Executor::Child),
    ("fnf:StartExecution", Executor::Child),
    ("acs:fnf:*flow/*", Executor::Child),
    ("arn:aws*:states:::states:startExecution*", Executor::Child),
    ("OSS:GetObject", Executor::Store(Operation::Get)),
    ("OSS:ListObjects", Executor::Store(Operation::List)),
    ("OSS:PutObject", Executor::Store(Operation::Put)),
];

/// Who does a task.
#[must_use]
pub fn executor_of<'b>(task: &TaskCommand, bindings: &'b [Binding]) -> Executor<'b> {
    resolve(&task.resource, FunctionCall::of(task).and_then(|call| call.function), bindings)
}

/// Who does tasks of `resource`, which call `function` where they call one: a pattern may be about
/// either. Of several patterns that match, the longest wins, of equally long ones the first.
fn resolve<'b>(resource: &str, function: Option<&str>, bindings: &'b [Binding]) -> Executor<'b> {
    let is_about = |binding: &Binding| {
        let names = [Some(resource), function];
        names.into_iter().flatten().any(|name| matches(&binding.resource, name))
    };
    let mut found: Option<&Binding> = None;
    for binding in bindings.iter().filter(|binding| is_about(binding)) {
        if found.is_none_or(|found| found.resource.len() < binding.resource.len()) {
            found = Some(binding);
        }
    }
    if let Some(binding) = found {
        return match &binding.job_template {
            Some(_) => Executor::JobTemplate(binding),
            None => Executor::Post(binding),
        };
    }
    BUILT_IN
        .iter()
        .find(|(known, _)| matches(known, resource))
        .map_or(Executor::Unbound, |(_, executor)| executor.clone())
}

/// The request that a binding makes of a task: a POST of the event where it calls a function, of all its
/// arguments otherwise.
///
/// # Errors
/// Where the URL or a header is none.
pub fn request(
    task: &TaskCommand,
    url: &str,
    headers: &[(String, String)],
    timeout_seconds: Option<i64>,
) -> Result<Request, TaskError> {
    let timeout_seconds = timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let post = |payload: &Value| Request::post(url, headers, payload, timeout_seconds);
    match FunctionCall::of(task) {
        Some(call) => {
            // A function that is given nothing is given an object without members.
            let nothing = Value::Object(Object::default());
            post(call.event.unwrap_or(&nothing)).map(|request| request.calling(&call))
        }
        None => post(&task.arguments),
    }
}

/// What is wrong with a binding, if anything.
#[must_use]
pub fn problem(binding: &Binding) -> Option<String> {
    let targets = [binding.url.is_some(), binding.service.is_some(), binding.job_template.is_some()];
    let count = targets.iter().filter(|is_given| **is_given).count();
    let resource = &binding.resource;
    if count != 1 {
        return Some(format!(
            "the binding of `{resource}` must have exactly one of `url`, `service` and `jobTemplate`, found {count}"
        ));
    }
    if let Some(header) =
        binding.headers.iter().find(|header| header.value.is_some() == header.value_from.is_some())
    {
        return Some(format!(
            "header `{}` of the binding of `{resource}` must have exactly one of `value` and `valueFrom`",
            header.name
        ));
    }
    let secrets = binding.headers.iter().filter_map(|header| header.value_from.as_ref());
    for SecretKeyRef { name, .. } in secrets.map(|source| &source.secret_key_ref) {
        // It becomes part of a path.
        if !is_name(name) {
            return Some(format!("`{name}` in the binding of `{resource}` is no name of a Secret"));
        }
    }
    if let Some(service) = &binding.service {
        let names = [Some(&service.name), service.namespace.as_ref()];
        if let Some(name) = names.into_iter().flatten().find(|name| !is_name(name)) {
            return Some(format!(
                "`{name}` in the binding of `{resource}` is no name of a Service or namespace"
            ));
        }
    }
    match &binding.url {
        Some(url) if reqwest::Url::parse(url).is_err() => {
            Some(format!("the url of the binding of `{resource}` cannot be read"))
        }
        Some(_) | None => None,
    }
}

/// A warning for every task that nobody would do, for its resource means nothing by itself and none of
/// the bindings is about it, and for every parameter that a built-in resource would refuse. The places of
/// states are not known any more; the path is the name.
#[must_use]
pub fn warnings(program: &Program, bindings: &[Binding]) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let asked = program.states().flat_map(|state| asked(&state.kind).map(move |asked| (state, asked)));
    for (state, (resource, arguments)) in asked {
        let function = arguments.and_then(function_of);
        let known = match resolve(resource, function, bindings) {
            Executor::Http => HTTP_PARAMETERS,
            Executor::Job => JOB_PARAMETERS,
            Executor::HttpInvoke | Executor::Store(_) | Executor::Child => continue,
            Executor::Post(_) | Executor::JobTemplate(_) => continue,
            Executor::Unbound => {
                let message =
                    format!("nothing is bound to the resource `{resource}` of task `{}`", state.name);
                let bind = "bind it to a URL, a Service or a Job under `spec.bindings` of the Flow";
                let help = match closest(resource, BUILT_IN.iter().map(|(name, _)| *name)) {
                    Some(close) => format!("did you mean `{close}`? Otherwise {bind}"),
                    None => bind.to_owned(),
                };
                warnings.push(
                    Diagnostic::new(Code::UnboundResource, &*state.name, None, message).with_help(help),
                );
                continue;
            }
        };
        let names = arguments.into_iter().flat_map(member_names);
        for name in names.filter(|name| !known.contains(name)) {
            let message = format!("`{resource}` of task `{}` has no parameter `{name}`", state.name);
            let help = match closest(name, known.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("there are {}", known.join(", ")),
            };
            let warning = Diagnostic::new(Code::UnknownParameter, &*state.name, None, message);
            warnings.push(warning.with_help(help));
        }
    }
    warnings
}

/// What a state has done outside, with its arguments: a task, or the reading and writing of a Map.
fn asked(kind: &Kind) -> impl Iterator<Item = (&Str, Option<&Expr>)> {
    let (task, map) = match kind {
        Kind::Task { resource, arguments, .. } => (Some((resource, arguments.as_ref())), None),
        Kind::Map(map) => (None, Some(map)),
        Kind::Pass { .. }
        | Kind::Wait(_)
        | Kind::Choice { .. }
        | Kind::Parallel { .. }
        | Kind::Succeed
        | Kind::Fail { .. } => (None, None),
    };
    let accesses = map.into_iter().flat_map(|map| map.reader.iter().chain(&map.writer));
    task.into_iter().chain(accesses.map(|access| (&access.resource, access.arguments.as_ref())))
}

/// Parameters of `HTTP:Request`.
const HTTP_PARAMETERS: &[&str] = &["url", "method", "headers", "query", "body", "timeoutSeconds"];

/// Parameters of `Kubernetes:RunJob`.
const JOB_PARAMETERS: &[&str] = &["manifest", "image", "command", "args", "env"];

/// The function that a task is sure to call, where its arguments name one.
fn function_of(arguments: &Expr) -> Option<&str> {
    const NAMES: [&str; 2] = ["FunctionName", "resourceArn"];
    match arguments {
        Expr::Literal(value) => NAMES.iter().find_map(|name| value.get(name)?.as_str()),
        Expr::Object(members) | Expr::Record(members) => {
            let named = members.iter().find(|(name, _)| NAMES.contains(&&**name))?;
            match &named.1 {
                Expr::Literal(value) => value.as_str(),
                _ => None,
            }
        }
        Expr::Merge(parts) => parts.iter().rev().find_map(function_of),
        _ => None,
    }
}

/// Names of members that an object is sure to have.
fn member_names(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Literal(value) => {
            value.as_object().into_iter().flat_map(|object| object.iter()).map(|(name, _)| &**name).collect()
        }
        Expr::Object(members) | Expr::Record(members) => members.iter().map(|(name, _)| &**name).collect(),
        Expr::Merge(parts) => parts.iter().flat_map(member_names).collect(),
        _ => Vec::new(),
    }
}

/// The name that was meant, if it is near to a known one: a third of its letters may be wrong, and their
/// case.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let tolerance = name.chars().count() / 3;
    // Looking at a long name takes time.
    let near = known.filter(|known| known.chars().count().abs_diff(name.chars().count()) <= tolerance);
    let distances = near.map(|known| (strsim::damerau_levenshtein(&known.to_lowercase(), &name), known));
    let (_, known) = distances.filter(|(distance, _)| *distance <= tolerance).min()?;
    Some(known)
}

/// Whether a pattern in which `*` stands for any characters matches the whole of a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    // The leftmost place is as good as any for each piece but the last.
    while let Some((piece, tail)) = rest.split_once('*') {
        let Some(at) = text.find(piece) else { return false };
        text = text.get(at + piece.len()..).unwrap_or_default();
        rest = tail;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(resource: &str) -> Binding {
        let json = serde_json::json!({"resource": resource, "url": format!("http://{}", resource.len())});
        serde_json::from_str(&json.to_string()).unwrap()
    }

    #[test]
    fn patterns_match_whole_texts() {
        let cases = [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("acs:fc:*/functions/f", "acs:fc:::services/s/functions/f", true),
            ("ab*ab", "ab", false),
            ("**", "x", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn the_longest_pattern_wins_and_a_binding_wins_over_what_is_built_in() {
        let bindings = [binding("*"), binding("HTTP:*"), binding("Other:X")];
        let resource = |executor: Executor<'_>| match executor {
            Executor::Post(binding) => binding.resource.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(resource(resolve("HTTP:Request", None, &bindings)), "HTTP:*");
        assert_eq!(resource(resolve("Kubernetes:RunJob", None, &bindings)), "*");
        assert_eq!(resource(resolve("HTTP:Request", None, &[])), "Http");
        assert_eq!(resource(resolve("Kubernetes:RunJob", None, &[])), "Job");
        assert_eq!(resource(resolve("arn:aws-cn:states:::http:invoke", None, &[])), "HttpInvoke");
        assert_eq!(resource(resolve("FC:InvokeFunction", None, &[])), "Unbound");
        // A pattern is about the function that is called, too.
        let functions =
            [binding("arn:aws:states:::lambda:*"), binding("arn:aws:lambda:us-east-1:1:function:book")];
        let lambda =
            |function| resource(resolve("arn:aws:states:::lambda:invoke", Some(function), &functions));
        assert_eq!(
            lambda("arn:aws:lambda:us-east-1:1:function:book"),
            "arn:aws:lambda:us-east-1:1:function:book"
        );
        assert_eq!(lambda("other"), "arn:aws:states:::lambda:*");
    }

    #[test]
    fn tasks_that_nobody_would_do_are_warned_of() {
        let task =
            |name: &str, action: &str| format!("{{Type: Task, Name: {name}, Action: '{action}', End: true}}");
        let (branch, outer) = (task("B", "Other:X"), task("C", "HTTP:Request"));
        let text = format!(
            "{{Type: StateMachine, SpecVersion: v1, StartAt: A, States: [\
               {{Type: Parallel, Name: A, Next: C, Branches: [{{StartAt: B, States: [{branch}]}}]}}, {outer}]}}"
        );
        let program = crate::dialect::compile(&text, None).program.unwrap();
        let found = warnings(&program, &[binding("FC:*")]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].code, &*found[0].path), (Code::UnboundResource, "B"));
        assert!(found[0].message.contains("`Other:X` of task `B`"), "{}", found[0]);
        assert_eq!(warnings(&program, &[binding("Other:*")]), []);
    }

    #[test]
    fn what_is_near_to_something_built_in_is_suggested() {
        let said = |action: &str, parameters: &str| {
            let task =
                format!("{{Type: Task, Name: T, Action: '{action}', Parameters: {parameters}, End: true}}");
            let text = format!("{{Type: StateMachine, SpecVersion: v1, StartAt: T, States: [{task}]}}");
            let program = crate::dialect::compile(&text, None).program.unwrap();
            let found = warnings(&program, &[]);
            found.into_iter().map(|found| (found.code, found.help.unwrap())).collect::<Vec<_>>()
        };
        let [(Code::UnboundResource, help)] = &said("HTTP:Reqest", "{ulr: x}")[..] else { panic!() };
        assert!(help.starts_with("did you mean `HTTP:Request`? Otherwise bind it"), "{help}");
        assert!(said("FC:InvokeFunction", "{}")[0].1.starts_with("bind it"));
        for (action, parameters, help) in [
            ("HTTP:Request", "{url: x, \"header.$\": $Input.h}", "did you mean `headers`?"),
            ("HTTP:Request", "{URL: x}", "did you mean `url`?"),
            ("Kubernetes:RunJob", "{imgae: x}", "did you mean `image`?"),
            ("Kubernetes:RunJob", "{image: x, url: y}", "there are manifest, image, command, args, env"),
        ] {
            assert_eq!(said(action, parameters), [(Code::UnknownParameter, help.to_owned())]);
        }
        assert_eq!(said("HTTP:Request", "{url: x, body: {any: 1}, timeoutSeconds: 3}"), []);
    }

    #[test]
    fn the_parameters_are_those_that_the_drivers_read() {
        use super::super::job::manifest;
        let odd = Value::parse(r#"{"odd": 1}"#).unwrap();
        let owner = manifest::Owner { namespace: "n", name: "n", uid: "u" };
        let http = super::super::http::Request::from_arguments(&odd).unwrap_err();
        let job = manifest::from_arguments(&owner, &"T@1".into(), &odd).unwrap_err();
        for (error, known) in [(format!("{http:?}"), HTTP_PARAMETERS), (format!("{job:?}"), JOB_PARAMETERS)] {
            assert!(error.contains(&format!("there are {}", known.join(", "))), "{error}");
        }
    }

    #[test]
    fn a_binding_has_one_target_and_its_headers_one_value() {
        assert_eq!(problem(&binding("A:B")), None);
        let with = |json: &str| problem(&serde_json::from_str::<Binding>(json).unwrap()).unwrap();
        assert!(with(r#"{"resource": "A:B"}"#).contains("found 0"));
        assert!(
            with(r#"{"resource": "A:B", "url": "http://h", "service": {"name": "s"}}"#).contains("found 2")
        );
        let both = r#"{"resource": "A:B", "url": "http://h", "headers": [{"name": "X"}]}"#;
        assert!(with(both).contains("header `X`"));
        assert!(with(r#"{"resource": "A:B", "url": "::"}"#).contains("cannot be read"));
        for name in ["../pods/p", "a/b", "a?b", "A", "", "ü", "-a", "a..b"] {
            let from = format!(r#"{{"secretKeyRef": {{"name": "{name}", "key": "k"}}}}"#);
            let said = with(&format!(
                r#"{{"resource": "A:B", "url": "http://h", "headers": [{{"name": "X", "valueFrom": {from}}}]}}"#
            ));
            assert!(said.contains("no name of a Secret"), "{name}: {said}");
            let service = format!(r#"{{"resource": "A:B", "service": {{"name": "{name}"}}}}"#);
            assert!(with(&service).contains("no name of a Service"));
        }
    }
}
