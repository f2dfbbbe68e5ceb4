//! A table for people. Each column is as wide as its widest cell.

use std::io::{self, Write};

use redrive_policy_tools::visible::visible;

/// The heading of a column, and the maximum characters of a cell.
pub(crate) type Column = (&'static str, usize);

/// Writes the table. Longer cells end in `…`; control characters are escaped.
pub(crate) fn write(
    out: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let shown: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .zip(columns)
                .map(|(cell, (_, most))| fitted(&visible(cell), *most))
                .collect()
        })
        .collect();
    let headings: Vec<String> = columns
        .iter()
        .map(|(heading, _)| (*heading).to_owned())
        .collect();
    let width = |index: usize| {
        let cells = shown
            .iter()
            .chain([&headings])
            .filter_map(|row| row.get(index));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in [&headings].into_iter().chain(&shown) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let missing = width.saturating_sub(cell.chars().count()).saturating_add(2);
            line.extend(std::iter::repeat_n(' ', missing));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn fitted(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_their_cells_and_control_characters_are_escaped() {
        let mut out = Vec::new();
        let rows = [
            vec!["a".into(), "long enough".into()],
            vec!["b\u{1b}[31m".into(), "x".into()],
        ];
        write(&mut out, &[("one", 20), ("two", 6)], &rows).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "one          two\na            long …\nb\\u{1b}[31m  x\n"
        );
    }
}
