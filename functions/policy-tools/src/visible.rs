//! Texts that a terminal shows and does not obey.

/// JSON of which a string cannot do so either: the same JSON, with escapes. Outside its strings there is
/// nothing to escape.
#[must_use]
pub fn visible_json(json: &str) -> String {
    json.chars()
        .flat_map(|c| {
            if is_hidden(c) {
                format!("\\u{:04x}", u32::from(c)).chars().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// A text that cannot move the cursor, colour the terminal or turn its letters round, whoever wrote it.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if is_hidden(c) {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// Control characters, marks that are not seen, and those that set the direction of writing.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
