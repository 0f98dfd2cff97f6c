//! Puts the chart on paper: one panel under the other, one bar a line, names beside the bars
//! instead of a legend.
//!
//! Ratios are drawn on a logarithmic axis and their bars begin at 1: half the reference's CPU
//! is as long to the left as twice of it is to the right, and ten times still fits. Requests
//! and KiB have a true zero, and their bars begin there.

use super::model::{Bar, Chart, Group};
use super::svg::Svg;
use crate::peers::Role;

const WIDTH: f64 = 860.0;
const MARGIN: f64 = 24.0;
/// Where bars may begin and end. Right of them is room for what the longest is.
const LEFT: f64 = 226.0;
const RIGHT: f64 = 640.0;
/// One bar, and what is left free behind it, behind a group, and behind a panel.
const BAR: f64 = 11.0;
const STEP: f64 = 15.0;
const GROUP_GAP: f64 = 9.0;
const PANEL_GAP: f64 = 26.0;

/// Baseline of a line of text, from the top of the bar it stands beside.
const BASELINE: f64 = 9.5;

/// Draws all panels.
pub fn draw(chart: &Chart) -> String {
    let mut paper = Paper { svg: Svg::default(), y: MARGIN + 16.0 };
    paper.title();
    if !chart.cpu.is_empty() {
        paper.cpu(chart);
    }
    paper.amounts("Requests per second beside downloads from the disk: more is better", &chart.hot);
    paper.amounts("The server’s own memory for each paused viewer: less is better", &chart.memory);
    paper.line(&[("muted", &chart.machine)]);
    let height = paper.y - STEP + MARGIN;
    let mut ground = Svg::default();
    ground.rect("ground", [0.5, 0.5, WIDTH - 1.0, height - 1.0], 8.0);
    ground.append(paper.svg);
    ground.finish([WIDTH, height], "Headwater beside its peers", &description(chart))
}

/// All figures in words.
fn description(chart: &Chart) -> String {
    let bars = |group: &Group| {
        let bar = |bar: &Bar| format!("{} {}", bar.peer, bar.text);
        group.bars.iter().map(bar).collect::<Vec<_>>().join("; ")
    };
    let mut text = String::new();
    for section in &chart.cpu {
        text += &format!("CPU per request divided by nginx's. {}: ", section.heading);
        for group in &section.groups {
            text += &format!("{}: {}. ", group.label, bars(group));
        }
    }
    for group in &chart.hot {
        text += &format!("Requests per second, {}: {}. ", group.label, bars(group));
    }
    for group in &chart.memory {
        text += &format!("Memory of each of {}: {}. ", group.label, bars(group));
    }
    text.trim_end().to_owned()
}

/// What was drawn so far, and where the next line goes.
struct Paper {
    svg: Svg,
    y: f64,
}

impl Paper {
    /// One line of text.
    fn line(&mut self, parts: &[(&str, &str)]) {
        self.svg.text("", [MARGIN, self.y], parts);
        self.y += STEP + 4.0;
    }

    fn title(&mut self) {
        self.line(&[("title", "Headwater beside its peers")]);
        self.y += 12.0;
    }

    /// CPU per request, from the line of the reference to both sides.
    fn cpu(&mut self, chart: &Chart) {
        self.line(&[
            ("heading", "CPU per request ÷ nginx’s: less is better"),
            ("muted", "\u{a0} nginx is the better of its two settings, the line at 1"),
        ]);
        let groups = || chart.cpu.iter().flat_map(|section| &section.groups);
        let axis = Axis::around(groups().flat_map(|group| &group.bars).map(|bar| bar.value));
        let top = self.y + 8.0;
        for tick in axis.ticks() {
            self.svg.text("middle", [axis.x(tick), self.y], &[("muted", &format!("{tick}"))]);
        }
        self.y += STEP;
        // Under the bars, but only known when they are placed: drawn into the lines' own layer.
        let mut bars = Paper { svg: Svg::default(), y: self.y };
        for section in &chart.cpu {
            bars.y += 6.0;
            bars.section(&section.heading);
            for group in &section.groups {
                bars.group(group, |bar| (axis.x(1.0), axis.x(bar.value)));
            }
        }
        let bottom = bars.y - GROUP_GAP + 2.0;
        for tick in axis.ticks() {
            let class = if tick == 1.0 { "one" } else { "grid" };
            self.svg.line(class, [axis.x(tick), top], [axis.x(tick), bottom]);
        }
        self.svg.append(bars.svg);
        self.y = bars.y + PANEL_GAP;
    }

