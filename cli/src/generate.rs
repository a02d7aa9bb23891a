//! The files that are made from the code: `completions/` and `docs/reference/`.
//!
//! [`files`] gives their text. The test `tidy` compares it with what is committed, and writes it with
//! `UPDATE_GENERATED=1`; `linkerd doc` prints the same data.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory};
use mesh_core::names::{annotations, env};
use serde::Serialize;

use crate::app::Cli;
use crate::commands::completion;
use crate::error::{CommandError, Exits, Kind};
use crate::settings;

/// What `linkerd doc` prints.
#[derive(Debug, Serialize)]
pub struct Reference {
    /// Every command that is not hidden, parents first.
    #[serde(rename = "CLIReference")]
    pub commands: Vec<CommandReference>,
    /// Every annotation the mesh knows.
    #[serde(rename = "AnnotationsReference")]
    pub annotations: Vec<AnnotationReference>,
}

/// One command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CommandReference {
    /// The words typed.
    pub name: String,
    /// The first line of its help.
    pub synopsis: String,
    /// The rest of its help, empty if there is none.
    pub description: String,
    /// Its usage line.
    pub usage: String,
    /// Text behind the options: examples.
    pub example: String,
    /// Its own flags and arguments.
    pub options: Vec<OptionReference>,
}

/// One flag or argument.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OptionReference {
    /// The long name, or the placeholder of an argument.
    pub name: String,
    /// The one-letter name, if there is one.
    pub shorthand: Option<char>,
    /// What is used when it is not given.
    pub default_value: String,
    /// What it is for.
    pub usage: String,
    #[serde(skip)]
    shown: String,
}

/// One annotation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AnnotationReference {
    /// The whole key.
    pub name: String,
    /// What it is for.
    pub description: String,
}

impl Reference {
    /// Collects it from the command tree and the registry of names.
    pub fn collect() -> Self {
        let mut root = Cli::command();
        root.build();
        let mut commands = Vec::new();
        collect(&root, "linkerd", &mut commands);
        let annotations = annotations::ALL.iter().map(|annotation| AnnotationReference {
            name: annotation.name.to_owned(),
            description: annotation.doc.to_owned(),
        });
        Self { commands, annotations: annotations.collect() }
    }
}

/// Path below the root of the repository and text of every generated file.
pub fn files() -> Result<Vec<(String, String)>, CommandError> {
    let values = manifests::schema::reference().map_err(CommandError::failure)?;
    let mut files = vec![
        ("docs/reference/cli.md".to_owned(), cli_page()),
        ("docs/reference/values.md".to_owned(), values),
        ("docs/reference/annotations.md".to_owned(), annotations_page()),
        ("docs/reference/env.md".to_owned(), env_page()),
        ("docs/reference/exit-codes.md".to_owned(), exit_codes_page()),
    ];
    for (name, shell) in completion::SHELLS {
        files.push((format!("completions/linkerd.{name}"), completion::script(shell)));
    }
    Ok(files)
}

/// Every command as Markdown.
pub fn cli_page() -> String {
    let reference = Reference::collect();
    let mut page = String::from(
        "# The command\n\nGenerated from the code; `linkerd COMMAND --help` says the same.\n\n\
         ## Flags of every command\n\n",
    );
    let mut root = Cli::command();
    root.build();
    table(&mut page, root.get_arguments().filter(|arg| arg.is_global_set()).map(option));
    for command in reference.commands {
        line(&mut page, format_args!("\n## {}\n\n{}\n", command.name, command.synopsis));
        if !command.description.is_empty() {
            line(&mut page, format_args!("{}\n", command.description));
        }
        line(&mut page, format_args!("```text\n{}\n```\n", command.usage));
        if !command.options.is_empty() {
            table(&mut page, command.options.into_iter());
        }
        if !command.example.is_empty() {
            line(&mut page, format_args!("\n```text\n{}\n```", command.example));
        }
    }
    page
}

fn collect(command: &Command, name: &str, into: &mut Vec<CommandReference>) {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let synopsis = text(command.get_about());
    let long = text(command.get_long_about());
    let usage = command.clone().render_usage().to_string();
    into.push(CommandReference {
        name: name.to_owned(),
        description: long.strip_prefix(&synopsis).unwrap_or(&long).trim().to_owned(),
        synopsis,
        usage: usage.trim_start_matches("Usage:").trim().to_owned(),
        example: text(command.get_after_help()),
        options: command
            .get_arguments()
            .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && !is_help(arg))
            .map(option)
            .collect(),
    });
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        collect(inner, &format!("{name} {}", inner.get_name()), into);
    }
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

