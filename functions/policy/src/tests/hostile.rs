//! Tests of malicious documents.

use super::*;

#[test]
fn a_document_that_laughs_a_billion_times_is_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for i in 1..12 {
        let again = vec![format!("*a{}", i - 1); 9].join(", ");
        text.push_str(&format!("b{i}: &a{i} [{again}]\n"));
    }
    assert!(
        wrong(&text)
            .contains("the document has more than 2000000 nodes; does an anchor repeat itself?")
    );
    // One long text, repeated by aliases.
    let text = format!(
        "a: &a \"{}\"\nb: [{}]\n",
        "x".repeat(500_000),
        vec!["*a"; 100_000].join(",")
    );
    assert!(wrong(&text).contains("the document has more than 2000000 nodes"));
}

#[test]
fn anchors_and_aliases_count_towards_the_size_limit() {
    // A list of a million and a half nodes. Each list within it has an anchor, so that it could be repeated.
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
    for i in 1..5 {
        let again = vec![format!("*a{}", i - 1); 10].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{again}]\n"));
    }
    let open: String = (0..40).map(|i| format!("&b{i} [")).collect();
    text.push_str(&format!("b: {open}[*a4, *a4, *a4]{}\n", "]".repeat(40)));
    assert!(wrong(&text).contains("the document has more than 2000000 nodes"));
}

#[test]
fn deep_nesting_is_refused_where_it_gets_too_deep() {
    for (open, place) in [("[", "1:65"), ("{a: ", "1:257")] {
        assert_eq!(
            wrong(&open.repeat(100)),
            format!("{place}: the nesting is deeper than 64 deep")
        );
        assert!(wrong(&open.repeat(300_000)).ends_with("recursion limit exceeded"));
    }
    let block: alloc::string::String = (0..500).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(wrong(&block).contains("the nesting is deeper than 64 deep"));
}

#[test]
fn a_megabyte_is_read_in_its_own_time() {
    let keys: alloc::string::String = (0..100_000).map(|i| format!("k{i:05}: 1\n")).collect();
    assert_eq!(wrong(&keys).lines().count(), 100_002);
    let policies: alloc::string::String = (0..30_000)
        .map(|i| format!("- {{name: p{i}, retry: {{}}}}\n"))
        .collect();
    assert_eq!(
        read(&format!("version: 1\npolicies:\n{policies}"))
            .policies
            .len(),
        30_000
    );
    let rules: alloc::string::String = (0..40_000)
        .map(|i| format!("- {{id: r{i}, limit: 1}}\n"))
        .collect();
    let document = read(&format!(
        "version: 1\nretry:\n automatic:\n{}",
        rules.replace("- ", " - ")
    ));
    assert_eq!(document.policies[0].automatic.len(), 40_000);
    let long = format!(
        "version: 1\nretry: {{automatic: {{error: \"{}\"}}}}",
        "*a".repeat(500_000)
    );
    assert_eq!(read(&long).policies[0].automatic.len(), 1);
}

#[test]
fn a_nul_is_placed_by_the_lines_that_yaml_counts() {
    for (text, line, column) in [
        ("a: 1\nb: \0", 2, 4),
        ("a: 1\r\nb: \0", 2, 4),
        ("a: 1\rb: \0", 2, 4),
        ("\0", 1, 1),
    ] {
        let problems = Document::parse(text).unwrap_err();
        let place = problems.0.first().unwrap().place;
        assert_eq!((place.line, place.column), (line, column), "{text:?}");
    }
}
