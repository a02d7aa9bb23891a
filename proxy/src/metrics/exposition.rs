//! Writes families as text: the classic format (`text/plain; version=0.0.4`) or OpenMetrics, never a mixture.

use std::fmt::Write as _;

use super::labels::LabelText;
use super::table::Family;
use super::value::{Kind, Scale};

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Text,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

/// A text that grows by families.
#[derive(Debug)]
pub struct Exposition {
    out: String,
    format: Format,
}

/// Takes the samples of one family. The head of the family is written with the first, so that a family without samples leaves nothing.
#[derive(Debug)]
pub struct Samples<'a> {
    out: &'a mut String,
    format: Format,
    family: &'a Family,
    name: String,
    headed: bool,
    labels: &'a str,
    extra: LabelText,
}

// === impl Format ===

impl Format {
    /// What a client accepts, by its `Accept` field. OpenMetrics has to be asked for by name, and must not be ranked below plain text.
    pub fn negotiate(accept: Option<&str>) -> Self {
        let mut open = 0.0;
        let mut text = 0.0;
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let mut quality = 1.0_f32;
            let mut version = true;
            for part in parts {
                match part.split_once('=') {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => {
                        version = matches!(value.trim_matches('"'), "1.0.0" | "0.0.1")
                    }
                    _ => {}
                }
            }
            if name.eq_ignore_ascii_case("application/openmetrics-text") && version {
                open = quality.max(open);
            } else if name.eq_ignore_ascii_case("text/plain") {
                text = quality.max(text);
            }
        }
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

// === impl Exposition ===

impl Exposition {
    /// An empty text.
    pub fn new(format: Format) -> Self {
        Self { out: String::with_capacity(16 * 1024), format }
    }

    /// One family: `write` is given what takes its samples.
    pub fn family<'a>(&'a mut self, prefix: &str, family: &'a Family, write: impl FnOnce(&mut Samples<'a>)) {
        let name = format!("{prefix}{}", family.name);
        let mut samples = Samples {
            out: &mut self.out,
            format: self.format,
            family,
            name,
            headed: false,
            labels: "",
            extra: LabelText::default(),
        };
        write(&mut samples);
    }

    /// The text, complete.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

// === impl Samples ===

impl<'a> Samples<'a> {
    /// The labels of the series that is written next.
    pub fn series(&mut self, labels: &'a str) {
        self.labels = labels;
        self.extra.clear();
    }

    /// Writes with further labels.
    pub fn with(&mut self, label: impl FnOnce(&mut LabelText), write: impl FnOnce(&mut Self)) {
        let before = self.extra.len();
        label(&mut self.extra);
        write(self);
        self.extra.truncate(before);
    }

    /// A sample that is a whole number.
    pub fn integer(&mut self, value: u64) {
        self.begin("", None);
        // Writing into a `String` does not fail.
        let _ = writeln!(self.out, " {value}");
    }

    /// A sample that is a whole number, perhaps below zero.
    pub fn signed(&mut self, value: i64) {
        self.begin("", None);
        let _ = writeln!(self.out, " {value}");
    }

    /// A sample that is a fraction.
    pub fn float(&mut self, value: f64) {
        self.begin("", None);
        let _ = writeln!(self.out, " {value}");
    }

    /// A histogram, from raw counts a bucket and a raw sum.
    pub fn histogram(&mut self, scale: &Scale, counts: &[u64], sum: u64) {
        let mut below = 0;
        let mut bound_text = String::new();
        for (at, count) in counts.iter().enumerate() {
            below += count;
            bound_text.clear();
            match scale.bounds.get(at) {
                Some(bound) => {
                    let bound = *bound as f64 / scale.per_unit;
                    let _ = if scale.decimals {
                        write!(bound_text, "{bound:?}")
                    } else {
                        write!(bound_text, "{bound}")
                    };
                }
                None => bound_text.push_str("+Inf"),
            }
            self.begin("_bucket", Some(&bound_text));
            let _ = writeln!(self.out, " {below}");
        }
        self.begin("_sum", None);
        let _ = writeln!(self.out, " {}", sum as f64 / scale.per_unit);
        self.begin("_count", None);
        let _ = writeln!(self.out, " {below}");
    }

    /// Everything of a sample before its value.
    fn begin(&mut self, suffix: &str, bound: Option<&str>) {
        if !self.headed {
            self.headed = true;
            self.head();
        }
        self.out.push_str(&self.name);
        self.out.push_str(suffix);
        let mut next = '{';
        for labels in [self.labels, self.extra.as_str()] {
            if !labels.is_empty() {
                self.out.push(next);
                self.out.push_str(labels);
                next = ',';
            }
        }
        if let Some(bound) = bound {
            let _ = write!(self.out, "{next}le=\"{bound}\"");
            next = ',';
        }
        if next == ',' {
            self.out.push('}');
        }
    }

    fn head(&mut self) {
        let (name, kind) = match (self.format, self.family.kind) {
            (Format::Text, Kind::Counter) => (self.name.as_str(), "counter"),
            // OpenMetrics names a counter without its ending, and knows none without that ending.
            (Format::OpenMetrics, Kind::Counter) => match self.name.strip_suffix("_total") {
                Some(name) => (name, "counter"),
                None => (self.name.as_str(), "unknown"),
            },
            (_, Kind::Gauge) => (self.name.as_str(), "gauge"),
            (_, Kind::Histogram(_)) => (self.name.as_str(), "histogram"),
        };
        let help = self.family.help.trim().trim_end_matches('.');
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_has_to_be_asked_for() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        let cases = [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain;version=0.0.4"), Format::Text),
            (Some(prometheus), Format::OpenMetrics),
            (Some("application/openmetrics-text;q=0.2, text/plain;q=0.9"), Format::Text),
            (Some("application/openmetrics-text;version=7.0.0"), Format::Text),
            (Some("application/openmetrics-text;q=0"), Format::Text),
        ];
        for (accept, expected) in cases {
            assert_eq!(Format::negotiate(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_family_without_samples_leaves_nothing() {
        let family = Family { name: "a_total", help: " A.", kind: Kind::Counter, labels: &[] };
        let mut exposition = Exposition::new(Format::Text);
        exposition.family("x_", &family, |_| {});
        assert_eq!(exposition.finish(), "");
    }

    #[test]
    fn a_counter_is_named_as_its_format_wants() {
        let family = Family { name: "a_total", help: " Things.", kind: Kind::Counter, labels: &[] };
        let write = |format| {
            let mut exposition = Exposition::new(format);
            exposition.family("x_", &family, |samples| {
                samples.series("b=\"1\"");
                samples.with(|labels| labels.add("c", 2), |samples| samples.integer(3));
            });
            exposition.finish()
        };
        assert_eq!(
            write(Format::Text),
            "# HELP x_a_total Things\n# TYPE x_a_total counter\nx_a_total{b=\"1\",c=\"2\"} 3\n"
        );
        assert_eq!(
            write(Format::OpenMetrics),
            "# HELP x_a Things\n# TYPE x_a counter\nx_a_total{b=\"1\",c=\"2\"} 3\n# EOF\n"
        );
    }
}
