//! Texts that a command writes into a document, between two marks: `<!-- name -->` and `<!-- end of name -->`.

use std::fs;

use crate::Done;
use crate::shell::workspace;

/// Puts a text between the marks of this name in a document.
pub(crate) fn put(document: &str, name: &str, text: &str) -> Done {
    let path = workspace().join(document);
    let before = fs::read_to_string(&path)?;
    let after = replaced(&before, name, text).map_err(|error| format!("{document}: {error}"))?;
    Ok(fs::write(path, after)?)
}

/// The document with this text between the marks; an error unless there is one pair of them.
pub(crate) fn replaced(document: &str, name: &str, text: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let between = document.split_once(&begin).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(&end)?;
        (!tail.contains(&begin)).then_some((head, tail))
    });
    let Some((head, tail)) = between else {
        return Err(format!("no pair of {} and {}, or two", begin.trim(), end.trim()));
    };
    Ok(format!("{head}{begin}{}\n{end}{tail}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = "a\n<!-- x -->\nold\n\nolder\n<!-- end of x -->\nb\n";
        let expected = "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n";
        assert_eq!(replaced(document, "x", "new\n\n").as_deref(), Ok(expected));
        assert_eq!(replaced(expected, "x", "new").as_deref(), Ok(expected));
        for wrong in ["<!-- x -->\n", "<!-- end of x -->\n<!-- x -->\n", &document.repeat(2)] {
            assert!(replaced(wrong, "x", "new").is_err(), "{wrong}");
        }
    }
}
