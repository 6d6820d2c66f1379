//! docs/gitops.md as it stands: what it applies is applied, what it tells to type is typed, and what it shows is
//! what comes.

use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use super::rig::Space;
use crate::tools;

/// A block of code: its language and its text.
type Block<'t> = (&'t str, &'t str);

fn blocks(text: &str) -> Vec<Block<'_>> {
    let parts: Vec<_> = text.split("```").collect();
    parts.iter().skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

fn text() -> String {
    std::fs::read_to_string(tools::root().join("docs/gitops.md")).unwrap()
}

/// The file that a manifest stands for: its first line is a comment with the name.
fn file_of(manifest: &str) -> &str {
    manifest.lines().next().unwrap().strip_prefix("# ").expect("a manifest begins with the name of its file")
}

fn objects(manifest: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(manifest).unwrap()
}

fn is_ours(object: &Value) -> bool {
    object["apiVersion"] == "millrace.dev/v1alpha1"
}

/// Whether a text is as shown; `…` stands for anything.
fn is_as_shown(shown: &str, found: &str) -> bool {
    let pattern: Vec<_> = shown.trim_end().split('…').map(regex::escape).collect();
    Regex::new(&format!("^{}$", pattern.join(".*"))).unwrap().is_match(found.trim_end())
}

/// What a script prints, run in a folder with the namespace of the test.
fn run(space: &Space, folder: &Path, script: &str) -> String {
    let kubectl = tools::kubectl().get_program().to_owned();
    let path =
        format!("{}:{}", Path::new(&kubectl).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .env("PATH", path)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {script}\n{printed}{complaints}", space.name);
    printed
}

#[test]
fn what_the_page_tells_to_type_gives_what_it_shows() {
    let space = Space::new("gitops");
    let _controller = space.controller();
    let folder = space.kubeconfig.parent().unwrap().join("page");
    std::fs::create_dir_all(&folder).unwrap();
    let config = space.config_of(&{
        space.user("edit");
        "user-edit".to_owned()
    });
    std::fs::write(folder.join("kubeconfig"), config.to_string()).unwrap();
    let text = text();
    let blocks = blocks(&text);
    let mut count = 0;
    for (number, (language, block)) in blocks.iter().enumerate() {
        match *language {
            "yaml" => std::fs::write(folder.join(file_of(block)), block).unwrap(),
            "sh" => {
                let printed = run(&space, &folder, block);
                let Some(("text", shown)) = blocks.get(number + 1) else { panic!("what it prints: {block}") };
                assert!(is_as_shown(shown, &printed), "{block}\nis shown as\n{shown}\nand prints\n{printed}");
                count += 1;
            }
            "text" => {}
            other => panic!("a block in {other}"),
        }
    }
    assert!(count >= 4, "{count}");
    // What no command applies is taken by the API server all the same.
    for (_, manifest) in blocks.iter().filter(|(language, _)| *language == "yaml") {
        if objects(manifest).iter().all(is_ours) {
            let create = ["--namespace", &space.name, "create", "--dry-run=server", "-f", "-"];
            let taken = space.cluster.kubectl_with(&create, manifest);
            let said = String::from_utf8_lossy(&taken.stderr);
            assert!(taken.status.success() || said.contains("already exists"), "{manifest}{said}");
        }
    }
}

#[test]
fn what_other_tools_are_told_is_about_kinds_and_annotations_that_exist() {
    let text = text();
    let manifests = blocks(&text).into_iter().filter(|(language, _)| *language == "yaml");
    let others: Vec<_> =
        manifests.flat_map(|(_, manifest)| objects(manifest)).filter(|object| !is_ours(object)).collect();
    let kinds: Vec<_> = others.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Kustomization", "Kustomization", "ConfigMap"]);
    // The second waits for the first.
    assert_eq!(others[1]["spec"]["dependsOn"][0]["name"], others[0]["metadata"]["name"]);
    let scripts: Vec<_> = others[2]["data"].as_object().unwrap().keys().cloned().collect();
    let health = |kind: &str| format!("resource.customizations.health.millrace.dev_{kind}");
    assert_eq!(scripts, [health("Execution"), health("Flow")]);
}
