//! Every test of the program that stands outside of `src`, in one binary: the crate is linked once.
//!
//! `cargo test --test tests live::` runs one module. A test that needs root is ignored unless it is asked for
//! (`-- --ignored`); `tests/all` runs those too.

mod started;
mod support;

mod boot;
mod bounds;
mod catalog;
mod containers;
mod diagnosis;
mod docs;
mod dsc;
mod examples;
mod faults;
mod formats;
mod fuzz_corpus;
mod initrd;
mod judges;
mod kernels;
mod language;
mod live;
mod many;
mod mounts;
mod namespaces;
mod oracle;
mod outputs;
mod packaging;
mod parts;
mod pictures;
mod plan;
mod presence;
mod promise;
mod properties;
mod reboot;
mod refusals;
mod requests;
mod roots;
mod scripts;
mod share;
mod shell;
mod show;
mod sysctl_d;
mod table;
mod table_live;
mod terminal;
mod tmpfiles;
mod troubleshooting;
mod trust;
mod uncertain;
mod undo;
mod untracked;
mod view;
mod walls;
mod writers;
