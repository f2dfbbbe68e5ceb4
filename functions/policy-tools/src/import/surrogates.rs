//! Surrogate pairs: JSON writes a character beyond `\uFFFF` as two escapes, and YAML as one.

/// Returns the text with each pair joined into one escape, which YAML reads in double quotes.
pub(super) fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        joined.push_str(before);
        if let Some((c, after)) = pair(after) {
            joined.push_str(&format!("\\U{:08X}", u32::from(c)));
            rest = after;
            continue;
        }
        joined.push('\\');
        rest = after;
        // An escaped backslash does not begin an escape.
        if let Some(after) = after.strip_prefix('\\') {
            joined.push('\\');
            rest = after;
        }
    }
    joined.push_str(rest);
    joined
}

/// Returns the character of two escapes, and the rest behind them. The first escape lacks its backslash.
fn pair(text: &str) -> Option<(char, &str)> {
    let (high, text) = unit(text)?;
    let (low, text) = unit(text.strip_prefix('\\')?)?;
    let c = char::decode_utf16([high, low]).next()?.ok()?;
    // Two escapes of separate characters are not a pair.
    (u32::from(c) > 0xffff).then_some((c, text))
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let text = text.strip_prefix('u')?;
    let (digits, rest) = text.split_at_checked(4)?;
    let digits = digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then_some(digits)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn surrogate_halves_become_one_letter() {
        for (text, expected) in [
            (r#""\ud83d\ude00 x""#, r#""\U0001F600 x""#),
            (r#""\uD83D\uDE00""#, r#""\U0001F600""#),
            (r#""\\ud83d\\ude00""#, r#""\\ud83d\\ude00""#),
            (r#""\\\ud83d\ude00""#, r#""\\\U0001F600""#),
            (r#""\u0041\u0042""#, r#""\u0041\u0042""#),
            (r#""\ud83d""#, r#""\ud83d""#),
            (r"\", r"\"),
            ("\\uä", "\\uä"),
            ("plain", "plain"),
        ] {
            assert_eq!(joined(text), expected);
        }
    }
}
