//! The script that the first process of a cluster's PID namespace runs: `init.sh`.

use std::fmt::Write as _;
use std::path::Path;

/// Builds `init.sh` line by line.
///
/// The script is left in the cluster's folder, so what runs can be read there, with every flag.
pub(super) struct InitScript {
    text: String,
}

/// One program of a cluster with its arguments.
#[derive(Clone, Debug)]
pub(super) struct Part {
    name: String,
    words: Vec<String>,
}

impl Part {
    /// A part called `name` (its log is `logs/NAME.log`) that runs `program`.
    pub(super) fn new(name: &str, program: &Path) -> Self {
        Self { name: name.to_owned(), words: vec![program.display().to_string()] }
    }

    /// Adds one argument as it is.
    pub(super) fn arg(mut self, argument: impl Into<String>) -> Self {
        self.words.push(argument.into());
        self
    }

    /// Adds `--name=value` for each entry.
    pub(super) fn flags<V: std::fmt::Display>(
        mut self,
        flags: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        self.words.extend(flags.into_iter().map(|(name, value)| format!("--{name}={value}")));
        self
    }

    /// Runs the part through another program, such as `nsenter` with its options.
    pub(super) fn within(mut self, prefix: &[&str]) -> Self {
        self.words.splice(0..0, prefix.iter().map(|word| (*word).to_owned()));
        self
    }
}

impl InitScript {
    /// A script that works in `dir`.
    ///
    /// It notes the number of its process as seen from outside, for those who enter its namespaces, and records
    /// every part that ends in `ended`, unless it was sent away for a while (`outage`).
    pub(super) fn new(dir: &Path) -> Self {
        let dir = quote(&dir.display().to_string());
        Self {
            text: format!(
                "exec 3<&0 </dev/null\n\
                 cd {dir} || exit 1\n\
                 exec >logs/init.log 2>&1\n\
                 sed -n 's/^PPid:[[:space:]]*//p' /proc/self/status >init.pid.new && mv init.pid.new init.pid\n\
                 part() {{\n\
                 \x20 name=$1\n\
                 \x20 shift\n\
                 \x20 ( while \"$@\" >>\"logs/$name.log\" 2>&1 3<&-; status=$?; [ -e \"away.$name\" ]; do\n\
                 \x20     while [ -e \"away.$name\" ]; do sleep 0.1; done\n\
                 \x20   done; echo \"$name ended with status $status\" >>ended ) &\n\
                 }}\n"
            ),
        }
    }

    /// Adds a line of shell.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Starts a part in the background.
    pub(super) fn start(&mut self, part: &Part) {
        let words: Vec<String> = part.words.iter().map(|word| quote(word)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "part {} \\\n  {}", quote(&part.name), words.join(" \\\n  "));
    }

    /// The whole script: after the parts it waits for the end of standard input.
    ///
    /// It waits for a child that reads rather than reading itself, because the shell reaps orphans only in `wait`.
    pub(super) fn finish(mut self) -> String {
        self.text.push_str("cat <&3 >/dev/null &\nwait $!\n");
        self.text
    }
}

/// Quotes a word for the shell.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn quoted_words_arrive_as_they_were() {
        for word in ["plain", "", "two words", "it's", "$HOME `id` \"x\" \\", "*,-x", "a\nb"] {
            let script = format!("printf %s {}", quote(word));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{script}");
        }
    }
}
