//! Reads the pickle in a checkpoint as data. Nothing that it names is ever imported or called.
//!
//! A pickle is a program for a stack machine that can call any Python function. This machine knows
//! the instructions that `torch.save` writes, makes plain nodes of them, and refuses every name
//! that a table of tensors has no use for.
//!
//! Nodes live in one list and name each other by number, so a hostile file can make neither deep
//! recursion nor more memory than it has bytes.

use std::collections::HashMap;

/// The number of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(usize);

/// A value of the pickle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// `None`, a truth value or a float, none of which describes a tensor.
    Other,
    Integer(i64),
    Text(String),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name in a Python module.
    Name(String),
    /// A call that the pickle asks for and nobody makes.
    Call {
        function: Id,
        arguments: Id,
    },
    /// A reference to something outside of the pickle: the bytes of a storage.
    Outside(Id),
}

/// A pickle that was read to its end.
#[derive(Debug)]
pub(crate) struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

impl Pickle {
    /// Reads `bytes`.
    ///
    /// # Errors
    /// One line that says what the pickle holds that a checkpoint does not.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut machine = Machine { bytes, ..Machine::default() };
        while machine.step()? {}
        let root = machine.pop()?;
        Ok(Self { nodes: machine.nodes, root })
    }

    pub(crate) fn root(&self) -> &Node {
        self.node(self.root)
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        // Numbers are only made together with their nodes, and nodes are never removed.
        self.nodes.get(id.0).unwrap_or(&Node::Other)
    }

    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn name(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn number(&self, id: Id) -> Option<u64> {
        match self.node(id) {
            Node::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(crate) fn numbers(&self, id: Id) -> Option<Vec<u64>> {
        self.tuple(id)?.iter().map(|id| self.number(*id)).collect()
    }
}

/// Names that a table of tensors is made of.
fn is_harmless(name: &str) -> bool {
    const KNOWN: &[&str] = &[
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch._tensor._rebuild_from_type_v2",
        "torch.Tensor",
        "torch.nn.parameter.Parameter",
    ];
    let is_storage = |name: &str| {
        name.strip_prefix("torch.").is_some_and(|name| {
            name.ends_with("Storage") && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    KNOWN.contains(&name) || is_storage(name)
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at which a mark lies.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    /// Does one instruction; false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let at = self.at;
        match self.take(1)?[0] {
            b'.' => return Ok(false),
            0x80 => drop(self.take(1)?),
            b'(' => self.marks.push(self.stack.len()),
            // A list describes no tensor, but the training code may leave one.
            b'N' | 0x88 | 0x89 | b']' => self.push(Node::Other),
            b'G' => {
                self.take(8)?;
                self.push(Node::Other);
            }
            b'K' | b'M' | b'J' | 0x8a => {
                let number = self.integer(at)?;
                self.push(Node::Integer(number));
            }
            b'X' => {
                let length = self.u32()? as usize;
                let text = String::from_utf8_lossy(self.take(length)?).into_owned();
                self.push(Node::Text(text));
            }
            b'c' => {
                let name = format!("{}.{}", self.line()?, self.line()?);
                if !is_harmless(&name) {
                    return Err(format!(
                        "it names {name}, which no table of tensors needs; nothing was run"
                    ));
                }
                self.push(Node::Name(name));
            }
            b'q' | b'r' | b'h' | b'j' => self.memory(at)?,
            b')' => self.push(Node::Tuple(Vec::new())),
            0x85..=0x87 => {
                let count = usize::from(self.bytes[at] - 0x84);
                let items = self.last(count)?;
                self.push(Node::Tuple(items));
            }
            b't' => {
                let items = self.since_mark()?;
                self.push(Node::Tuple(items));
            }
            b'e' => drop(self.since_mark()?),
            b'}' => self.push(Node::Dict(Vec::new())),
            b's' => {
                let items = self.last(2)?;
                self.set(&items)?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            b'R' | 0x81 => self.call()?,
            // A list is not looked into, and the state of a table or a parameter says nothing of
            // its tensors.
            b'a' | b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Outside(id));
            }
            code => return Err(format!("it has the unknown instruction 0x{code:02x} at {at}")),
        }
        Ok(true)
    }

    /// The number that the instruction at `at` brings.
    fn integer(&mut self, at: usize) -> Result<i64, String> {
        Ok(match self.bytes[at] {
            b'K' => i64::from(self.take(1)?[0]),
            b'M' => self.take(2)?.iter().rev().fold(0, |all, byte| all << 8 | i64::from(*byte)),
            b'J' => i64::from(self.u32()?.cast_signed()),
            _ => {
                let length = usize::from(self.take(1)?[0]);
                let bytes = self.take(length)?;
                if length > 8 {
                    return Err(format!("it has a number of {length} bytes"));
                }
                let sign = bytes.last().map_or(0, |byte| if byte & 0x80 == 0 { 0 } else { 0xFF });
                let mut whole = [sign; 8];
                whole[..length].copy_from_slice(bytes);
                i64::from_le_bytes(whole)
            }
        })
    }

    /// Remembers the top of the stack, or brings back what was remembered.
    fn memory(&mut self, at: usize) -> Result<(), String> {
        let code = self.bytes[at];
        let key = match code {
            b'q' | b'h' => u32::from(self.take(1)?[0]),
            _ => self.u32()?,
        };
        if matches!(code, b'q' | b'r') {
            let top = self.pop()?;
            self.stack.push(top);
            self.memo.insert(key, top);
        } else {
            let id = *self.memo.get(&key).ok_or_else(|| format!("it forgot value {key}"))?;
            self.stack.push(id);
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let is_table = matches!(self.nodes.get(function.0), Some(Node::Name(name)) if name == "collections.OrderedDict");
        self.push(if is_table {
            Node::Dict(Vec::new())
        } else {
            Node::Call { function, arguments }
        });
        Ok(())
    }

    /// Puts pairs of key and value into the table on top of the stack.
    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.stack.last().and_then(|id| self.nodes.get_mut(id.0));
        let Some(Node::Dict(entries)) = top else {
            return Err("it puts entries into something that is no table".to_owned());
        };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("it has a key without a value".to_owned());
        }
        entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn push(&mut self, node: Node) {
        self.stack.push(Id(self.nodes.len()));
        self.nodes.push(node);
    }

    fn pop(&mut self) -> Result<Id, String> {
        Ok(self.last(1)?[0])
    }

    /// Takes `count` values from the stack, but none from under a mark.
    fn last(&mut self, count: usize) -> Result<Vec<Id>, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= floor);
        let start = start.ok_or("it takes a value that is not there")?;
        Ok(self.stack.split_off(start))
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("it goes back to a mark that is not there")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("it is truncated")?;
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte)))
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("it is truncated")?;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        Pickle::parse(bytes).unwrap_err()
    }

    #[test]
    fn a_call_of_the_system_is_refused_by_name() {
        assert_eq!(
            refusal(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."),
            "it names posix.system, which no table of tensors needs; nothing was run"
        );
        assert!(refusal(b"\x80\x02ctorch.hub\nload_Storage\n.").contains("torch.hub.load_Storage"));
    }

    #[test]
    fn numbers_are_read_with_their_sign() {
        for (bytes, expected) in [
            (b"K\xFF.".as_slice(), 255),
            (b"M\x01\x02.", 0x201),
            (b"J\xFE\xFF\xFF\xFF.", -2),
            (b"\x8a\x00.", 0),
            (b"\x8a\x01\xFF.", -1),
            (b"\x8a\x05\x00\x00\x00\x00\x01.", 1 << 32),
        ] {
            assert_eq!(*Pickle::parse(bytes).unwrap().root(), Node::Integer(expected));
        }
        assert_eq!(refusal(b"\x8a\x09123456789."), "it has a number of 9 bytes");
    }

    #[test]
    fn a_table_that_is_remembered_early_has_its_later_entries() {
        let pickle = Pickle::parse(b"}q\x00X\x01\x00\x00\x00aK\x07sh\x00.").unwrap();
        let Node::Dict(entries) = pickle.root() else { panic!("{pickle:?}") };
        let [(key, value)] = entries[..] else { panic!("{entries:?}") };
        assert_eq!((pickle.text(key), pickle.number(value)), (Some("a"), Some(7)));
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        for bytes in [
            b"".as_slice(),
            b".",
            b"R.",
            b"h\x05.",
            b"t.",
            b"(K",
            b"NNu.",
            b"(NNNt\x86.",
            b"}(Nu.",
            b"X\xFF\xFF\xFF\xFFa",
            b"cposix",
            b"\x93.",
            b"N(\x85.",
        ] {
            assert!(Pickle::parse(bytes).is_err(), "{bytes:?}");
        }
        // Every prefix of a good pickle, and each with one byte changed.
        let good = b"\x80\x02}q\x00(X\x01\x00\x00\x00a(K\x01K\x02tq\x01X\x01\x00\x00\x00bh\x01u.";
        assert!(Pickle::parse(good).is_ok());
        for end in 0..good.len() {
            assert!(Pickle::parse(&good[..end]).is_err());
            for byte in 0..=255 {
                let mut bad = good.to_vec();
                bad[end] = byte;
                let _ = Pickle::parse(&bad);
            }
        }
    }
}