fn option(arg: &Arg) -> OptionReference {
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let placeholder =
        arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    let name = arg.get_long().map_or_else(|| placeholder.clone(), str::to_owned);
    let shown = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => String::new(),
    };
    let separator = if shown.is_empty() || !takes_value { "" } else { " " };
    let placeholder = if takes_value { placeholder.as_str() } else { "" };
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    OptionReference {
        name,
        shorthand: arg.get_short(),
        default_value: if takes_value { defaults.join(",") } else { String::new() },
        usage: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        shown: format!("{shown}{separator}{placeholder}"),
    }
}

fn table(page: &mut String, options: impl Iterator<Item = OptionReference>) {
    page.push_str("| flag | default | meaning |\n|---|---|---|\n");
    for option in options {
        let default = match option.default_value.as_str() {
            "" => String::new(),
            value => format!("`{value}`"),
        };
        line(page, format_args!("| `{}` | {default} | {} |", option.shown, cell(&option.usage)));
    }
}

fn annotations_page() -> String {
    let mut page = String::from(
        "# Annotations\n\nGenerated from the code. An annotation on a pod template wins over the same one on its \
         namespace.\n\n| annotation | value | counts on | since | meaning |\n|---|---|---|---|---|\n",
    );
    for annotation in annotations::ALL {
        let scopes: Vec<String> =
            annotation.scopes.iter().map(|scope| format!("{scope:?}").to_lowercase()).collect();
        let value = cell(&annotation.value.describe());
        line(
            &mut page,
            format_args!(
                "| `{}` | {value} | {} | {} | {} |",
                annotation.name,
                scopes.join(", "),
                annotation.since,
                cell(annotation.doc)
            ),
        );
    }
    page.push_str("\n`written` is what the mesh itself writes; setting it has no effect.\n");
    page
}

fn env_page() -> String {
    let mut page = String::from(
        "# Environment variables\n\nGenerated from the code.\n\n## Read by the command\n\nA flag given beats the \
         variable.\n\n| variable | meaning |\n|---|---|\n",
    );
    for (name, doc) in settings::VARIABLES {
        line(&mut page, format_args!("| `{name}` | {} |", cell(doc)));
    }
    page.push_str("\n## Given to the proxy\n\n| variable | value | meaning |\n|---|---|---|\n");
    for variable in env::ALL {
        let value = cell(&variable.value.describe());
        line(&mut page, format_args!("| `{}` | {value} | {} |", variable.name, cell(variable.doc)));
    }
    page
}

fn exit_codes_page() -> String {
    let kinds = [
        (Kind::Usage, "the command line or a given input is wrong"),
        (Kind::Failure, "the work failed"),
        (Kind::Cluster, "the cluster cannot be reached, or said no"),
        (Kind::Timeout, "something did not answer in time"),
        (Kind::Partial, "some of several targets failed"),
        (Kind::Interrupted, "the user interrupted"),
        (Kind::BrokenPipe, "the reader of the output went away"),
    ];
    let mut page = String::from(
        "# Exit codes\n\nGenerated from the code. Commands that Linkerd has, too, end with 0 or 1, as its scripts \
         expect. Commands that are new here say more; with them, 1 means findings or differences. `upgrade --diff` \
         follows `diff`: 0 no difference, 1 differences, 2 trouble.\n\n\
         | what happened | Linkerd's commands | new commands | `upgrade --diff` |\n|---|---:|---:|---:|\n\
         | success | 0 | 0 | 0 |\n",
    );
    for (kind, words) in kinds {
        let error = CommandError::new(kind, "");
        let [linkerd, detailed, diff] =
            [Exits::Linkerd, Exits::Detailed, Exits::Diff].map(|exits| error.exit_code(exits));
        line(&mut page, format_args!("| {words} | {linkerd} | {detailed} | {diff} |"));
    }
    page
}

/// Text that cannot break out of a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::{Reference, files};

    #[test]
    fn every_file_has_content_and_ends_with_one_line_break() {
        for (path, text) in files().unwrap() {
            assert!(text.len() > 500, "{path}");
            assert!(!text.contains("/root/") && !text.contains("/home/"), "{path} depends on this machine");
        }
    }

    #[test]
    fn every_command_and_flag_is_explained() {
        for command in Reference::collect().commands {
            assert!(!command.synopsis.is_empty() && !command.synopsis.ends_with('.'), "{}", command.name);
            for option in &command.options {
                let flag = format!("{} {}", command.name, option.name);
                assert!(!option.usage.is_empty() && !option.name.is_empty(), "{flag}");
                assert!(!option.usage.ends_with('.'), "{flag}: {}", option.usage);
            }
        }
    }
}
