//! Tells the linker to leave the unwind tables out of a release.
//!
//! A release ends at a panic, so nothing unwinds its stack. The compiler writes the tables all the same, because the
//! standard library was compiled with them. They take a twelfth of the binary, which is copied to every host. On other
//! architectures they stay: the start of a static program refers to them on aarch64, and the linker fails without them.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=release.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|text| text == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo names the directory of the package");
        println!("cargo::rustc-link-arg-bins=-T");
        println!("cargo::rustc-link-arg-bins={directory}/release.ld");
    }
}
