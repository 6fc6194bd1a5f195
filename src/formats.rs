//! Reads the file formats of other programs that decide a boot, as those programs read them.
//!
//! Each file holds one format. A reader takes bytes and returns data with line numbers; it knows nothing of connection
//! tracking, of sysctls or of the order of a boot. The real program is the judge of each reader: `tests/formats.rs`.

pub mod boot_loader;
pub mod configparser;
pub mod depmod;
pub mod escapes;
pub mod kernel_arguments;
pub mod modprobe_d;
pub mod mounts;
pub mod ostree;
pub mod shell;
pub mod tmpfiles;
pub mod udev_rules;
pub mod unit;
pub mod words;
pub mod yaml;
