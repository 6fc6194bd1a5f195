//! Asks ctnetlink over a socket. Only reads: no message that is sent here can change the table.

pub mod message;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::table::model::counters::Counters;
use crate::table::model::entry::Entry;
use crate::table::source::netlink::message::{Message, Query};

/// The kernel fills at most 32 KiB at a time for a reader that offers so much (`netlink_recvmsg` in
/// `net/netlink/af_netlink.c`), and what is offered beyond costs nothing.
const BUFFER: usize = 256 << 10;

/// Room for some ten thousand events.
const EVENTS: usize = 8 << 20;

/// How a dump of the table ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Entries that the kernel sent and that could not be read.
    pub unread: u64,
    /// Whether the table changed so under the dump that entries may be missing or twice.
    pub interrupted: bool,
}

/// Gives the entries of the table to `each`, one pass, none kept, until it breaks off.
///
/// They come in the order of the hash table, whose key is the kernel's secret: the first n are a random sample.
pub fn dump(mut each: impl FnMut(&Entry) -> ControlFlow<()>) -> io::Result<Dumped> {
    let mut dumped = Dumped::default();
    dumped.interrupted = ask(Query::Entries, |attributes, _| {
        if let Some(entry) = message::entry(attributes) {
            return each(&entry);
        }
        dumped.unread += 1;
        ControlFlow::Continue(())
    })?;
    Ok(dumped)
}

/// The counters of each CPU.
pub fn counters() -> io::Result<Counters> {
    let mut cpus = Vec::new();
    ask(Query::Counters, |attributes, cpu| {
        cpus.push((cpu, message::counters(attributes)));
        ControlFlow::Continue(())
    })?;
    cpus.sort_by_key(|(cpu, _)| *cpu);
    Ok(Counters { entries: None, cpus: cpus.into_iter().map(|(_, counters)| counters).collect() })
}

/// The number of entries, and the limit where the kernel tells it.
pub fn totals() -> io::Result<(u64, Option<u64>)> {
    let mut totals = None;
    ask(Query::Totals, |attributes, _| {
        totals = message::totals(attributes);
        // The answer is one message, and no end is announced.
        ControlFlow::Break(())
    })?;
    totals.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer has no number of entries"))
}

/// A socket of netfilter that is a member of `groups`.
fn open(groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// The kernel's events of new entries, as a number.
#[derive(Debug)]
pub struct NewEntries(OwnedFd);

impl NewEntries {
    /// Listens to them from now on.
    pub fn listen() -> io::Result<NewEntries> {
        // The group NFNLGRP_CONNTRACK_NEW is the first, and so the first bit.
        let socket = open(1, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        // The events of a burst wait here until they are counted.
        let _ = set_socket_recv_buffer_size_force(&socket, EVENTS);
        Ok(NewEntries(socket))
    }

    /// How many came since the last time, and whether there were more than the socket could hold.
    pub fn take(&self) -> io::Result<(u64, bool)> {
        let (mut entries, mut or_more) = (0, false);
        let mut buffer = [0; 8192];
        loop {
            match rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    // An event answers no request: its number is 0.
                    let messages = message::messages(&buffer[..length], 0);
                    entries += messages.filter(|message| matches!(message, Message::Data(..))).count() as u64;
                }
                Err(rustix::io::Errno::AGAIN) => return Ok((entries, or_more)),
                Err(rustix::io::Errno::NOBUFS) => or_more = true,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for NewEntries {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends `query`, and gives each message of the answer to `each`. Returns whether the answer was interrupted.
fn ask(query: Query, mut each: impl FnMut(message::Attributes<'_>, u16) -> ControlFlow<()>) -> io::Result<bool> {
    const SEQUENCE: u32 = 1;
    let socket = open(0, SocketFlags::CLOEXEC)?;
    // More room lets the kernel prepare the next part; without it the dump is right all the same.
    let _ = set_socket_recv_buffer_size(&socket, BUFFER);
    rustix::net::sendto(
        &socket,
        &message::request(query, SEQUENCE),
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;
    let mut buffer = vec![0; BUFFER];
    let mut interrupted = false;
    loop {
        let (length, whole) = match rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()) {
            Ok(received) => received,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if length == 0 || whole > length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the kernel's answer was cut off"));
        }
        let mut messages = message::messages(&buffer[..length], SEQUENCE);
        while let Some(message) = messages.next() {
            match message {
                Message::Data(attributes, number) => {
                    if each(attributes, number).is_break() {
                        return Ok(interrupted | messages.interrupted);
                    }
                }
                Message::Done | Message::Error(0) => return Ok(interrupted | messages.interrupted),
                Message::Error(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
        interrupted |= messages.interrupted;
    }
}
