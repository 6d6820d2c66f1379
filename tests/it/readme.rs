//! What README.md shows and tells to type.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::tools::root;

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// Blocks of code in a language.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_first_example_is_the_file_that_the_commands_apply() {
    let blocks = blocks(&read("README.md"), "yaml");
    assert_eq!(blocks, [read("examples/hello.yaml")]);
    assert!(blocks[0].lines().count() <= 22);
}

#[test]
fn commands_that_need_no_cluster_run() {
    let program = Path::new(env!("CARGO_BIN_EXE_millrace")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let blocks = blocks(&read("README.md"), "sh");
    let local = blocks.iter().filter(|block| block.contains("millrace run"));
    let mut count = 0;
    for block in local {
        let output = Command::new("bash")
            .args(["-euc", block])
            .current_dir(root())
            .env("PATH", &path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{block}{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Hello, world!"));
        count += 1;
    }
    assert_eq!(count, 1);
}

#[test]
fn what_is_to_be_made_and_read_exists() {
    let makefile = read("Makefile");
    let link = regex::Regex::new(r"\]\(([^)#:]+)\)").unwrap();
    for file in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        let text = read(file);
        for block in blocks(&text, "sh") {
            for target in block.lines().filter_map(|line| line.strip_prefix("make ")) {
                let target = target.split([' ', '#']).next().unwrap();
                assert!(makefile.contains(&format!("\n{target}:")), "{file}: make {target}");
            }
        }
        for found in link.captures_iter(&text) {
            assert!(root().join(&found[1]).exists(), "{file} links to {}", &found[1]);
        }
    }
}

#[test]
fn what_the_pages_link_to_exists() {
    let link = regex::Regex::new(r"\]\(([^):#]+)(?:#([^)]+))?\)").unwrap();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let file = entry.unwrap().path();
        for found in link.captures_iter(&std::fs::read_to_string(&file).unwrap()) {
            let target = root().join("docs").join(&found[1]);
            let linked = std::fs::read_to_string(&target);
            let linked = linked.unwrap_or_else(|error| panic!("{} → {}: {error}", file.display(), &found[1]));
            if let Some(anchor) = found.get(2) {
                let is_there = linked.lines().filter(|line| line.starts_with('#')).any(|line| {
                    let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                    title.replace([',', '`', '\''], "") == anchor.as_str()
                });
                assert!(is_there, "{} → {}: no title #{}", file.display(), &found[1], anchor.as_str());
            }
        }
    }
}

/// Words after `millrace` that are subcommands.
fn subcommands(text: &str) -> BTreeSet<String> {
    let word = regex::Regex::new(r"(?m)^millrace ([a-z]+)").unwrap();
    blocks(text, "sh")
        .iter()
        .flat_map(|block| word.captures_iter(block).map(|found| found[1].to_owned()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn subcommands_that_are_told_of_exist() {
    let told = subcommands(&read("README.md"));
    assert!(told.len() > 3, "{told:?}");
    for subcommand in told {
        let help = crate::command::millrace(&[&subcommand, "--help"]);
        assert_eq!(help.status, Some(0), "millrace {subcommand}: {}", help.stderr);
        assert!(help.stdout.contains("Example"), "millrace {subcommand} --help shows no example");
    }
}
