//! The text format of Prometheus, version 0.0.4.

use std::fmt::{self, Write as _};

use runledger_ports::Distribution;

/// What kind of value a metric is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often values were how large.
    Histogram,
}

/// One metric: everything that is said about it, once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// The page that is written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

type Labels<'a> = [(&'static str, &'a str)];

impl Page {
    /// Begins a metric; its samples follow.
    pub(super) fn metric(&mut self, metric: &Metric) -> Samples<'_> {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.write(format_args!(
            "# HELP {name} {}\n# TYPE {name} {kind}\n",
            metric.help,
            name = metric.name
        ));
        Samples {
            page: self,
            name: metric.name,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
    }
}

/// The samples of one metric.
pub(super) struct Samples<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Samples<'_> {
    /// The only sample.
    pub(super) fn value(&mut self, value: impl fmt::Display) {
        self.labelled(&[], value);
    }

    /// One of several samples.
    pub(super) fn labelled(&mut self, labels: &Labels<'_>, value: impl fmt::Display) {
        self.sample("", labels, value);
    }

    /// All samples of a histogram, whose values are shown as `shown` makes them.
    pub(super) fn distribution<D: fmt::Display>(&mut self, distribution: &Distribution, shown: impl Fn(u64) -> D) {
        self.distribution_of(&[], distribution, shown);
    }

    /// The same of one of several histograms.
    pub(super) fn distribution_of<D: fmt::Display>(
        &mut self,
        labels: &Labels<'_>,
        distribution: &Distribution,
        shown: impl Fn(u64) -> D,
    ) {
        let mut up_to = 0;
        for (bound, count) in distribution.bounds.iter().zip(&distribution.counts) {
            up_to += count;
            let bound = shown(*bound).to_string();
            self.sample("_bucket", &[labels, &[("le", bound.as_str())]].concat(), up_to);
        }
        let count = distribution.count();
        self.sample("_bucket", &[labels, &[("le", "+Inf")]].concat(), count);
        self.sample("_sum", labels, shown(distribution.sum));
        self.sample("_count", labels, count);
    }

    fn sample(&mut self, suffix: &str, labels: &Labels<'_>, value: impl fmt::Display) {
        let name = self.name;
        self.page.write(format_args!("{name}{suffix}"));
        for (place, (label, text)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            self.page.write(format_args!("{open}{label}=\"{}\"", Escaped(text)));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.page.write(format_args!("{close} {value}\n"));
    }
}

/// A label's value as it is written between quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Microseconds, shown as seconds, exactly.
pub(super) struct Seconds(pub(super) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        f.write_str(format!("{whole}.{rest:06}").trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Metric = Metric {
        name: "a_total",
        kind: Kind::Counter,
        help: "What it is.",
    };

    fn written(write: impl FnOnce(Samples<'_>)) -> String {
        let mut page = Page::default();
        write(page.metric(&PLAIN));
        let text = page.into_text();
        let head = "# HELP a_total What it is.\n# TYPE a_total counter\n";
        text.strip_prefix(head).unwrap().to_owned()
    }

    #[test]
    fn labels_are_quoted_and_escaped() {
        assert_eq!(written(|mut samples| samples.value(7)), "a_total 7\n");
        let text = written(|mut samples| samples.labelled(&[("x", "a\"b\\c\nd"), ("y", "")], 1));
        assert_eq!(text, "a_total{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 1\n");
    }

    #[test]
    fn a_distribution_counts_up_and_ends_with_everything() {
        let distribution = Distribution {
            bounds: &[1_000, 2_500_000],
            counts: vec![2, 3, 1],
            sum: 10_000_001,
        };
        let text = written(|mut samples| samples.distribution(&distribution, Seconds));
        assert_eq!(
            text,
            "a_total_bucket{le=\"0.001\"} 2\na_total_bucket{le=\"2.5\"} 5\na_total_bucket{le=\"+Inf\"} 6\n\
             a_total_sum 10.000001\na_total_count 6\n"
        );
        let labelled = written(|mut samples| samples.distribution_of(&[("kind", "x")], &distribution, Seconds));
        assert!(
            labelled.contains("a_total_bucket{kind=\"x\",le=\"2.5\"} 5\n")
                && labelled.ends_with("a_total_count{kind=\"x\"} 6\n"),
            "{labelled}"
        );
    }
}
