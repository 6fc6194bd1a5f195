//! Recognises files that are no text, so that none is read as a log without messages, and names the way to a text.

/// A kind of file that is no text.
struct Binary {
    /// The bytes that it begins with.
    start: &'static [u8],
    name: &'static str,
    advice: &'static str,
}

/// The advice for a compressed file.
const UNPACK: &str =
    "unpack it first, as in `zcat FILE | conntrack-sysctl diagnose --from -` (or xzcat, zstdcat, bzcat)";
const CONVERT: &str = "convert it: `iconv -f UTF-16 -t UTF-8 FILE`";
const CAPTURE: &str = "a capture has packets and no table: save the table with `conntrack -L > FILE`";

const BINARIES: [Binary; 10] = [
    Binary { start: b"\x1f\x8b", name: "a compressed file", advice: UNPACK },
    Binary { start: b"\xfd7zXZ", name: "a compressed file", advice: UNPACK },
    Binary { start: b"\x28\xb5\x2f\xfd", name: "a compressed file", advice: UNPACK },
    Binary { start: b"BZh", name: "a compressed file", advice: UNPACK },
    Binary { start: b"PK\x03\x04", name: "a zip archive", advice: "unpack it first" },
    Binary {
        start: b"LPKSHHRH",
        name: "a file of the journal",
        advice: "print it: `journalctl --file FILE -k -o short-iso`",
    },
    Binary { start: b"\xff\xfe", name: "text in UTF-16, as PowerShell writes it", advice: CONVERT },
    Binary { start: b"\xfe\xff", name: "text in UTF-16", advice: CONVERT },
    Binary { start: b"\xd4\xc3\xb2\xa1", name: "a capture of packets", advice: CAPTURE },
    Binary { start: b"\x0a\x0d\x0d\x0a", name: "a capture of packets", advice: CAPTURE },
];

/// The bytes of a beginning that tell.
pub(super) const TELLING: usize = 8;

/// The reason why a file that begins with these bytes cannot be read as text; None: it may be text.
pub(super) fn reason(beginning: &[u8]) -> Option<String> {
    let binary = BINARIES.iter().find(|binary| beginning.starts_with(binary.start))?;
    Some(format!("it looks like {}; {}", binary.name, binary.advice))
}
