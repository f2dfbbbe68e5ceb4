//! Readers for JSON whose form varies between services and over the years.
//!
//! INVARIANT: an error message names the kind of value that was read, never the value, which may be a secret.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::failure::Field;
use crate::time::Time;

/// An error about a value that cannot be read, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Malformed {
    /// The key (for example `detail.executionArn`), or the line and column of a syntax error.
    pub place: String,
    /// The problem. It never repeats the value, which may be a secret.
    pub problem: String,
}

impl Malformed {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

/// The state of a key: missing, null, or with a value.
#[derive(Debug, Default)]
pub(crate) enum Slot<T> {
    #[default]
    Missing,
    Null,
    Value(T),
}

impl<T> Slot<T> {
    pub(crate) const fn get(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl Slot<Text<'_>> {
    pub(crate) fn known(&self) -> Option<&str> {
        self.get().map(Text::as_str)
    }

    pub(crate) fn require(&self, place: &str) -> Result<&str, Malformed> {
        self.known().ok_or_else(|| Malformed {
            place: place.to_owned(),
            problem: "it is missing".to_owned(),
        })
    }

    /// Converts to a field. A missing key is `Unknown`, a null key is `Absent`.
    pub(crate) fn into_field(self) -> Field<String> {
        match self {
            Self::Missing => Field::Unknown,
            Self::Null => Field::Absent,
            Self::Value(text) => Field::Known(text.0.into_owned()),
        }
    }
}

impl Slot<Number> {
    /// Returns the number if there is one. It must be whole and not negative.
    pub(crate) fn whole(&self, place: &str) -> Result<Option<u64>, Malformed> {
        match self.get() {
            None => Ok(None),
            Some(number) => number.whole().map(Some).ok_or_else(|| Malformed {
                place: place.to_owned(),
                problem: "expected a whole number from 0 on".to_owned(),
            }),
        }
    }
}

/// An optional value. If it is malformed, it reads as missing and the event is handled.
#[derive(Debug)]
pub(crate) struct Lenient<T>(pub(crate) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

/// A text, borrowed from the event if it has no escapes.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number, written as `3`, `3.0` or `"3"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number(f64);

impl Number {
    pub(crate) const fn as_f64(self) -> f64 {
        self.0
    }

    fn whole(self) -> Option<u64> {
        // 2^53. Larger whole numbers are not exact in a float, and no number read here is that large.
        const LARGEST: f64 = 9_007_199_254_740_992.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range by the check"
        )]
        let whole = self.0 as u64;
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "exact below 2^53"
        )]
        let exact = (0.0..=LARGEST).contains(&self.0) && whole as f64 == self.0;
        exact.then_some(whole)
    }
}

/// A date in one of the forms that AWS writes: milliseconds since the epoch, or RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment(pub(crate) Time);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Millis(Number),
            Text(String),
        }
        // The end of the year 9999. Later times do not fit four-digit years.
        const LAST: u64 = 253_402_300_799_999;
        match Form::deserialize(deserializer)? {
            Form::Millis(number) => number
                .whole()
                .filter(|ms| *ms <= LAST)
                .map(Time::from_millis),
            Form::Text(text) => Time::parse(&text),
        }
        .map(Self)
        .ok_or_else(|| de::Error::custom("expected a date"))
    }
}

/// The rejecting visitor methods that all readers share.
macro_rules! refuse {
    ($($visit:ident($type:ty) $kind:literal),* $(,)?) => {
        $(fn $visit<E: de::Error>(self, _: $type) -> Result<Self::Value, E> {
            Err(E::custom(format!("{}, read {}", self.wanted(), $kind)))
        })*
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Err(E::custom(format!("{}, read null", self.wanted())))
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(de::Error::custom(format!("{}, read a list", self.wanted())))
        }
        fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(de::Error::custom(format!("{}, read an object", self.wanted())))
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.wanted())
        }
    };
}

struct TextVisitor<'a>(PhantomData<&'a ()>);

impl TextVisitor<'_> {
    const fn wanted(&self) -> &'static str {
        "expected text"
    }
}

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Text<'a>;

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text)))
    }

    refuse! {
        visit_bool(bool) "true or false",
        visit_i64(i64) "a number",
        visit_u64(u64) "a number",
        visit_f64(f64) "a number",
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

struct NumberVisitor;

impl NumberVisitor {
    #[expect(clippy::unused_self, reason = "the macro calls it as a method")]
    const fn wanted(&self) -> &'static str {
        "expected a number"
    }
}

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    #[expect(
        clippy::cast_precision_loss,
        reason = "checked where the number is used"
    )]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Number(number as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "checked where the number is used"
    )]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Number(number as f64))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.trim().parse() {
            Ok(number) => Ok(Number(number)),
            Err(_) => Err(E::custom("expected a number, read text")),
        }
    }

    refuse! { visit_bool(bool) "true or false" }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// An object. Unlike serde's own reader, this one does not read a list as an object's members in order.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object)
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}
