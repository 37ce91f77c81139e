//! Text that goes into a page: whatever a string holds, it stays text.

/// For HTML and SVG, between tags and inside quoted attributes.
///
/// Control characters are replaced: XML allows most of them in no form at all.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 8);
    for character in raw.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

/// JSON that can stand inside a `script` element.
///
/// Outside of strings JSON has none of these characters, and inside of strings the escape means the
/// same; so the data stay equal, and neither `</script>` nor `<!--` can appear.
pub(super) fn json(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 64);
    for character in raw.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            text("<a href=\"x\" title='y'>&</a>"),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;&lt;/a&gt;"
        );
        assert_eq!(text("a\u{0}b\u{1b}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
        assert_eq!(text("Grüße → 𝄞"), "Grüße → 𝄞");
    }

    #[test]
    fn a_script_cannot_be_closed_from_inside_and_the_data_stay_equal() {
        let hostile = "</script><!--<script>&\u{2028}\u{2029}";
        let embedded = json(&serde_json::to_string(hostile).unwrap());
        assert!(!embedded.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
        assert_eq!(serde_json::from_str::<String>(&embedded).unwrap(), hostile);
    }
}
