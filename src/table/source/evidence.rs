//! Opens a file that somebody saved, or standard input, and refuses what would never end, or is no text.

mod binary;
pub mod bundle;
pub mod statistics;
pub mod sysctls;

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};

/// The time that a FIFO without a writer is given to get one.
const PATIENCE: Timespec = Timespec { tv_sec: 3, tv_nsec: 0 };

/// The evidence at `path`; `-` is standard input.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        let stdin = io::stdin();
        let copy = File::from(stdin.as_fd().try_clone_to_owned()?);
        refuse_endless(&copy.metadata()?, stdin.is_terminal())?;
        return text(copy, Vec::new());
    }
    // NONBLOCK: opening a FIFO that nobody writes to would block.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    refuse_endless(&metadata, file.is_terminal())?;
    let first = if metadata.file_type().is_fifo() { first_byte(&file)? } else { Vec::new() };
    rustix::fs::fcntl_setfl(&file, OFlags::RDONLY)?;
    text(file, first)
}

/// The mark with which some programs begin a text in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of `file`, of which `first` has been read; an error if it is none.
fn text(mut file: File, first: Vec<u8>) -> io::Result<Box<dyn Read>> {
    let mut beginning = first;
    while beginning.len() < binary::TELLING {
        let mut more = [0; binary::TELLING];
        match file.read(&mut more) {
            Ok(0) => break,
            Ok(read) => beginning.extend_from_slice(&more[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(reason) = binary::reason(&beginning) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    if beginning.starts_with(MARK) {
        beginning.drain(..MARK.len());
    }
    Ok(Box::new(io::Cursor::new(beginning).chain(file)))
}

fn refuse_endless(metadata: &Metadata, is_terminal: bool) -> io::Result<()> {
    let kind = metadata.file_type();
    let refusal = if metadata.is_dir() {
        "it is a directory; `diagnose --bundle DIR` finds the files in one"
    } else if (kind.is_char_device() && !is_terminal) || kind.is_block_device() {
        "it is a device, not a saved file"
    } else if kind.is_socket() {
        "it is a socket, not a saved file"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, refusal))
}

/// The first byte that somebody writes to a FIFO; none: it comes later, or the writer has closed it.
fn first_byte(mut file: &File) -> io::Result<Vec<u8>> {
    let mut byte = [0];
    let events = poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&PATIENCE))?;
    match file.read(&mut byte) {
        Ok(0) if events == 0 => Err(io::Error::new(io::ErrorKind::TimedOut, "it is a FIFO that nobody writes to")),
        Ok(read) => Ok(byte[..read].to_vec()),
        // There is a writer, which may take its time.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
