//! The words of the languages.

use millrace::dialect::Dialect;

pub(super) const YAML: &[&str] = &[
    "Type: StateMachine\n", "type: flow\n", "States:", "steps:", "StartAt: a", "- ", "\n", "\n  ", "\n    ", ": ", "{", "}", "[", "]", ",",
    "&a ", "*a", "<<: *a", "!!str ", "!t ", "|\n", ">\n", "|-\n", "\"", "'", "\\", "# ", "---\n", "...\n", "%YAML 1.2\n", "? ", "null", "~",
    "1", "-1.5e3", "0x1f", ".nan", "true", "yes", "\t", "\r\n", "\u{feff}", "\u{85}", "\u{2028}", "é", "😀", "Name: a", "Next: b", "End: true",
];

pub(super) const EXPRESSION: &[&str] = &[
    "$", "$Input", "$Context", ".", ".Execution", ".Name", ".a", ".b", ".0", "[0]", "[-1]", "[*]", ".*", "[", "]", "(", ")", "{", "}", ",", ":",
    "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||", "!", "-", "1", "12.5", "1e9", "9223372036854775807", "true", "false", "null", "\"x\"", "'x'", "`x`",
    "\"", "'", "`", "\\", "length", "format", "\"{} {}\"", "toArray", "arrayContains", "arrayUnique", "split", "regexMatchString", "\"(a*)*b\"", "mapKeys", "mapValues",
    "jsonMerge", "stringToJson", "'{\"a\": [1]}'", "jsonToString", "toBase64", "fromBase64", "hash", "\"MD5\"", "intAdd", "randomInt", "uuid", "é",
];

pub(super) const PATH: &[&str] = &[
    "$", ".", "..", ".a", ".b", "['a']", "[\"a\"]", "['x y']", "[0]", "[-1]", "[1:]", "[:2]", "[0:3:2]", "[-2:]", "[0,1]", "['a','b']", "[*]", ".*", "..*", "..a", "..[0]",
    "[?(", ")]", "@", "@.a", "@.n", "$.n", " == ", " != ", " < ", " >= ", " && ", " || ", "!", "(", ")", " =~ ", "/x.*/i", " in ", " nin ", " subsetof ", " size ", " empty ",
    "1", "-2.5", "'x'", "true", "null", "[1,2]", "[", "]", "'", "\"", "\\", ",", ":", ".length()", ".min()", ".sum()", ".keys()", "[(@.length-1)]", "$.Execution.Id", "name", " ", "é", "🎉",
];

pub(super) const CALL: &[&str] = &[
    "Format(", "Array(", "ArrayPartition(", "ArrayContains(", "ArrayRange(", "ArrayGetItem(", "ArrayLength(", "ArrayUnique(", "Base64Encode(", "Base64Decode(", "Hash(",
    "JsonMerge(", "JsonToString(", "StringToJson(", "MathRandom(", "MathAdd(", "StringSplit(", "UUID(", "States.", ")", "(", ",", "'{} and {}'", "'a,b'", "'SHA-256'", "'MD5'",
    "'it\\'s'", "'\\\\'", "'\\{'", "'", "\\", "$", "$.list", "$.a.b[0]", "$.n", "$$.Execution.Name", "$v", "1", "-3", "2.5", "9999999999999", "1e5", "true", "false", "null", " ", "\n", "é",
];

pub(super) const QUERY: &[&str] = &[
    "$states", ".input", ".context", ".result", ".a", ".b", ".list", "$", "$$", "$x", ".", "[", "]", "[0]", "[-1]", "{", "}", "(", ")", "\"k\"", ":", ",", ";", ":=", "$x := 1;",
    "+", "-", "*", "/", "%", "&", "=", "!=", "<", ">", "<=", ">=", " in ", " and ", " or ", "?", "?:", "??", "~>", "^(", "@$i", "#$i", "..", "[1..3]", "[0..99999999]", "**",
    "function($a){", "λ($a){", "$a", "1", "2.5", "1e300", "'x'", "\"y\"", "true", "false", "null", "/x+/i", "/(a*)*b/", "`x y`", "/* c */", "$sum(", "$map(", "$filter(", "$reduce(",
    "$string(", "$number(", "$length(", "$substring(", "$split(", "$join(", "$match(", "$replace(", "$sort(", "$merge(", "$spread(", "$each(", "$lookup(", "$keys(", "$now()", "$millis()",
    "$random()", "$uuid()", "$hash(", "$partition(", "$range(", "$parse(", "$eval(", "$formatNumber(", "$formatInteger(", "$toMillis(", "$pad(", "$error(", "$assert(", " ", "é",
];

pub(super) const DATASET: &[&str] = &[
    "a", "b", "1", "-2.5", ",", ";", "|", "\t", " ", "\n", "\r\n", "\r", "\"", "\"\"", "\"x,y\"", "\\", "\u{feff}", "{", "}", "[", "]", ":", "{\"a\": 1}", "[1, 2]", "null", "true", "é", "\0", "🎉",
];

