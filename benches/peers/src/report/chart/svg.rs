//! The few elements of SVG that a chart needs, as text. What they look like is said by classes
//! and one style sheet, which is where light and dark differ.

use std::fmt::{self, Write};

/// Grows by elements.
#[derive(Debug, Default)]
pub struct Svg(String);

/// Light by default. The colours of text have a contrast of 4.5 and more to their ground, and a
/// rim of it, so that lines behind them do not cross them out.
const STYLE: &str = "
  .ground { fill: #ffffff; stroke: #d0d7de }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328;
    paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
  .title { font-size: 18px; font-weight: 600 }
  .heading { font-size: 13px; font-weight: 600 }
  .strong { font-weight: 600 }
  .muted { fill: #59636e }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #d8dee4 }
  .one { stroke: #59636e; stroke-dasharray: 4 3 }
  .ours { fill: #0a7ea4 }
  .reference { fill: #59636e }
  .other { fill: #b6bec8 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #30363d }
    text { fill: #e6edf3; stroke: #0d1117 }
    .muted { fill: #9198a1 }
    .grid { stroke: #262c34 }
    .one { stroke: #9198a1 }
    .ours { fill: #39b8e3 }
    .reference { fill: #9198a1 }
    .other { fill: #4d5763 }
  }
";

impl Svg {
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], round: f64) {
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\" rx=\"{round}\"/>"
        ));
    }

    pub fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        let ([x1, y1], [x2, y2]) = (from, to);
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// Text in parts, each of a class of its own, on one line; `class` places it. Spaces
    /// between parts have to be unbreakable ones, or only one of them is left.
    pub fn text(&mut self, class: &str, [x, y]: [f64; 2], parts: &[(&str, &str)]) {
        let mut spans = String::new();
        for (class, text) in parts {
            let text = escaped(text);
            let _ = write!(spans, "<tspan class=\"{class}\">{text}</tspan>");
        }
        self.add(format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{spans}</text>"));
    }

    /// Puts another drawing above this one.
    pub fn append(&mut self, above: Svg) {
        self.0 += &above.0;
    }

    /// The whole file. Programs that read pictures aloud read the title and the description.
    pub fn finish(self, [width, height]: [f64; 2], title: &str, description: &str) -> String {
        let (title, description, body) = (escaped(title), escaped(description), self.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" \
             aria-labelledby=\"title description\">\n\
             <title id=\"title\">{title}</title>\n\
             <desc id=\"description\">{description}</desc>\n\
             <style>{STYLE}</style>\n{body}</svg>\n"
        )
    }

    fn add(&mut self, element: fmt::Arguments) {
        let _ = writeln!(self.0, "{element}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut svg = Svg::default();
        svg.text("", [1.0, 2.0], &[("strong", "a < b & c")]);
        let text = svg.finish([10.0, 20.0], "x > y", "");
        assert!(text.contains(">a &lt; b &amp; c</tspan>"), "{text}");
        assert!(text.contains(">x &gt; y</title>"), "{text}");
    }
}
