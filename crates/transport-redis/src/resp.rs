//! The Redis serialisation protocol, versions 2 and 3: writing commands, parsing replies.
//!
//! The subscriber parses for itself instead of through the `redis` crate, because it must bound what a server
//! (or whoever sits in its place) can make it allocate, and because it has to see pushes and replies in the
//! one order in which the server wrote them.

use bytes::{BufMut, Bytes, BytesMut};

/// Deeper nesting than any command we send is answered with.
const MAX_DEPTH: usize = 8;
/// More than the largest `CLUSTER SLOTS` has; keeps a hostile reply from costing quadratic time.
const MAX_ELEMENTS: usize = 1 << 16;
/// A length or an error message is never longer; an endless line is refused.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// What a server says. Maps and sets become lists; numbers other than integers stay text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Bytes),
    Integer(i64),
    Nil,
    Error(String),
    List(Vec<Value>),
    /// RESP3 only: something the server says on its own, or the confirmation of a subscription.
    Push(Vec<Value>),
}

/// Why bytes are not a reply, or not one that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Not the protocol at all: this byte cannot start a value.
    Type(u8),
    /// A length or number that is none.
    Number,
    /// A value without its line end.
    LineEnd,
    /// Nested too deeply, or too many elements, or an endless line.
    Excessive,
    /// A value of this many bytes, which is over the limit.
    TooLarge(usize),
}

/// Appends a command.
pub(crate) fn encode(out: &mut BytesMut, arguments: &[&[u8]]) {
    out.put_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        out.put_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.put_slice(argument);
        out.put_slice(b"\r\n");
    }
}

/// The first value in `input` and the bytes it took; `None` while it is incomplete.
pub(crate) fn parse(input: &[u8], max_bytes: usize) -> Result<Option<(Value, usize)>, Malformed> {
    let mut parser = Parser { input, position: 0, elements: 0, max_bytes };
    match parser.value(0) {
        Ok(value) => Ok(Some((value, parser.position))),
        Err(Stop::Incomplete) if input.len() > max_bytes => Err(Malformed::TooLarge(input.len())),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Malformed(malformed)) => Err(malformed),
    }
}