pub(super) const EVERYWHERE: &[&str] = &[
    "", "a", "b", "A", "B", "T", "Type", "type", "Name", "name", "Next", "End", "end", "States", "steps", "StartAt", "Pass", "Task", "Choice", "Wait", "Parallel", "Map", "Succeed", "Fail",
    "pass", "task", "choice", "wait", "parallel", "foreach", "succeed", "fail", "$", "$.a", "$$", "$.list[0]", "$Input.a", "$input.a", "$local", "{% $states.input %}", "{% 1/0 %}",
    "States.Format('{}', $.a)", "a.$", "true", "1", "-1", "1e400", "99999999999999999999", "2026-01-01T00:00:00Z", "States.ALL", "FnF.ALL", "JSONata", "JSONPath", "é", "\u{0}",
];

const FDL: &[&str] = &[
    "Type", "StateMachine", "SpecVersion", "v1", "StartAt", "a", "b", "States", "Name", "Description", "Timeout", "Next", "End", "InputConstructor", "OutputConstructor", "GlobalConstructor",
    "Retry", "Catch", "Errors", "FnF.ALL", "MaxAttempts", "IntervalSeconds", "BackoffRate", "MaxBackoffSeconds", "Pass", "Succeed", "Fail", "Code", "Code.$", "Detail", "Wait", "Seconds", "Seconds.$",
    "Choice", "Branches", "Condition", "Default", "Task", "Action", "HTTP:Request", "TaskMode", "WaitForCustomCallback", "Parameters", "Timeout.$", "Parallel", "Map", "ItemsPath", "ItemConstructor",
    "Processor", "MaxConcurrency", "ProcessorConfig", "Mode", "Distributed", "ItemReader", "ItemBatcher", "ResultWriter", "ToleratedFailedCount", "$Input", "$Input.list", "$Item", "$Global.g", "x.$", "$Input.n > 1",
];

const LEGACY: &[&str] = &[
    "version", "v1", "v1beta1", "type", "flow", "name", "a", "b", "steps", "end", "inputMappings", "outputMappings", "target", "source", "$input.a", "$local.a", "$context.flow.name", "timeoutSeconds",
    "task", "resourceArn", "acs:fc:::services/s/functions/f", "pattern", "requestComplete", "sync", "waitForCallback", "serviceParams", "MessageBody", "$", "retry", "errors", "intervalSeconds", "maxAttempts",
    "multiplier", "catch", "goto", "FnF.ALL", "pass", "wait", "duration", "timestamp", "choice", "choices", "condition", "$.n > 1", "default", "parallel", "branches", "foreach", "iterationMapping",
    "collection", "$.list", "item", "index", "succeed", "fail", "error", "cause", "loop", "preCondition", "errorMappings", "exitPolicy",
];

const ASL: &[&str] = &[
    "Comment", "StartAt", "a", "b", "States", "Version", "1.0", "TimeoutSeconds", "QueryLanguage", "JSONata", "JSONPath", "Type", "Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map", "Next", "End",
    "InputPath", "OutputPath", "Parameters", "ResultSelector", "ResultPath", "Result", "Resource", "arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "HeartbeatSeconds",
    "TimeoutSecondsPath", "Credentials", "Retry", "ErrorEquals", "States.ALL", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "FULL", "Catch", "Assign", "Output", "Arguments",
    "Choices", "Default", "Variable", "And", "Or", "Not", "StringEquals", "NumericGreaterThanPath", "IsPresent", "StringMatches", "TimestampLessThan", "Condition", "Seconds", "SecondsPath", "Timestamp", "TimestampPath",
    "Error", "ErrorPath", "Cause", "CausePath", "Branches", "ItemProcessor", "Iterator", "ProcessorConfig", "Mode", "DISTRIBUTED", "INLINE", "ExecutionType", "ItemsPath", "Items", "ItemSelector", "ItemReader",
    "ReaderConfig", "InputType", "CSV", "CSVHeaderLocation", "FIRST_ROW", "MaxItems", "ItemBatcher", "MaxItemsPerBatch", "BatchInput", "ResultWriter", "MaxConcurrency", "ToleratedFailurePercentage", "Label",
    "$", "$.a", "$.list", "$$.Execution.Id", "$v", "x.$", "States.Format('{}', $.a)", "{% $states.input.a %}", "{% $v + 1 %}", "{% true %}",
];

/// The words of a language: names of fields and values that occur.
pub(super) fn of(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Fdl => FDL,
        Dialect::FdlLegacy => LEGACY,
        Dialect::Asl => ASL,
    }
}

/// Valid definitions in which most of a language occurs.
pub(super) fn definitions(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Fdl => &[include_str!("definitions/fdl.yaml")],
        Dialect::FdlLegacy => &[include_str!("definitions/legacy.yaml")],
        Dialect::Asl => &[include_str!("definitions/paths.json"), include_str!("definitions/queries.json")],
    }
}
