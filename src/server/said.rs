//! The end of what another program said, short enough for the cause of an error.

/// The last lines, at most five and 1000 bytes, indented for an error; empty if there are none.
pub fn last_lines(said: &[u8]) -> String {
    let end = String::from_utf8_lossy(&said[said.len().saturating_sub(1000)..]).into_owned();
    let lines: Vec<&str> = end.trim().lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n         ")
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn only_the_end_is_told() {
        for (said, told) in [
            ("", ""),
            ("\n one\n", "one"),
            ("1\n2\n3\n4\n5\n6\n", "2\n         3\n         4\n         5\n         6"),
        ] {
            assert_eq!(last_lines(said.as_bytes()), told);
        }
        assert_eq!(last_lines(&[b'a'; 5000]).len(), 1000);
    }
}
