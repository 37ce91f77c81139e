//! Which versions are built in.

/// The version of a package, from the lock that this was built with.
pub(crate) fn version_of(package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let mut lines = include_str!("../Cargo.lock").lines().skip_while(|line| **line != name);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \""));
    version.map_or_else(String::new, |version| version.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn the_lock_knows_what_is_built_in() {
        assert_eq!(version_of("redis").split('.').count(), 3);
        assert_eq!(version_of("no-such-package"), "");
    }
}
