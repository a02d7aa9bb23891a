//! Chart values from the command line: files, `--set` and its relatives.

use clap::Args;

/// Where values come from, weakest first: files in the order given, then `--set`, `--set-string`, `--set-file`.
#[derive(Args, Clone, Debug, Default)]
pub struct ValuesArgs {
    /// File or URL of chart values (YAML); may be repeated, later ones win
    #[arg(short = 'f', long, visible_alias = "config", value_name = "FILE", help_heading = "Values")]
    pub values: Vec<String>,

    /// Set chart values, as in Helm: key1=val1,key2.sub=val2
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Values")]
    pub set: Vec<String>,

    /// Set chart values that stay strings: key1=val1,key2=val2
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Values")]
    pub set_string: Vec<String>,

    /// Set chart values from files: key1=path1,key2=path2
    #[arg(long, value_name = "KEY=FILE", help_heading = "Values")]
    pub set_file: Vec<String>,

    /// Configuration file (YAML) of the add-ons grafana, prometheus and tracing
    #[arg(long, value_name = "FILE", help_heading = "Values")]
    pub addon_config: Option<String>,
}

impl ValuesArgs {
    /// The add-on file, as a source to read.
    pub fn addon_config_source(&self) -> Option<&str> {
        self.addon_config.as_deref()
    }

    /// True when no value is given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
            && self.set.is_empty()
            && self.set_string.is_empty()
            && self.set_file.is_empty()
            && self.addon_config.is_none()
    }
}
