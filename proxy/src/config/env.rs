//! Reading variables: every problem is kept, so that one start tells of all of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

/// Longest piece of a value that an error repeats, in characters.
const SHOWN: usize = 64;

/// The variables of a process as they were found at its start.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

/// One variable that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name of the variable.
    pub variable: String,
    /// What it holds, cut to a readable length; none where it is not set.
    pub value: Option<String>,
    /// What is wrong.
    pub cause: String,
    /// The form that is expected, with an example.
    pub expected: String,
}

/// Reads variables and collects what is wrong with them.
#[derive(Debug)]
pub(super) struct Reader<'e> {
    environment: &'e Environment,
    problems: RefCell<Vec<Problem>>,
}

/// What a value should look like, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form(pub(super) &'static str);

// === impl Environment ===

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The text of a variable; none where it is unset or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name).and_then(|value| value.to_str())
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    /// Names that are not UTF-8 are nobody's here and left out.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.into().into_string().ok()?, value.into())))
            .collect();
        Self { variables }
    }
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => {
                write!(f, "{}: {:?} {}; expected {}", self.variable, value, self.cause, self.expected)
            }
            None => write!(f, "{} {}; expected {}", self.variable, self.cause, self.expected),
        }
    }
}

// === impl Reader ===

impl<'e> Reader<'e> {
    pub(super) fn new(environment: &'e Environment) -> Self {
        Self { environment, problems: RefCell::default() }
    }

    /// The text of a variable as it stands; none where it is unset.
    pub(super) fn raw(&self, name: &str) -> Option<&'e str> {
        let value = self.environment.variables.get(name)?;
        let text = value.to_str();
        if text.is_none() {
            self.refuse(name, Some(&value.to_string_lossy()), "is not UTF-8", Form("text in UTF-8"));
        }
        text
    }

    /// The text of a variable without blanks around it; none where nothing is left.
    pub(super) fn text(&self, name: &str) -> Option<&'e str> {
        self.raw(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The text of a variable that has to be there.
    pub(super) fn required(&self, name: &str, form: Form) -> Option<&'e str> {
        let text = self.text(name);
        if text.is_none() && !self.has_problem(name) {
            self.refuse(name, None, "is not set", form);
        }
        text
    }

    /// A parsed value; none where the variable is unset, empty or wrong.
    pub(super) fn parsed<T, E: fmt::Display>(
        &self,
        name: &str,
        form: Form,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.text(name).and_then(|text| self.keep(name, text, form, parse(text)))
    }

    /// As [`Reader::parsed`], of a variable that has to be there.
    pub(super) fn required_parsed<T, E: fmt::Display>(
        &self,
        name: &str,
        form: Form,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.required(name, form).and_then(|text| self.keep(name, text, form, parse(text)))
    }

    /// A value, or the problem of not having one.
    pub(super) fn keep<T, E: fmt::Display>(
        &self,
        name: &str,
        text: &str,
        form: Form,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(cause) => {
                self.refuse(name, Some(text), cause.to_string(), form);
                None
            }
        }
    }

    pub(super) fn refuse(&self, name: &str, value: Option<&str>, cause: impl Into<String>, form: Form) {
        self.problems.borrow_mut().push(Problem {
            variable: name.to_owned(),
            value: value.map(shortened),
            cause: cause.into(),
            expected: form.0.to_owned(),
        });
    }

    fn has_problem(&self, name: &str) -> bool {
        self.problems.borrow().iter().any(|problem| problem.variable == name)
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// The first line of a text, cut at a readable length.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < text.trim_end().len() => format!("{line}…"),
        None => line.to_owned(),
    }
}
