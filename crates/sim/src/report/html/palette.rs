//! The colours, once for light and once for dark.
//!
//! After Okabe and Ito ("Color Universal Design", 2008), whose hues people with any common colour
//! blindness tell apart. No meaning hangs on a hue alone: states also differ in height and pattern,
//! marks in shape, curves in dashes.

/// A name as CSS has it (without the dashes), in light, in dark.
type Colour = (&'static str, &'static str, &'static str);

const COLOURS: &[Colour] = &[
    // Surfaces and text.
    ("page", "#f4f6f8", "#0e1217"),
    ("card", "#ffffff", "#161b22"),
    ("raised", "#eef1f5", "#1f262f"),
    ("ink", "#18212c", "#e7ecf2"),
    ("muted", "#566372", "#9aa7b6"),
    ("line", "#dde2e8", "#2b343f"),
    // Judgement.
    ("good", "#00704f", "#45cfa2"),
    ("good-soft", "#e0f3ec", "#10302a"),
    ("bad", "#c22f12", "#ff7a5c"),
    ("bad-soft", "#fdebe6", "#3a1a15"),
    ("warn", "#8a5a00", "#f0b43c"),
    ("warn-soft", "#fdf1d8", "#33270f"),
    // What a node is.
    ("live", "#7db4dc", "#3f7fae"),
    ("starting", "#c8dff0", "#274d69"),
    ("suspect", "#e69f00", "#e69f00"),
    ("disconnected", "#b0588c", "#d27fae"),
    ("paused", "#8b95a1", "#8b95a1"),
    ("down", "#8b95a1", "#6d7885"),
    // What was done to it.
    ("network", "#b8860b", "#d9a93a"),
    ("broker", "#7a5fb5", "#a890e0"),
    ("host", "#5d6a78", "#8794a3"),
    // Phases.
    ("healthy", "#0072b2", "#56b4e9"),
    ("faulty", "#d55e00", "#ff8f4d"),
    ("healing", "#008a64", "#3fcf9f"),
    // The heatmap.
    ("heat", "#0072b2", "#56b4e9"),
];

/// The custom properties of a page that follows what its reader prefers.
pub(super) fn properties() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (name, in_light, in_dark) in COLOURS {
        light.push_str(&format!("--{name}:{in_light};"));
        dark.push_str(&format!("--{name}:{in_dark};"));
    }
    format!(":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n")
}

/// A style sheet with the light colours written out, for an image that stands alone: not everything
/// that draws an SVG knows custom properties.
pub(super) fn in_light(css: &str) -> String {
    COLOURS.iter().fold(css.to_string(), |css, (name, light, _)| {
        css.replace(&format!("var(--{name})"), light)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, as WCAG 2 defines it.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_what_it_stands_on() {
        let find = |wanted: &str| *COLOURS.iter().find(|(name, ..)| *name == wanted).unwrap();
        for (text, surface) in [
            ("ink", "page"),
            ("ink", "card"),
            ("ink", "raised"),
            ("muted", "page"),
            ("muted", "card"),
            ("muted", "raised"),
            ("good", "good-soft"),
            ("bad", "bad-soft"),
            ("warn", "warn-soft"),
            ("ink", "bad-soft"),
        ] {
            let (text, surface) = (find(text), find(surface));
            assert!(contrast(text.1, surface.1) >= 4.5, "{} on {}, light", text.0, surface.0);
            assert!(contrast(text.2, surface.2) >= 4.5, "{} on {}, dark", text.0, surface.0);
        }
    }

    #[test]
    fn an_image_has_no_properties_left() {
        assert_eq!(in_light("a{fill:var(--live)}"), "a{fill:#7db4dc}");
        assert!(!in_light(super::super::timeline::CSS).contains("var("));
    }
}
