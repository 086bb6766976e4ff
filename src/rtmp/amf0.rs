//! AMF0 values (Adobe, "Action Message Format – AMF 0"), read within limits.
//!
//! Depth and number of values are bounded (DESIGN §5.1), nothing is allocated by a count that the
//! peer merely claims, and the decoder's recursion is that bounded depth.

/// Objects and arrays inside one another.
const MAX_DEPTH: usize = 16;
/// Values of one message, those inside objects and arrays included.
const MAX_VALUES: usize = 1_000;

/// Why a message's values cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum AmfError {
    /// DESIGN §5.1.
    #[error("AMF values nested deeper than {limit}")]
    Depth { limit: usize },
    /// DESIGN §5.1.
    #[error("more than {limit} AMF values")]
    Values { limit: usize },
    /// Ends inside a value.
    #[error("AMF value is cut")]
    Cut,
    /// A marker that AMF0 does not know.
    #[error("AMF marker {marker:#04x} is unknown")]
    Marker { marker: u8 },
}

impl AmfError {
    /// True for what only a hostile peer sends; the rest is a careless one's.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::Depth { .. } | Self::Values { .. })
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Number, and Date as milliseconds since 1970.
    Number(f64),
    /// Boolean.
    Boolean(bool),
    /// String, long string or XML; bytes that are no UTF-8 are replaced.
    String(String),
    /// Object, typed object or ECMA array, in the order of its members.
    Object(Vec<(String, Self)>),
    /// Strict array.
    Array(Vec<Self>),
    /// Null, undefined, unsupported, reference.
    Null,
}

impl Value {
    /// Returns the member `name` of an object.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Returns the text of a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of a number.
    #[must_use]
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Reads all values of a message.
///
/// # Errors
/// [`AmfError`] at the first value that breaks a limit or the format.
pub fn read_all(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let (values, error) = read_some(bytes);
    error.map_or(Ok(values), Err)
}

/// Reads values up to the first fault: encoders leave out the last end marker of their metadata.
#[must_use]
pub fn read_some(bytes: &[u8]) -> (Vec<Value>, Option<AmfError>) {
    let mut reader = Reader { rest: bytes, values: 0 };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        match reader.value(0) {
            Ok(value) => values.push(value),
            Err(error) => return (values, Some(error)),
        }
    }
    (values, None)
}

struct Reader<'a> {
    rest: &'a [u8],
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        if depth > MAX_DEPTH {
            return Err(AmfError::Depth { limit: MAX_DEPTH });
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(AmfError::Values { limit: MAX_VALUES });
        }
        let [marker] = self.array()?;
        match marker {
            0x00 => Ok(Value::Number(f64::from_be_bytes(self.array()?))),
            0x01 => self.array().map(|[byte]| Value::Boolean(byte != 0)),
            0x02 => self.short_text().map(Value::String),
            0x03 => self.members(depth),
            0x05 | 0x06 | 0x0D => Ok(Value::Null),
            0x07 => self.take(2).map(|_| Value::Null),
            // The count of an ECMA array is a hint (and often wrong): its end marker ends it.
            0x08 => self.take(4).and_then(|_| self.members(depth)),
            0x0A => self.elements(depth),
            0x0B => {
                let at = f64::from_be_bytes(self.array()?);
                self.take(2).map(|_| Value::Number(at))
            }
            0x0C | 0x0F => {
                let length = u32::from_be_bytes(self.array()?) as usize;
                self.take(length).map(text).map(Value::String)
            }
            0x10 => self.short_text().and_then(|_| self.members(depth)),
            _ => Err(AmfError::Marker { marker }),
        }
    }

    fn members(&mut self, depth: usize) -> Result<Value, AmfError> {
        let mut members = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(&[0, 0, 9]) {
                self.rest = rest;
                return Ok(Value::Object(members));
            }
            let name = self.short_text()?;
            members.push((name, self.value(depth + 1)?));
        }
    }

    fn elements(&mut self, depth: usize) -> Result<Value, AmfError> {
        let count = u32::from_be_bytes(self.array()?);
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(elements))
    }

    fn short_text(&mut self) -> Result<String, AmfError> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        self.take(length).map(text)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let (first, rest) = self.rest.split_first_chunk().ok_or(AmfError::Cut)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], AmfError> {
        let (first, rest) = self.rest.split_at_checked(length).ok_or(AmfError::Cut)?;
        self.rest = rest;
        Ok(first)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Appends `value` to `output`. Strings over 65,535 bytes are written as long strings.
pub fn write(output: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            output.push(0x00);
            output.extend_from_slice(&number.to_be_bytes());
        }
        Value::Boolean(boolean) => output.extend_from_slice(&[0x01, u8::from(*boolean)]),
        Value::String(text) => {
            if let Ok(length) = u16::try_from(text.len()) {
                output.push(0x02);
                output.extend_from_slice(&length.to_be_bytes());
            } else {
                output.push(0x0C);
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                output.extend_from_slice(&length.to_be_bytes());
            }
            output.extend_from_slice(text.as_bytes());
        }
        Value::Object(members) => {
            output.push(0x03);
            for (name, value) in members {
                let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
                output.extend_from_slice(&length.to_be_bytes());
                output.extend_from_slice(name.as_bytes().get(..usize::from(length)).unwrap_or(&[]));
                write(output, value);
            }
            output.extend_from_slice(&[0, 0, 9]);
        }
        Value::Array(elements) => {
            output.push(0x0A);
            let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
            output.extend_from_slice(&count.to_be_bytes());
            elements.iter().for_each(|element| write(output, element));
        }
        Value::Null => output.push(0x05),
    }
}

/// Returns a string value.
#[must_use]
pub fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Returns an object of these members.
#[must_use]
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nesting_and_number_are_bounded() {
        let nested = |levels: usize| [0x03, 0, 1, b'a'].repeat(levels);
        assert_eq!(read_all(&nested(6_000)), Err(AmfError::Depth { limit: MAX_DEPTH }));
        let array = [0x0A, 0, 0, 0, 1].repeat(6_000);
        assert_eq!(read_all(&array), Err(AmfError::Depth { limit: MAX_DEPTH }));
        let flat = [0x05].repeat(1_001);
        assert_eq!(read_all(&flat), Err(AmfError::Values { limit: MAX_VALUES }));
        assert_eq!(read_all(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF]), Err(AmfError::Cut));
        assert_eq!(read_all(&[0x0C, 0xFF, 0xFF, 0xFF, 0xFF, b'x']), Err(AmfError::Cut));
        assert_eq!(read_all(&[0x11]), Err(AmfError::Marker { marker: 0x11 }));
    }

    #[test]
    fn an_ecma_array_is_read_to_its_end_marker() {
        let bytes = [8, 0, 0, 0, 99, 0, 1, b'w', 1, 1, 0, 0, 9, 5];
        let expected = vec![object([("w", Value::Boolean(true))]), Value::Null];
        assert_eq!(read_all(&bytes), Ok(expected));
    }

    #[test]
    fn values_before_a_fault_are_kept() {
        assert_eq!(
            read_some(&[5, 1, 1, 2, 0]),
            (vec![Value::Null, Value::Boolean(true)], Some(AmfError::Cut))
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|number| Value::Number(f64::from(number))),
            any::<bool>().prop_map(Value::Boolean),
            "[a-zäß]{0,20}".prop_map(Value::String),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec(("[a-z]{1,8}", inner), 0..5).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(values in prop::collection::vec(value(), 0..5)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| write(&mut bytes, value));
            prop_assert_eq!(read_all(&bytes), Ok(values));
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            drop(read_some(&bytes));
        }
    }
}