    /// Amounts of something, from zero.
    fn amounts(&mut self, heading: &str, groups: &[Group]) {
        if groups.is_empty() {
            return;
        }
        self.line(&[("heading", heading)]);
        let bars = groups.iter().flat_map(|group| &group.bars);
        let most = bars.map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
        for group in groups {
            self.y -= 8.0;
            self.section(&group.label);
            for bar in &group.bars {
                let name = [(weight(bar), &bar.peer[..])];
                self.svg.text("", [MARGIN, self.y + BASELINE], &name);
                let to = LEFT + (RIGHT - LEFT) * bar.value.max(0.0) / most;
                self.bar(bar, LEFT, to, &[(weight(bar), &bar.text)]);
            }
            self.y += GROUP_GAP;
        }
        self.y += PANEL_GAP;
    }

    fn section(&mut self, heading: &str) {
        self.svg.text("", [MARGIN, self.y + BASELINE], &[("muted", heading)]);
        self.y += STEP + 6.0;
    }

    /// The bars of one load, each with its peer's name; `ends` says from where to where one goes.
    fn group(&mut self, group: &Group, ends: impl Fn(&Bar) -> (f64, f64)) {
        let (first, rest) = group.label.split_once(", ").unwrap_or((&group.label, ""));
        let label = [("strong", first), ("muted", "\u{a0} "), ("muted", rest)];
        self.svg.text("", [MARGIN, self.y + BASELINE], &label);
        for bar in &group.bars {
            let (from, to) = ends(bar);
            let name = ("muted", &bar.peer[..]);
            self.bar(bar, from, to, &[(weight(bar), &bar.text), ("muted", "\u{a0} "), name]);
        }
        self.y += GROUP_GAP;
    }

    /// One bar, with a text to its right.
    fn bar(&mut self, bar: &Bar, from: f64, to: f64, text: &[(&str, &str)]) {
        let class = match bar.role {
            Role::Ours => "ours",
            Role::Reference => "reference",
            Role::Other => "other",
        };
        // A bar of no length would not be seen at all.
        let width = (to - from).abs().max(1.5);
        self.svg.rect(class, [from.min(to), self.y, width, BAR], 2.0);
        self.svg.text("", [from.max(to) + 7.0, self.y + BASELINE], text);
        self.y += STEP;
    }
}

/// Headwater is what the reader looks for.
fn weight(bar: &Bar) -> &'static str {
    match bar.role {
        Role::Ours => "strong",
        Role::Reference | Role::Other => "",
    }
}

/// A logarithmic axis from one power of two to another, 1 between them.
#[derive(Debug, PartialEq)]
struct Axis {
    low: i32,
    high: i32,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (-1.0_f64, 1.0_f64);
        for value in values.filter(|value| value.is_normal()) {
            low = low.min(value.log2().floor());
            high = high.max(value.log2().ceil());
        }
        // Ratios beyond these are nobody's, and the cast is exact between them.
        Axis { low: low.max(-10.0) as i32, high: high.min(10.0) as i32 }
    }

    fn x(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let place = (value.log2().clamp(low, high) - low) / (high - low);
        LEFT + (RIGHT - LEFT) * place
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.low..=self.high).map(|power| f64::from(power).exp2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn the_axis_holds_all_values_and_1() {
        let axis = Axis::around([0.8, 13.0].into_iter());
        assert_eq!(axis, Axis { low: -1, high: 4 });
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]);
        assert_eq!(axis.x(0.5), LEFT);
        assert_eq!(axis.x(16.0), RIGHT);
        assert_eq!(Axis::around([f64::NAN].into_iter()), Axis { low: -1, high: 1 });
    }

    #[test]
    fn twice_and_half_are_equally_far_from_1() {
        let axis = Axis { low: -2, high: 3 };
        let close = axis.x(2.0) - axis.x(1.0) - (axis.x(1.0) - axis.x(0.5));
        assert!(close.abs() < 1e-9);
    }

    #[test]
    fn every_figure_is_drawn_and_read_aloud() {
        let chart = Chart::of(&[report().json()]).unwrap();
        let svg = draw(&chart);
        let (aloud, drawn) = svg.split_once("</desc>").unwrap();
        for text in ["0.90", "4.0", "0.80", "600, p99 8.0 ms", "4.5 KiB"] {
            assert!(aloud.contains(text), "{text}");
            assert!(drawn.contains(&format!(">{text}</tspan>")), "{text}");
        }
        assert_eq!(svg.matches("<rect").count(), 1 + 2 + 1 + 1 + 3 + 3);
    }
}
