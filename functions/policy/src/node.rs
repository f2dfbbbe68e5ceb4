//! A YAML or JSON document as a tree with the place of every node.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::problem::{Place, Problem};

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The place where the node begins.
    pub place: Place,
    /// The content of the node.
    pub kind: Kind,
}

/// The content of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A scalar.
    Scalar {
        /// The text as written, without quotes.
        text: String,
        /// False for quoted and block scalars, which are always text.
        plain: bool,
    },
    /// Values in order.
    List(Vec<Node>),
    /// Keys and their values, in order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping, and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The place of the key.
    pub place: Place,
    /// The key itself.
    pub text: String,
}

/// The type of a scalar in the core schema of YAML 1.2, in which `on`, `yes` and `no` are text.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// Null or an empty node.
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(&'a str),
}

impl Node {
    /// Returns the value of a scalar, or `None` for a collection.
    #[must_use]
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        let Kind::Scalar { text, plain } = &self.kind else {
            return None;
        };
        if !plain {
            return Some(Scalar::Text(text));
        }
        Some(match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
            "true" | "True" | "TRUE" => Scalar::Bool(true),
            "false" | "False" | "FALSE" => Scalar::Bool(false),
            text => number(text).unwrap_or(Scalar::Text(text)),
        })
    }

    /// Returns a description of the node for a message.
    #[must_use]
    pub fn described(&self) -> String {
        match &self.kind {
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a mapping".into(),
            Kind::Scalar { text, .. } => match self.scalar() {
                Some(Scalar::Null) => "nothing".into(),
                Some(Scalar::Text(_)) => format!("the text {:?}", shortened(text)),
                Some(Scalar::Bool(_)) => text.clone(),
                _ => format!("the number {text}"),
            },
        }
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text.to_string();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

fn number(text: &str) -> Option<Scalar<'_>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let radix = |prefix, radix| {
        text.strip_prefix(prefix)
            .map(|digits| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(parsed) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return parsed.map(Scalar::Int);
    }
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        return unsigned
            .parse()
            .ok()
            .map(Scalar::Int)
            .or_else(|| text.parse().ok().map(Scalar::Float));
    }
    let special = matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    // A text with this beginning that parses is a float in YAML too. With another beginning, `inf` or `nan` would
    // parse.
    let begins_as_a_float = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match (special, begins_as_a_float) {
        (true, _) => Some(Scalar::Float(f64::NAN)),
        (_, true) => text.parse().ok().map(Scalar::Float),
        _ => None,
    }
}

/// Maximum nodes once the anchors are resolved; a policy needs a few thousand.
const MAX_NODES: usize = 2_000_000;
/// Maximum depth of nesting; a policy needs ten.
const DEEPEST: usize = 64;
/// Bytes of text that count as one more node, since aliases copy texts.
const TEXT_OF_A_NODE: usize = 64;

/// Reads the one document of `text`, with the problems of its form. `None` means that no further check is possible.
#[must_use]
pub fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    let mut builder = Builder::default();
    if let Err(problem) = fill(&mut builder, text) {
        builder.problems.push(problem);
        builder.root = None;
    }
    (builder.root, builder.problems)
}

fn fill(builder: &mut Builder, text: &str) -> Result<(), Problem> {
    // The scanner treats a NUL as the end of the text.
    if let Some((before, _)) = text.split_once('\0') {
        // In YAML a carriage return ends a line too, and a line feed behind it belongs to the same line break.
        let before = before.replace("\r\n", "\n").replace('\r', "\n");
        let last = before.rsplit('\n').next().unwrap_or_default();
        let place = Place {
            line: before.matches('\n').count().saturating_add(1),
            column: last.chars().count().saturating_add(1),
        };
        return Err(Problem::new(
            place,
            "this is not YAML: a NUL is here; is this a text file?",
        ));
    }
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, place(span))?,
            Err(error) => {
                let marker = error.marker();
                let place = Place {
                    line: marker.line(),
                    column: marker.col().saturating_add(1),
                };
                let info = error.info();
                let hint = remedy(info);
                return Err(Problem::new(
                    place,
                    format!("this is not YAML: {info}{hint}"),
                ));
            }
        }
    }
    if builder.root.is_none() {
        return Err(Problem::new(
            Place { line: 1, column: 1 },
            "the document is empty; the shortest policy that retries nothing is: { version: 1, retry: {} }",
        ));
    }
    Ok(())
}

