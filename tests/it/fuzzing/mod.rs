//! The targets of fuzz/ with random input that is nearly right: documents of the words of a language, valid
//! definitions with something deleted, doubled or replaced, texts of the tokens of an expression language.
//!
//! `PROPTEST_CASES=100000 cargo test --release --no-default-features --test it fuzzing` tries longer.

mod document;
mod words;

#[path = "../../../fuzz/targets.rs"]
mod targets;

use millrace::dialect::Dialect;
use proptest::prelude::*;

use document::{Document, Mutation};

/// Cases of each property where nobody asks for more.
const CASES: u32 = 64;

fn config() -> ProptestConfig {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { CASES };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A text of tokens, sometimes with blanks between them.
fn text_of(tokens: &'static [&'static str]) -> impl Strategy<Value = String> {
    let token = prop_oneof![
        20 => prop::sample::select(tokens).prop_map(ToOwned::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => Just(" ".to_owned()),
    ];
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

fn any_dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(Dialect::ALL)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_a_definition_or_refused(text in prop_oneof![any::<String>(), text_of(words::YAML)]) {
        targets::definition(&text, None);
    }

    #[test]
    fn any_document_of_the_words_of_a_language_is_a_definition_or_refused(
        (dialect, document) in any_dialect().prop_flat_map(|dialect| (Just(dialect), document::made_of(words::of(dialect))))
    ) {
        targets::definition(&document.to_json(), Some(dialect));
    }

    #[test]
    fn a_definition_with_something_else_in_it_is_one_or_refused(
        (dialect, base) in any_dialect().prop_flat_map(|dialect| (Just(dialect), prop::sample::select(words::definitions(dialect)))),
        mutations in prop::collection::vec(any::<Mutation>(), 1..6),
        values in prop::collection::vec(document::made_of(words::EVERYWHERE), 6),
        force in any::<bool>(),
    ) {
        let mut document = Document::parse(base);
        for (mutation, value) in mutations.iter().zip(&values) {
            document.mutate(mutation, value);
        }
        targets::definition(&document.to_json(), Some(dialect).filter(|_| force));
    }

    #[test]
    fn any_text_is_an_expression_or_refused(text in prop_oneof![any::<String>(), text_of(words::EXPRESSION)]) {
        targets::fdl_expression(&text);
    }

    #[test]
    fn any_text_is_a_path_or_refused(text in prop_oneof![any::<String>(), text_of(words::PATH).prop_map(|path| format!("${path}"))]) {
        targets::path(&text);
    }

    #[test]
    fn any_text_is_a_call_or_refused(text in prop_oneof![any::<String>(), text_of(words::CALL).prop_map(|call| format!("States.{call}"))]) {
        targets::call(&text);
    }

    #[test]
    fn any_text_is_a_query_or_refused(text in prop_oneof![any::<String>(), text_of(words::QUERY)]) {
        targets::query(&text);
    }

    #[test]
    fn any_text_is_a_dataset_or_refused(text in prop_oneof![any::<String>(), text_of(words::DATASET)]) {
        targets::dataset(&text);
    }

    #[test]
    fn any_text_is_a_stored_run_or_refused(
        base in prop::sample::select(targets::snapshots()),
        mutations in prop::collection::vec(any::<Mutation>(), 1..4),
        values in prop::collection::vec(document::made_of(words::EVERYWHERE), 4),
    ) {
        targets::stored(&base);
        let mut document = Document::parse(&base);
        for (mutation, value) in mutations.iter().zip(&values) {
            document.mutate(mutation, value);
        }
        targets::stored(&document.to_json());
    }
}

#[test]
fn the_definitions_that_are_changed_are_valid() {
    for dialect in Dialect::ALL {
        for text in words::definitions(*dialect) {
            let document = Document::parse(text).to_json();
            let compiled = millrace::dialect::compile(&document, None);
            assert_eq!(compiled.dialect, Some(*dialect), "{text}");
            let is_stub = |code| code == millrace::diagnostic::Code::Unsupported;
            let problems: Vec<_> =
                compiled.diagnostics.iter().filter(|problem| !is_stub(problem.code)).collect();
            assert!(
                !problems.iter().any(|problem| problem.code.as_str().starts_with('E')),
                "{text}: {problems:?}"
            );
        }
    }
}
