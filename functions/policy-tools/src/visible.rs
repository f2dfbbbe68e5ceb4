//! Escaping of text, so that a terminal shows control characters instead of obeying them.

/// Returns the same JSON with hidden characters escaped. Only strings need escapes: valid JSON has no hidden
/// characters elsewhere.
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

/// Returns a text that cannot move the cursor, colour the terminal or reverse its letters.
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

/// Returns whether a character is a control character, an invisible mark or a mark of writing direction.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