/// Returns the remedy for a message of the parser.
fn remedy(info: &str) -> &'static str {
    let remedies = [
        // Common mistakes: `exit_status: *` and `error: *.Timeout`.
        (
            "alias",
            "; a star is an alias unless it is in quotes: \"*\"",
        ),
        (
            "unknown anchor",
            "; a star is an alias unless it is in quotes: \"*\"",
        ),
        ("tabs disallowed", "; indent with spaces"),
        ("found a tab", "; indent with spaces"),
        (
            "quoted scalar, found unexpected end",
            "; the quote that opens here is never closed",
        ),
        (
            "mapping values are not allowed",
            "; indent the keys of a mapping alike, put a space after each colon, and quote a text with a colon",
        ),
        (
            "expected '-' indicator",
            "; begin each entry of a list with a dash, and its content in one column",
        ),
        (
            "expected key",
            "; begin the keys of a mapping in one column, and each entry of a list with a dash",
        ),
        (
            "expected ','",
            "; a comma or a closing bracket is missing before this",
        ),
        ("misplaced bracket", "; this bracket closes nothing"),
        (
            "unexpected character",
            "; put a text that begins with it in quotes",
        ),
        (
            "trailing content",
            "; a quote inside quotes of its kind is written twice in single quotes, and as \\\" in double ones",
        ),
        (
            "unknown escape",
            "; write \\\\ for a backslash in double quotes, or use single quotes",
        ),
        (
            "<document start>",
            "; a policy is one mapping in YAML or JSON",
        ),
    ];
    let said = remedies.iter().find(|(words, _)| info.contains(words));
    said.map_or("", |(_, remedy)| remedy)
}

fn place(span: Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col().saturating_add(1),
    }
}

/// A collection that is being filled.
struct Open {
    place: Place,
    anchor: usize,
    size: usize,
    filling: Filling,
}

