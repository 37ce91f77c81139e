//! `cargo xtask azure-speed`: how fast the Azure transport is over the emulator, for `docs/azure.md`.

use crate::Done;
use crate::marks::put;
use crate::shell::{cargo, conditions, output};

const DOCUMENT: &str = "docs/azure.md";
const MARKS: &str = "azure-speed";

/// Measures it and writes it.
pub(crate) fn write() -> Done {
    let conditions = conditions()?;
    let mut bench = cargo(&["bench", "--package", "unstale-benches", "--bench", "azure"]);
    let measured = measured(&output(&mut bench)?)?;
    put(DOCUMENT, MARKS, &format!("Measured {conditions}:\n\n{measured}"))
}

/// The table of what the bench prints, and the sentence after it.
fn measured(printed: &str) -> Done<String> {
    let (_, measured) = printed.split_once("| passage").ok_or("the bench printed no table")?;
    let measured = format!("| passage{}", measured.trim_end());
    match measured.split_once("\n\n") {
        Some((table, rest)) if table.lines().count() == 5 && !rest.is_empty() => Ok(measured),
        _ => Err(format!("not what the bench prints otherwise:\n{measured}").into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::marks::replaced;
    use crate::shell::workspace;

    const TABLE: &str = "| passage, sent to received | p50 µs |\n| --- | ---: |\n| raw | 101 |\n| ours | 126 |\n\
                         | nodes | 155 |\n";

    #[test]
    fn only_what_was_measured_is_kept() -> Done {
        let sentence = "25000 keys: published at 4999 a second.";
        let printed = format!("\n{TABLE}\n{sentence}\n\n");
        assert_eq!(measured(&printed)?, format!("{TABLE}\n{sentence}"));
        for wrong in ["", TABLE, &TABLE.replace("| ours | 126 |\n", ""), "| passage\n\nword"] {
            assert!(measured(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn the_document_has_its_marks() -> Done {
        let text = fs::read_to_string(workspace().join(DOCUMENT))?;
        replaced(&text, MARKS, "new").map_err(|error| format!("{DOCUMENT}: {error}"))?;
        Ok(())
    }
}
