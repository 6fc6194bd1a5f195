//! Asks ctnetlink over a socket. No message that is sent here can change the table, and each question takes the evidence that
//! it loads no module.

pub mod message;
pub mod qdisc;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::order::sorted_by;
use crate::table::model::counters::{Counters, NewEntries};
use crate::table::model::entry::TableEntry;
use crate::table::source::netlink::message::{Query, Reply, Totals};
use crate::table::source::presence::Ctnetlink;

/// The size of the buffer for answers. The kernel fills at most 32 KiB of it at a time (`netlink_recvmsg` in
/// `net/netlink/af_netlink.c`); more costs nothing.
const BUFFER: usize = 256 << 10;

/// The size of the socket's buffer for events: some ten thousand.
const EVENTS: usize = 8 << 20;

/// The end of a dump of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Entries that the kernel sent in an unknown form.
    pub unread: u64,
    /// Whether the table changed under the dump, so that entries may be missing or come twice.
    pub interrupted: bool,
}

/// Gives the entries of the table to `each`, in one pass and without keeping any, until `each` stops.
///
/// The entries come in the order of the hash table, whose key is the kernel's secret: the first n are a random sample.
pub fn dump(ctnetlink: Ctnetlink, mut each: impl FnMut(&TableEntry) -> ControlFlow<()>) -> io::Result<Dumped> {
    let mut dumped = Dumped::default();
    dumped.interrupted = ask(ctnetlink, Query::Entries, |attributes, _| {
        if let Some(entry) = message::entry(attributes) {
            return each(&entry);
        }
        dumped.unread += 1;
        ControlFlow::Continue(())
    })?;
    Ok(dumped)
}

/// The number of entries that the answer to `query` lists.
pub fn count(ctnetlink: Ctnetlink, query: Query) -> io::Result<u64> {
    let mut entries = 0;
    ask(ctnetlink, query, |_, _| {
        entries += 1;
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

/// The counters of each CPU.
pub fn counters(ctnetlink: Ctnetlink) -> io::Result<Counters> {
    let mut cpus = Vec::new();
    ask(ctnetlink, Query::Counters, |attributes, cpu| {
        cpus.push((cpu, message::counters(attributes)));
        ControlFlow::Continue(())
    })?;
    let cpus = sorted_by(cpus, |(one, _), (other, _)| one.cmp(other));
    Ok(Counters { entries: None, cpus: cpus.into_iter().map(|(_, counters)| counters).collect() })
}

/// The size of the table.
pub fn totals(ctnetlink: Ctnetlink) -> io::Result<Totals> {
    let mut totals = None;
    ask(ctnetlink, Query::Totals, |attributes, _| {
        totals = message::totals(attributes);
        // The answer is a single message, and nothing announces its end.
        ControlFlow::Break(())
    })?;
    totals.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer has no number of entries"))
}

/// A socket of netfilter that is a member of `groups`.
fn open(_: Ctnetlink, groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Counts new entries by the kernel's events.
#[derive(Debug)]
pub struct NewEntryEvents(OwnedFd);

impl NewEntryEvents {
    /// Listens from now on.
    pub fn listen(ctnetlink: Ctnetlink) -> io::Result<NewEntryEvents> {
        // The group NFNLGRP_CONNTRACK_NEW is the first, and so the first bit.
        let socket = open(ctnetlink, 1, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        // The events of a burst wait here until they are counted.
        let _ = set_socket_recv_buffer_size_force(&socket, EVENTS);
        Ok(NewEntryEvents(socket))
    }

    /// The events since the last call. More may have come than the socket could hold.
    pub fn take(&self) -> io::Result<NewEntries> {
        let mut new = NewEntries::default();
        let mut buffer = [0; 8192];
        loop {
            match rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    // An event answers no request: its number is 0.
                    let events = message::replies(&buffer[..length], 0);
                    new.entries += events.filter(|event| matches!(event, Reply::Data(..))).count() as u64;
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(new),
                Err(rustix::io::Errno::NOBUFS) => new.or_more = true,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for NewEntryEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The length of the next part of the kernel's answer, which is in `buffer` then.
fn received(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (length, whole) = loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    if length == 0 || whole > length {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the kernel's answer was cut off"));
    }
    Ok(length)
}

/// Sends `query`, and gives each message of the answer to `each`. Returns whether the answer was interrupted.
fn ask(
    ctnetlink: Ctnetlink,
    query: Query,
    mut each: impl FnMut(message::Attributes<'_>, u16) -> ControlFlow<()>,
) -> io::Result<bool> {
    const SEQUENCE: u32 = 1;
    let socket = open(ctnetlink, 0, SocketFlags::CLOEXEC)?;
    // A larger buffer lets the kernel prepare the next part early; without it the dump is right too.
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
        let length = received(socket.as_fd(), &mut buffer)?;
        let mut replies = message::replies(&buffer[..length], SEQUENCE);
        while let Some(reply) = replies.next() {
            match reply {
                Reply::Data(attributes, number) => {
                    if each(attributes, number).is_break() {
                        return Ok(interrupted | replies.interrupted);
                    }
                }
                Reply::Done | Reply::Error(0) => return Ok(interrupted | replies.interrupted),
                Reply::Error(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
        interrupted |= replies.interrupted;
    }
}