enum Filling {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// The line of each key.
        lines: BTreeMap<String, usize>,
        merged: Vec<(Place, Node)>,
        key: Option<Key>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
    /// Problems that do not keep the rest from being read.
    problems: Vec<Problem>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_unknown(tag.as_deref(), place);
                // `!!str 3` and `! 3` are text. Other tags agree with the schema.
                let text_by_tag =
                    tag.is_some_and(|tag| matches!(tag.suffix.as_str(), "str" | "" | "!"));
                let plain = style == ScalarStyle::Plain && !text_by_tag;
                let size = text
                    .len()
                    .checked_div(TEXT_OF_A_NODE)
                    .unwrap_or_default()
                    .saturating_add(1);
                let node = Node {
                    place,
                    kind: Kind::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                };
                self.count(size, place)?;
                self.add(node, anchor, size)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_unknown(tag.as_deref(), place);
                self.begin(place, anchor, Filling::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_unknown(tag.as_deref(), place);
                let filling = Filling::Map {
                    entries: Vec::new(),
                    lines: BTreeMap::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.begin(place, anchor, filling)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = self.open.pop() else {
                    return Ok(());
                };
                let kind = match done.filling {
                    Filling::List(items) => Kind::List(items),
                    Filling::Map {
                        entries, merged, ..
                    } => Kind::Map(merge(entries, merged, &mut self.problems)),
                };
                // The content was counted when it was read.
                self.count(1, done.place)?;
                self.add(
                    Node {
                        place: done.place,
                        kind,
                    },
                    done.anchor,
                    done.size,
                )
            }
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
                    return Err(Problem::new(
                        place,
                        "this alias refers to an anchor that is not complete yet",
                    ));
                };
                // INVARIANT: an alias is counted before its copy is made, so no tree larger than the limit is built.
                self.count(size, place)?;
                let node = self.anchors.get(&anchor).map(|(node, _)| node.clone());
                // Messages point to the use of the alias.
                node.map_or(Ok(()), |node| self.add(Node { place, ..node }, 0, size))
            }
            Event::DocumentStart(_) if self.root.is_some() => Err(Problem::new(
                place,
                "a second document begins here; a policy is one document: make a file of each",
            )),
            _ => Ok(()),
        }
    }

    /// Reports an unknown tag. `!Ref Machine` would be read as the text Machine, which no author means.
    fn refuse_unknown(&mut self, tag: Option<&Tag>, place: Place) {
        if let Some(Tag { handle, suffix }) = tag
            && handle == "!"
            && !matches!(suffix.as_str(), "" | "!")
        {
            self.problems.push(Problem::new(
                place,
                format!("the tag !{suffix} has no meaning here; write the value itself"),
            ));
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, filling: Filling) -> Result<(), Problem> {
        if self.open.len() >= DEEPEST {
            return Err(Problem::new(
                place,
                format!("the nesting is deeper than {DEEPEST} deep"),
            ));
        }
        self.open.push(Open {
            place,
            anchor,
            size: 1,
            filling,
        });
        Ok(())
    }

    fn count(&mut self, size: usize, place: Place) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > MAX_NODES {
            return Err(Problem::new(
                place,
                format!(
                    "the document has more than {MAX_NODES} nodes; does an anchor repeat itself?"
                ),
            ));
        }
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Problem> {
        if anchor > 0 {
            // The stored anchor is a copy for its aliases and counts too. An anchored list around it stores a further
            // copy.
            self.count(size, node.place)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.size = open.size.saturating_add(size);
        match &mut open.filling {
            Filling::List(items) => items.push(node),
            Filling::Map {
                entries,
                lines,
                merged,
                key,
            } => match key.take() {
                None => match node.kind {
                    Kind::Scalar { text, .. } => {
                        *key = Some(Key {
                            place: node.place,
                            text,
                        })
                    }
                    _ => {
                        return Err(Problem::new(
                            node.place,
                            "a key is a word, not a list or a mapping",
                        ));
                    }
                },
                Some(key) if key.text == "<<" => merged.push((key.place, node)),
                Some(key) => {
                    if let Some(line) = lines.get(&key.text) {
                        let problem = format!(
                            "the key {:?} is a duplicate of the key on line {line}",
                            key.text
                        );
                        self.problems.push(Problem::new(key.place, problem));
                    } else {
                        lines.insert(key.text.clone(), key.place.line);
                        entries.push((key, node));
                    }
                }
            },
        }
        Ok(())
    }
}

/// Merges `<<`. Keys of the mapping itself win over merged keys, and earlier merged keys win over later ones.
fn merge(
    mut entries: Vec<(Key, Node)>,
    merged: Vec<(Place, Node)>,
    problems: &mut Vec<Problem>,
) -> Vec<(Key, Node)> {
    if merged.is_empty() {
        return entries;
    }
    let mut own: BTreeSet<String> = entries.iter().map(|(key, _)| key.text.clone()).collect();
    for (place, node) in merged {
        let maps = match node.kind {
            Kind::List(items) => items,
            kind => [Node {
                place: node.place,
                kind,
            }]
            .into(),
        };
        for map in maps {
            let Kind::Map(others) = map.kind else {
                let read = map.described();
                problems.push(Problem::new(
                    place,
                    format!("<< takes a mapping, or a list of mappings, read {read}"),
                ));
                continue;
            };
            for (key, value) in others {
                if own.insert(key.text.clone()) {
                    entries.push((key, value));
                }
            }
        }
    }
    entries
}
