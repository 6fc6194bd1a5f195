//! Tells the linker to leave out of a release what a release never uses.
//!
//! A release ends at a panic, so nothing unwinds its stack. The compiler writes the tables for that all the same, because
//! the standard library was compiled with them. They take a twelfth of the binary, which is copied to every host. On other
//! architectures they stay: the start of a static program refers to them on aarch64, and the linker fails without them.
//!
//! At the start of a program, and of each thread, the standard library asks glibc for the limits of the stack, so that it can
//! name an overflow of the stack in the message of the signal that ends the program. In a static binary, glibc's answer
//! brings sscanf(3), numbers of all kinds and files: another thirtieth of the binary. It also reads /proc/self/maps, which
//! takes a tenth of the start of a run. So glibc's function is replaced by one that returns an error, as far as its caller can
//! see: getpid(2) has no arguments, and its result is never 0. Only the message is lost.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=release.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|text| text == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo names the directory of the package");
        println!("cargo::rustc-link-arg-bins=-T");
        println!("cargo::rustc-link-arg-bins={directory}/release.ld");
        let has = |name: &str, part: &str| env::var(name).is_ok_and(|parts| parts.split(',').any(|own| own == part));
        if has("CARGO_CFG_TARGET_FEATURE", "crt-static") && is("CARGO_CFG_TARGET_ENV", "gnu") {
            println!("cargo::rustc-link-arg-bins=-Wl,--defsym=pthread_getattr_np=getpid");
        }
    }
}
