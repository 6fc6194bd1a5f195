//! Tells the linker to leave the unwind tables out of a release.
//!
//! A release ends at a panic, so nothing unwinds its stack. The compiler writes the tables all the same, because the
//! standard library was compiled with them. They take a twelfth of the binary, which is copied to every host.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=release.ld");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo names the directory of the package");
        println!("cargo::rustc-link-arg-bins=-T");
        println!("cargo::rustc-link-arg-bins={directory}/release.ld");
    }
}
