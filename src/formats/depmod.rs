//! The indexes that depmod(8) makes beside the modules of a kernel, in their text form.
//!
//! modprobe reads the binary form of the same indexes. Each lookup here goes through the text once: a kernel has some
//! thousands of modules, and a boot names a few of them.

use super::modprobe_d::module_name;

/// The name of the module in the file at `path`: without the directory and the suffixes (`.ko`, `.ko.xz`).
#[must_use]
pub fn module_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    module_name(file.split(".ko").next().unwrap_or_default())
}

/// Whether the file at `path` is that of the module `name`. This allocates nothing: it is asked of each line of an index.
fn is_of(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    let stem = file.split(".ko").next().unwrap_or_default();
    let same = |(one, other): (u8, u8)| one == other || (one == b'-' && other == b'_');
    stem.len() == name.len() && stem.bytes().zip(name.bytes()).all(same)
}

/// The modules that `name` needs, by modules.dep; depmod writes all of them, also those that are needed indirectly. None:
/// there is no module of that name.
#[must_use]
pub fn needs(modules_dep: &str, name: &str) -> Option<Vec<String>> {
    modules_dep.lines().find_map(|line| {
        let (module, needed) = line.split_once(':')?;
        is_of(module, name).then(|| needed.split_whitespace().map(module_of).collect())
    })
}

/// The files of `name` and of the modules that it needs, by modules.dep: paths below the directory of the kernel, or
/// absolute ones.
#[must_use]
pub fn files<'a>(modules_dep: &'a str, name: &str) -> Vec<&'a str> {
    let line = modules_dep.lines().filter_map(|line| line.split_once(':')).find(|(module, _)| is_of(module, name));
    line.into_iter().flat_map(|(module, needed)| [module].into_iter().chain(needed.split_whitespace())).collect()
}

/// Whether `name` is part of the kernel image, by modules.builtin.
#[must_use]
pub fn is_built_in(modules_builtin: &str, name: &str) -> bool {
    modules_builtin.lines().any(|line| is_of(line, name))
}

/// The pairs of pattern and module in modules.alias.
pub fn aliases(modules_alias: &str) -> impl Iterator<Item = (&str, &str)> {
    modules_alias.lines().filter_map(|line| {
        let mut words = line.strip_prefix("alias ")?.split(' ');
        Some((words.next()?, words.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULES_DEP: &str = "kernel/net/netfilter/nf_conntrack.ko.xz: kernel/lib/libcrc32c.ko.xz\n\
        kernel/net/netfilter/nft_ct.ko.xz: kernel/net/netfilter/nf-conntrack.ko.xz kernel/lib/libcrc32c.ko.xz\n\
        kernel/drivers/empty.ko:\n";

    #[test]
    fn a_module_names_what_it_needs() {
        assert_eq!(needs(MODULES_DEP, "nft_ct"), Some(vec!["nf_conntrack".into(), "libcrc32c".into()]));
        assert_eq!(needs(MODULES_DEP, "empty"), Some(vec![]));
        assert_eq!(needs(MODULES_DEP, "nf_conntrack_ipv4"), None);
    }

    #[test]
    fn built_in_modules_and_aliases() {
        assert!(is_built_in("kernel/net/netfilter/nf_conntrack.ko\n", "nf_conntrack"));
        assert!(!is_built_in("kernel/net/netfilter/nf_conntrack_ftp.ko\n", "nf_conntrack"));
        let text = "# Aliases\nalias ip_conntrack nf_conntrack\nalias nft-expr-ct nft_ct\n";
        assert_eq!(aliases(text).collect::<Vec<_>>(), [("ip_conntrack", "nf_conntrack"), ("nft-expr-ct", "nft_ct")]);
    }
}
