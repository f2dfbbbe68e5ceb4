//! Walks JSON that may end anywhere.
//!
//! A cause has at most 32 KiB. A longer one is cut, even in the middle of a text or an escape, and a whole-document
//! parser then reads nothing. This walker reports each value in one pass, without recursion, and stops where the text
//! stops being JSON.

use alloc::borrow::Cow;
use alloc::string::String;

/// Maximum depth of reported values. Deeper values are skipped.
const DEEPEST: usize = 8;

macro_rules! keys {
    ($($name:ident)*) => {
        /// A key that some reader asks for, in either case. Step Functions capitalises the members of other APIs;
        /// Lambda and the APIs themselves do not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Key {
            /// Any element of a list.
            Item,
            /// A key that no reader asks for.
            Other,
            $(#[doc = stringify!($name)] $name,)*
        }

        impl Key {
            fn read(key: &str) -> Self {
                const KEYS: &[(&str, Key)] = &[$((stringify!($name), Key::$name),)*];
                KEYS.iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(key))
                    .map_or(Self::Other, |(_, key)| *key)
            }
        }
    };
}

keys! {
    ApplicationId Attempts Build BuildBatch BuildBatchStatus BuildStatus Cause Container Containers Contexts
    EksAttempts Error ErrorMessage ErrorType ExecutionArn ExitCode FailureDetails FailureReason Failures
    IsCancelled IsTerminated JobRun JobRunState Message Name PhaseStatus PhaseType Phases QueryExecution Reason
    ResponseBody State StateChangeReason StateDetails Status StatusCode StatusReason Step StopCode
    StoppedReason Task TaskProperties VirtualClusterId
}

/// A text between its quotes, with its escapes, possibly cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a>(pub(super) &'a str);

/// One value, reported where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// An object or a list.
    Open,
    /// A text.
    Text(Raw<'a>),
    /// A number, true, false or null, as written.
    Word(&'a str),
}

impl<'a> Value<'a> {
    /// Returns the text, without escapes.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(raw) => Some(raw.plain()),
            _ => None,
        }
    }

    /// Returns whether the value is this word, in any case.
    pub(super) fn is(self, word: &str) -> bool {
        match self {
            Self::Text(Raw(text)) | Self::Word(text) => text.eq_ignore_ascii_case(word),
            Self::Open => false,
        }
    }

    /// Returns a whole number, written as `3`, `3.0` or `"3"`.
    pub(super) fn whole(self) -> Option<i64> {
        let (Self::Text(Raw(text)) | Self::Word(text)) = self else {
            return None;
        };
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let exact = part.bytes().all(|digit| digit == b'0');
        whole.parse().ok().filter(|_| exact)
    }
}

impl<'a> Raw<'a> {
    /// Returns the text with its escapes resolved. An escape that is cut or wrong is omitted.
    pub(super) fn plain(self) -> Cow<'a, str> {
        if !self.0.contains('\\') {
            return Cow::Borrowed(self.0);
        }
        let mut plain = String::with_capacity(self.0.len());
        let mut rest = self.0;
        while let Some((before, after)) = rest.split_once('\\') {
            plain.push_str(before);
            let mut chars = after.chars();
            match chars.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some('b' | 'f') => plain.push(' '),
                Some('u') => {
                    if let Some((read, behind)) = unit(chars.as_str()) {
                        // Half of a surrogate pair is in no text that is searched.
                        plain.push(char::from_u32(read).unwrap_or(char::REPLACEMENT_CHARACTER));
                        rest = behind;
                        continue;
                    }
                }
                Some(other) => plain.push(other),
                None => {}
            }
            rest = chars.as_str();
        }
        plain.push_str(rest);
        Cow::Owned(plain)
    }
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    Some((unit, rest))
}

/// Walks the value at the start of a text and returns its length in bytes. The length ends where the value, the text,
/// or the valid JSON ends.
pub(super) fn walk<'a>(text: &'a str, visit: &mut impl FnMut(&[Key], Value<'a>)) -> usize {
    let mut walk = Walk {
        keys: [Key::Other; DEEPEST],
        objects: [false; DEEPEST],
        depth: 0,
        key_next: false,
    };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'"' => {
                let begin = at + 1;
                let end = end_of_text(bytes, begin);
                let raw = Raw(text.get(begin..end).unwrap_or_default());
                at = end + 1;
                if !walk.take_key(raw.0) {
                    visit(walk.path(), Value::Text(raw));
                }
            }
            _ if walk.key_next && byte != b'}' => break,
            b'{' | b'[' => {
                visit(walk.path(), Value::Open);
                walk.enter(byte == b'{');
                at += 1;
            }
            b'}' | b']' => {
                if !walk.leave(byte == b'}') {
                    break;
                }
                at += 1;
            }
            b',' => {
                walk.next();
                at += 1;
            }
            b':' => at += 1,
            _ => {
                let length = bytes
                    .iter()
                    .skip(at)
                    .take_while(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
                    })
                    .count();
                if length == 0 {
                    break;
                }
                let word = text.get(at..at + length).unwrap_or_default();
                at += length;
                visit(walk.path(), Value::Word(word));
            }
        }
        if walk.depth == 0 {
            break;
        }
    }
    // A cut text has no closing quote to skip.
    at.min(text.len())
}

struct Walk {
    keys: [Key; DEEPEST],
    objects: [bool; DEEPEST],
    depth: usize,
    key_next: bool,
}

impl Walk {
    /// Returns the keys that lead to the current value. The path is empty if the value lies too deep to be reported.
    fn path(&self) -> &[Key] {
        self.keys.get(..self.depth).unwrap_or_default()
    }

    fn enter(&mut self, object: bool) {
        if let (Some(is_object), Some(key)) = (
            self.objects.get_mut(self.depth),
            self.keys.get_mut(self.depth),
        ) {
            *is_object = object;
            *key = if object { Key::Other } else { Key::Item };
        }
        self.depth += 1;
        self.key_next = object && self.depth <= DEEPEST;
    }

    /// Closes an object or a list, and returns whether one was open. Below the maximum depth, either bracket closes
    /// either kind.
    fn leave(&mut self, object: bool) -> bool {
        let Some(outer) = self.depth.checked_sub(1) else {
            return false;
        };
        let fits = self.objects.get(outer).is_none_or(|is| *is == object);
        if fits {
            self.depth = outer;
            self.key_next = false;
        }
        fits
    }

    fn next(&mut self) {
        let inner = self.depth.checked_sub(1);
        self.key_next = inner.and_then(|at| self.objects.get(at)) == Some(&true);
    }

    /// Reads a text as a key, if a key is due. Returns whether it did.
    fn take_key(&mut self, text: &str) -> bool {
        if !self.key_next {
            return false;
        }
        self.key_next = false;
        let inner = self.depth.checked_sub(1);
        if let Some(key) = inner.and_then(|at| self.keys.get_mut(at)) {
            *key = Key::read(text);
        }
        true
    }
}

/// Returns the end of a text: its closing quote, or the end of the input.
fn end_of_text(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}
