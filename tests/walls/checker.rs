//! The checker itself is checked: an import is found however it is written.

use super::imports::Crate;
use super::{circles, forbidden_imports, forbidden_names};

/// A crate of a few files.
fn house(files: &[(&str, &str)]) -> Crate {
    let mut house = Crate::default();
    for (name, text) in files {
        house.add(name, text);
    }
    house
}

/// The findings if `text` is the file `plan/live.rs` of a crate that has the rooms `host` and `run` too.
fn found(text: &str) -> String {
    let house = house(&[
        ("lib.rs", "pub mod host; pub mod plan; pub mod run;"),
        ("host.rs", "pub mod root; pub use root::Root; pub struct Host;"),
        ("host/root.rs", "pub struct Root; pub fn open() {}"),
        ("plan.rs", "mod live; use crate::tree::Tree; use std::fs;"),
        ("plan/live.rs", text),
        ("run.rs", "pub fn check() {} pub use crate::host::Root as Hidden;"),
        ("tree.rs", "pub struct Tree; pub use std::fs as disk;"),
    ]);
    let mentions = house.mentions().into_iter().filter(|mention| mention.file == "plan/live.rs").collect();
    let imports = forbidden_imports(&mentions).into_iter().chain(forbidden_names(&mentions));
    imports.map(|line| line.replace("plan/live.rs: plan ", "")).collect::<Vec<_>>().join("; ")
}

#[test]
fn an_import_is_found_however_it_is_written() {
    let host = "imports host";
    for text in [
        "use crate::host;",
        "use crate::host::Host;",
        "use crate::{host, tree};",
        "use crate::{tree::Tree, host::{self, Host}};",
        "use crate::host as tree;",
        "use crate::host::Host as _;",
        "use crate::*; fn a() { host::root::open() }",
        "use super::super::host;",
        "use super::super::{host::Host};",
        "use self::super::super::host::Host;",
        "use crate as house; fn a(_: house::host::Host) {}",
        "use ::conntrack_sysctl::host;",
        "use conntrack_sysctl::host;",
        "use crate::run::Hidden;",
        "fn a() { crate::host::root::open() }",
        "fn a() { use crate::host::root::open; open() }",
        "fn a(_: &crate::host::Host) {}",
        "fn a() -> Option<Vec<crate::host::Host>> { None }",
        "fn a() { let crate::host::Host = a; }",
        "fn a<T: crate::host::Kernel>() {}",
        "impl crate::host::Kernel for Step {}",
        "type A = crate::host::Host;",
        "const A: &str = crate::host::NAME;",
        "static A: fn() = crate::host::root::open;",
        "mod inner { use super::super::super::host; }",
        "fn a() { println!(\"{}\", crate::host::NAME) }",
        "fn a() { assert!(matches!(b, Some(crate::host::Host))) }",
        "macro_rules! a { () => { $crate::host::root::open() } }",
        "macro_rules! a { () => { use crate::{tree, host}; } }",
        "fn a() { crate::host::check!() }",
        "#[serde(with = \"crate::host\")] struct A;",
        "#[derive(crate::host::Derive)] struct A;",
        "#[cfg(not(test))] mod inner { use crate::host; }",
        "#[test] fn a() { crate::host::root::open() }",
    ] {
        assert!(found(text).contains(host), "{text}\nfound: {}", found(text));
    }
}

#[test]
fn a_name_is_found_however_it_is_written() {
    for (text, name) in [
        ("use std::fs;", "std::fs"),
        ("use std::{env, path::Path};", "std::env"),
        ("use std::fs::{self, File};", "std::fs"),
        ("use std::fs as path;", "std::fs"),
        ("use std as s; fn a() { s::process::exit(1) }", "std::process"),
        ("use ::std::net::TcpStream;", "std::net"),
        ("use std::*;", "std::*"),
        ("use std::io::{self, Write}; fn a() { io::stdout() }", "std::io::stdout"),
        ("use std::time::Instant; fn a() { Instant::now() }", "std::time::Instant::now"),
        ("type Clock = std::time::Instant; fn a() { Clock::now() }", "std::time::Instant::now"),
        ("fn a(path: &Path) -> bool { path.exists() }", "std::fs"),
        ("fn a() { std::fs::read(\"b\") }", "std::fs"),
        ("fn a() { vec![std::env::var(\"B\")] }", "std::env"),
        ("use crate::tree::disk;", "std::fs"),
        ("use crate::tree; fn a() { tree::disk::read(\"b\") }", "std::fs"),
        ("use super::fs;", "std::fs"),
        ("extern crate rustix as r; fn a() { r::process::geteuid() }", "rustix"),
        ("use rustix::process;", "rustix"),
        ("use sysctl::Sysctl as _;", "sysctl"),
        ("#[derive(clap::Args)] struct A;", "clap"),
    ] {
        assert!(found(text).contains(&format!("names {name}")), "{text}\nfound: {}", found(text));
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for text in [
        "use crate::tree::Tree; use super::Step; use crate::plan;",
        "use std::collections::BTreeMap; use std::path::Path; use std::io; use std::time::Duration;",
        "use std::net::{IpAddr, Ipv4Addr}; fn a(_: IpAddr) { Ipv4Addr::from([1, 2, 3, 4]) }",
        "pub(in crate::host) fn a() {}",
        "/// [`crate::host`] and `std::fs`\nfn a() {}",
        "#[cfg(test)] mod tests { use crate::host; use std::fs; }",
        "fn sysctl(host: u8) -> u8 { host }",
        "use crate::tree; fn a() { \"crate::host\"; sysctl(tree::Tree) }",
        "use std::time::Instant; fn a(_: Instant) {}",
    ] {
        assert_eq!(found(text), "", "{text}");
    }
}

#[test]
fn a_circle_is_found() {
    let of = |files| {
        let house = house(files);
        circles(&house, &house.mentions()).into_iter().collect::<Vec<_>>()
    };
    let two = of(&[("cli.rs", "use crate::table;"), ("table.rs", "fn a() { crate::cli::json() }")]);
    assert_eq!(two, ["cli.rs, table.rs"]);
    let three = of(&[
        ("cli.rs", "use crate::table;"),
        ("table.rs", "use crate::schema;"),
        ("schema.rs", "use crate::{text, cli::json};"),
        ("text.rs", ""),
        ("plan.rs", "use crate::cli;"),
    ]);
    assert_eq!(three, ["cli.rs, schema.rs, table.rs"]);
    // Two files side by side, although the one above them needs both.
    let beside =
        of(&[("kernel.rs", ""), ("kernel/a.rs", "use super::b::B;"), ("kernel/b.rs", "use crate::kernel::a;")]);
    assert_eq!(beside, ["kernel/a.rs, kernel/b.rs"]);
    let parts =
        of(&[("plan.rs", "mod live; pub struct Step; fn a() { live::a() }"), ("plan/live.rs", "use super::Step;")]);
    assert_eq!(parts, Vec::<String>::new());
}
