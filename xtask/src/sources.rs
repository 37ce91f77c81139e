//! What the sources of the protocol may not say: no clock, no I/O, no runtime.

use std::fs;
use std::path::Path;

use crate::Done;

/// Names that stand for what the state machine is handed from outside.
const FORBIDDEN_NAMES: [&str; 8] =
    ["tokio", "async", "await", "async_trait", "Instant", "SystemTime", "getrandom", "RandomState"];
/// Modules of the standard library that do I/O.
const FORBIDDEN_PATHS: [&str; 4] = ["std::net", "std::fs", "std::thread", "std::io"];

/// Every line below `folder` that uses one of them. A folder that is not there is an error: a check that
/// looks at nothing finds nothing.
pub(crate) fn violations(folder: &Path) -> Done<Vec<String>> {
    let mut violations = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            violations.extend(self::violations(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for (line, used) in forbidden(&fs::read_to_string(&path)?) {
                violations.push(format!(
                    "{}:{line}: the protocol uses {used}; hand it in from outside",
                    path.display()
                ));
            }
        }
    }
    Ok(violations)
}

/// The lines, from 1 on, with what they must not use. Comments may name anything.
fn forbidden(source: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        let code = text.split("//").next().unwrap_or_default();
        let names = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        for name in names {
            found.extend(FORBIDDEN_NAMES.iter().find(|&&bad| bad == name).map(|&bad| (line, bad)));
        }
        found.extend(
            FORBIDDEN_PATHS.iter().filter(|&&path| code.contains(path)).map(|&path| (line, path)),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::forbidden;

    #[test]
    fn uses_are_found_with_their_line() {
        let source =
            "use std::time::{Duration, Instant};\n\nasync fn x() {}\nuse std::net::TcpStream;";
        assert_eq!(forbidden(source), [(1, "Instant"), (3, "async"), (4, "std::net")]);
    }

    #[test]
    fn comments_and_longer_names_are_fine() {
        let source = "// tokio drives it\n//! async\nlet asynchronous = instant(); // await\nuse std::time::Duration;";
        assert_eq!(forbidden(source), []);
    }
}