enum Stop {
    Incomplete,
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

struct Parser<'a> {
    input: &'a [u8],
    position: usize,
    elements: usize,
    max_bytes: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        self.elements += 1;
        if depth > MAX_DEPTH || self.elements > MAX_ELEMENTS {
            return Err(Malformed::Excessive.into());
        }
        let kind = self.take(1)?[0];
        match kind {
            b'+' | b',' | b'(' | b'#' => Ok(Value::Text(Bytes::copy_from_slice(self.line()?))),
            b'-' => Ok(Value::Error(String::from_utf8_lossy(self.line()?).into_owned())),
            b':' => Ok(Value::Integer(number(self.line()?)?)),
            b'_' => self.line().map(|_| Value::Nil),
            b'$' => Ok(self
                .bulk()?
                .map_or(Value::Nil, |bytes| Value::Text(Bytes::copy_from_slice(bytes)))),
            b'!' => Ok(self.bulk()?.map_or(Value::Nil, |bytes| {
                Value::Error(String::from_utf8_lossy(bytes).into_owned())
            })),
            // Three letters of format and a colon come before the text.
            b'=' => Ok(self.bulk()?.map_or(Value::Nil, |bytes| {
                Value::Text(Bytes::copy_from_slice(bytes.get(4..).unwrap_or_default()))
            })),
            b'*' | b'~' => Ok(self.list(1, depth)?.map_or(Value::Nil, Value::List)),
            b'%' => Ok(self.list(2, depth)?.map_or(Value::Nil, Value::List)),
            b'>' => Ok(Value::Push(self.list(1, depth)?.unwrap_or_default())),
            // Attributes annotate the value that follows; none matters to us.
            b'|' => {
                self.list(2, depth)?;
                self.value(depth + 1)
            }
            other => Err(Malformed::Type(other).into()),
        }
    }

    fn list(&mut self, values_each: usize, depth: usize) -> Result<Option<Vec<Value>>, Stop> {
        let length: i64 = number(self.line()?)?;
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        let length = length.saturating_mul(values_each);
        if length > MAX_ELEMENTS {
            return Err(Malformed::Excessive.into());
        }
        // Not pre-allocated: a length is only a claim until the elements have come.
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(depth + 1)?);
        }
        Ok(Some(values))
    }

    fn bulk(&mut self) -> Result<Option<&'a [u8]>, Stop> {
        let length: i64 = number(self.line()?)?;
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        if length > self.max_bytes {
            return Err(Malformed::TooLarge(length).into());
        }
        let bytes = self.take(length)?;
        if self.take(2)? == b"\r\n" { Ok(Some(bytes)) } else { Err(Malformed::LineEnd.into()) }
    }

    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.input[self.position..];
        let window = &rest[..rest.len().min(MAX_LINE_BYTES)];
        match window.windows(2).position(|pair| pair == b"\r\n") {
            Some(length) => {
                self.position += length + 2;
                Ok(&rest[..length])
            }
            None if window.len() == MAX_LINE_BYTES => Err(Malformed::Excessive.into()),
            None => Err(Stop::Incomplete),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let rest = &self.input[self.position..];
        let taken = rest.get(..length).ok_or(Stop::Incomplete)?;
        self.position += length;
        Ok(taken)
    }
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(Malformed::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1024;

    fn text(text: &'static str) -> Value {
        Value::Text(Bytes::from_static(text.as_bytes()))
    }

    fn whole(input: &[u8]) -> Value {
        let (value, taken) = parse(input, LIMIT).unwrap().unwrap();
        assert_eq!(taken, input.len());
        value
    }

    #[test]
    fn every_type_is_understood() {
        assert_eq!(whole(b"+PONG\r\n"), text("PONG"));
        assert_eq!(whole(b":-7\r\n"), Value::Integer(-7));
        assert_eq!(whole(b"$3\r\na\r\n\r\n"), text("a\r\n"));
        assert_eq!(whole(b"$-1\r\n"), Value::Nil);
        assert_eq!(whole(b"*-1\r\n"), Value::Nil);
        assert_eq!(whole(b"_\r\n"), Value::Nil);
        assert_eq!(whole(b"=7\r\ntxt:abc\r\n"), text("abc"));
        assert_eq!(whole(b"-ERR no\r\n"), Value::Error("ERR no".into()));
        assert_eq!(whole(b"!6\r\nERR no\r\n"), Value::Error("ERR no".into()));
        assert_eq!(whole(b"%1\r\n+a\r\n:1\r\n"), Value::List(vec![text("a"), Value::Integer(1)]));
        assert_eq!(
            whole(b">2\r\n+message\r\n*1\r\n#t\r\n"),
            Value::Push(vec![text("message"), Value::List(vec![text("t")])])
        );
        assert_eq!(whole(b"|1\r\n+ttl\r\n:5\r\n+x\r\n"), text("x"));
    }

    #[test]
    fn every_prefix_is_incomplete() {
        let input = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n=5\r\ntxt:x\r\n";
        for length in 0..input.len() {
            assert_eq!(parse(&input[..length], LIMIT), Ok(None), "{length}");
        }
        whole(input);
    }

    #[test]
    fn claims_are_not_believed() {
        let excessive = Err(Malformed::Excessive);
        assert_eq!(parse(b"*9223372036854775807\r\n", LIMIT), excessive);
        assert_eq!(parse(b"%9223372036854775807\r\n", LIMIT), excessive);
        assert_eq!(
            parse(b"$2000\r\n", LIMIT),
            Err(Malformed::TooLarge(2000)),
            "before the bytes come"
        );
        assert_eq!(parse(&b"*1\r\n".repeat(20), LIMIT), excessive);
        assert_eq!(parse(&[b'+'; MAX_LINE_BYTES + 1], 1 << 20), excessive);
        assert_eq!(parse(b"$1\r\nabc", LIMIT), Err(Malformed::LineEnd));
        assert_eq!(parse(b"$?\r\n", LIMIT), Err(Malformed::Number));
        assert_eq!(parse(b"HTTP/1.1", LIMIT), Err(Malformed::Type(b'H')));
        let many = [b"*60000\r\n".as_slice(), &b"+\r\n".repeat(600)].concat();
        assert_eq!(parse(&many, LIMIT), Err(Malformed::TooLarge(many.len())));
    }

    #[test]
    fn the_redis_crate_reads_what_we_write() {
        let mut out = BytesMut::new();
        encode(&mut out, &[b"PUBLISH", b"unstale:shop", b"\x00\r\n\xff"]);
        let packed = redis::cmd("PUBLISH")
            .arg("unstale:shop")
            .arg(&b"\x00\r\n\xff"[..])
            .get_packed_command();
        assert_eq!(out, packed);
    }

    /// Bytes that look like the protocol, often enough to get somewhere.
    fn plausible() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(b"+-:$*_,#!=(%~>|".to_vec()).prop_map(|kind| vec![kind]),
            (-2_i64..40).prop_map(|number| format!("{number}\r\n").into_bytes()),
            Just(b"\r\n".to_vec()),
            Just(b"$7\r\nmessage\r\n".to_vec()),
            Just(b">3\r\n".to_vec()),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    fn values() -> impl Strategy<Value = redis::Value> {
        use redis::Value as Theirs;
        let leaf = prop_oneof![
            any::<Vec<u8>>().prop_map(Theirs::BulkString),
            any::<i64>().prop_map(Theirs::Int),
            Just(Theirs::Nil),
            "[a-zA-Z ]{0,20}".prop_map(Theirs::SimpleString),
        ];
        leaf.prop_recursive(4, 40, 8, |inner| {
            prop::collection::vec(inner, 0..8).prop_map(Theirs::Array)
        })
    }

    fn write(value: &redis::Value, out: &mut Vec<u8>) {
        use redis::Value as Theirs;
        match value {
            Theirs::BulkString(bytes) => {
                out.extend(format!("${}\r\n", bytes.len()).bytes());
                out.extend(bytes);
                out.extend(b"\r\n");
            }
            Theirs::Int(number) => out.extend(format!(":{number}\r\n").bytes()),
            Theirs::SimpleString(text) => out.extend(format!("+{text}\r\n").bytes()),
            Theirs::Array(values) => {
                out.extend(format!("*{}\r\n", values.len()).bytes());
                values.iter().for_each(|value| write(value, out));
            }
            _ => out.extend(b"$-1\r\n"),
        }
    }

    /// What the `redis` crate understood, in our terms.
    fn ours(value: redis::Value) -> Value {
        use redis::Value as Theirs;
        match value {
            Theirs::BulkString(bytes) => Value::Text(bytes.into()),
            Theirs::Int(number) => Value::Integer(number),
            Theirs::SimpleString(text) => Value::Text(text.into()),
            Theirs::Okay => text("OK"),
            Theirs::Array(values) => Value::List(values.into_iter().map(ours).collect()),
            _ => Value::Nil,
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_take_more_than_there_is(input in plausible()) {
            if let Ok(Some((_, taken))) = parse(&input, LIMIT) {
                prop_assert!(0 < taken && taken <= input.len());
            }
        }

        /// However the network cuts the bytes, the first complete parse is the only one.
        #[test]
        fn an_answer_does_not_depend_on_how_it_arrives(input in plausible()) {
            let whole = parse(&input, LIMIT);
            let first = (0..=input.len())
                .map(|length| parse(&input[..length], LIMIT))
                .find(|parsed| *parsed != Ok(None))
                .unwrap_or(Ok(None));
            prop_assert_eq!(first, whole);
        }

        #[test]
        fn the_redis_crate_reads_the_same(value in values()) {
            let mut input = Vec::new();
            write(&value, &mut input);
            let theirs = redis::parse_redis_value(&input).unwrap();
            prop_assert_eq!(parse(&input, 1 << 20), Ok(Some((ours(theirs), input.len()))));
        }
    }
}
