//! Plots as SVG that takes its colours from the page around it.

use std::fmt::Write;

use super::{page::escaped, statistics::figure};

const WIDTH: f64 = 640.0;
const LABEL: f64 = 130.0;
const ROW: f64 = 24.0;
/// Bars of a histogram.
const BINS: usize = 16;

/// A bar: a share from 0 to 1, and how sure it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) share: f64,
    pub(super) interval: Option<(f64, f64)>,
}

/// Horizontal bars, with whiskers from one end of the interval to the other.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    let height = ROW * figure(bars.len()) + 26.0;
    let scale = WIDTH - LABEL - 60.0;
    let place = |share: f64| LABEL + scale * share.clamp(0.0, 1.0);
    let mut svg = open(title, height);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = place(tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{:.1}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{:.0} %</text>",
            height - 20.0,
            height - 5.0,
            tick * 100.0
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        let top = ROW * figure(row) + 4.0;
        let middle = top + 8.0;
        let _ = write!(
            svg,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"bar\" x=\"{LABEL:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"16\"/>\
             <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{:.0} %</text>",
            LABEL - 8.0,
            middle + 4.0,
            escaped(&bar.label),
            place(bar.share) - LABEL,
            WIDTH - 50.0,
            middle + 4.0,
            bar.share * 100.0
        );
        if let Some((low, high)) = bar.interval {
            let (low, high) = (place(low), place(high));
            let _ = write!(
                svg,
                "<path class=\"whisker\" d=\"M{low:.1} {:.1}V{:.1}M{low:.1} {middle:.1}H{high:.1}M{high:.1} {:.1}V{:.1}\"/>",
                middle - 4.0,
                middle + 4.0,
                middle - 4.0,
                middle + 4.0
            );
        }
    }
    svg + "</svg>"
}

/// How often times fall into equal parts of their range; nothing without times.
pub(super) fn histogram(title: &str, times_ms: &[f64]) -> String {
    let most = times_ms.iter().copied().fold(0.0, f64::max);
    if times_ms.is_empty() || most <= 0.0 {
        return String::new();
    }
    let within = |bin: usize, time: f64| {
        let share = time / most * figure(BINS);
        share >= figure(bin) && (share < figure(bin + 1) || bin + 1 == BINS)
    };
    let counts: Vec<usize> =
        (0..BINS).map(|bin| times_ms.iter().filter(|time| within(bin, **time)).count()).collect();
    let highest = figure(counts.iter().copied().max().unwrap_or(1).max(1));
    let (height, floor) = (150.0, 120.0);
    let step = WIDTH / figure(BINS);
    let mut svg = open(title, height);
    for (bin, count) in counts.iter().enumerate() {
        let tall = figure(*count) / highest * (floor - 16.0);
        let (left, top) = (step * figure(bin), floor - tall);
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/>",
            left + 1.0,
            step - 2.0
        );
        if *count > 0 {
            let middle = left + step / 2.0;
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{middle:.1}\" y=\"{:.1}\">{count}</text>",
                top - 3.0
            );
        }
    }
    let _ = write!(
        svg,
        "<text class=\"value\" x=\"0\" y=\"140\">0 ms</text>\
         <text class=\"label\" x=\"{WIDTH:.1}\" y=\"140\">{most:.0} ms</text></svg>"
    );
    svg
}

fn open(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\"><title>{title}</title>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_end_at_their_shares_and_whiskers_at_the_interval() {
        let bar = Bar { label: "<b>".to_owned(), share: 0.5, interval: Some((0.25, 2.0)) };
        let svg = bars("right \"answers\"", &[bar]);
        // 450 points stand for the whole.
        assert!(svg.contains(r#"width="225.0""#), "{svg}");
        assert!(svg.contains("M242.5 8.0V16.0M242.5 12.0H580.0"), "{svg}");
        assert!(svg.contains("&lt;b&gt;") && svg.contains("right &quot;answers&quot;"), "{svg}");
    }

    #[test]
    fn a_histogram_counts_every_time_once() {
        let svg = histogram("times", &[1.0, 2.0, 160.0, 160.0, 155.0]);
        let counts: Vec<&str> = svg.split("</text>").filter(|part| part.contains("tick")).collect();
        let counts: Vec<_> = counts.iter().filter_map(|part| part.rsplit('>').next()).collect();
        assert_eq!(counts, ["2", "3"]);
        assert_eq!(histogram("times", &[]), "");
    }
}
