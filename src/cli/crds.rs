//! `millrace crds`: the custom resource definitions.

use std::path::PathBuf;
use std::process::ExitCode;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::api::crd;

use super::EXIT_UNUSABLE;
use super::plugin;
use super::terminal::{complain, write_result};

/// Print the custom resource definitions.
///
/// Example: millrace crds | kubectl apply -f -
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write one file per kind into this folder instead
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Write nothing; exit with 1 where the files in the folder differ
    #[arg(long, requires = "output")]
    check: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match write(args) {
        Ok(code) => code,
        Err(message) => {
            complain(message);
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

fn write(args: &Args) -> Result<ExitCode, String> {
    let mut has_drifted = false;
    let mut printed = String::new();
    for definition in crd::all() {
        let yaml = crd::to_yaml(&definition).map_err(|error| error.to_string())?;
        let Some(folder) = &args.output else {
            printed.push_str("---\n");
            printed.push_str(&yaml);
            continue;
        };
        let file = folder.join(file_name(&definition));
        let shown = file.display();
        if args.check {
            if std::fs::read_to_string(&file).ok().as_deref() != Some(&*yaml) {
                complain(format_args!(
                    "{shown} is not what the types say; run `{} crds --output {}`",
                    plugin::program(),
                    folder.display()
                ));
                has_drifted = true;
            }
            continue;
        }
        std::fs::write(&file, yaml).map_err(|error| format!("cannot write {shown}: {error}"))?;
    }
    write_result(&printed)?;
    Ok(ExitCode::from(u8::from(has_drifted)))
}

fn file_name(definition: &CustomResourceDefinition) -> String {
    format!("{}.yaml", definition.spec.names.plural)
}
