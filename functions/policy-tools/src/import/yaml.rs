//! YAML values on one line, written so that a reader gets the same value back.

/// Returns a text, quoted where YAML needs quotes.
pub(super) fn text(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        // YAML, or an older reader of it, reads these words as other types.
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_word {
        return text.to_owned();
    }
    let escaped = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{206f}' | '\u{feff}');
    if text.contains(['"', '\\']) && !text.contains('\'') && !text.contains(escaped) {
        return format!("'{text}'");
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if escaped(c) => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns a single value as it is, and several values as a list.
pub(super) fn any_of(values: &[String]) -> String {
    match values {
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// Returns a policy text that matches only this value. `none` has no such text, since it matches an absent value.
pub(super) fn literal(value: &str) -> Option<String> {
    if value == "none" {
        return None;
    }
    let mut escaped = String::new();
    for c in value.chars() {
        if matches!(c, '*' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    Some(text(&escaped))
}

#[cfg(test)]
mod tests {
    use redrive_policy::node::{Scalar, parse};

    use super::*;

    #[test]
    fn whatever_is_written_is_read_as_it_was() {
        for value in [
            "States.ALL",
            "a b",
            "*",
            "none",
            "",
            "yes",
            "on",
            "3",
            "-1",
            "1.5",
            "null",
            "~",
            "a: b",
            "# no",
            "\"",
            "'",
            "\\",
            "it's \"so\"",
            "*\"Reason\":\"x*",
            "a\nb",
            "\u{1b}[31m",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}x",
            "😀",
            "- x",
            "{",
            "&a",
            "!x",
            "%",
            "@",
            "`",
            " x ",
            "a\tb",
        ] {
            let written = text(value);
            assert!(!written.contains(['\n', '\u{1b}']), "{written:?}");
            let (node, problems) = parse(&written);
            assert_eq!(problems, [], "{written}");
            let node = node.unwrap();
            assert_eq!(node.scalar(), Some(Scalar::Text(value)), "{written}");
        }
    }
}
