//! Finds the kernels that can boot next, with what depmod(8) wrote about the modules of each.
//!
//! These are the kernels in /lib/modules that have an image to boot, and always the newest and the running one. For a
//! machine without any (an image that gets its kernel later), a kernel of today is assumed. A hypervisor may hand a kernel
//! over that is on no disk of the machine: it is the running one, and has connection tracking built in.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::configuration::{self, MODULES, hz_of};
use crate::formats::depmod;
use crate::kernel::modules;
use crate::kernel::pages::Pages;
use crate::kernel::release::Release;
use crate::order::{InOrder, sorted_by};
use crate::snapshot::Module;
use crate::tree::{Entry, Read, Tree};

/// The release of the running kernel.
const RUNNING: &str = "/proc/sys/kernel/osrelease";

/// The index of the modules that each module needs.
const DEPENDENCIES: &str = "modules.dep";

/// The soft dependencies of modules, as lines of modprobe.d.
pub(super) const SOFT_DEPENDENCIES: &str = "modules.softdep";

/// The index of the names that stand for modules.
const ALIASES: &str = "modules.alias";

/// The index of the modules that are part of the kernel.
const BUILT_IN: &str = "modules.builtin";

/// The module in the directory of a kernel of OpenWrt, which has all of them beside each other, and no index.
const FLAT: &str = "nf_conntrack.ko";

/// The most kernels that are examined: /boot seldom has room for more than three.
const MOST: usize = 16;

/// A kernel that can boot next.
pub(super) struct Kernel<'a> {
    directory: PathBuf,
    /// The name of its release. None: it is assumed.
    pub(super) name: Option<String>,
    dependencies: Cow<'a, str>,
    aliases: Cow<'a, str>,
    builtin: Cow<'a, str>,
    hz: Option<i64>,
    /// Its memory pages, as far as its configuration, its name or the programs beside it show them.
    pub(super) pages: Pages,
    /// Whether it stands for the kernel that an image gets later: nothing on the disk tells its modules.
    pub(super) is_guess: bool,
}

impl Kernel<'_> {
    /// Whether `module` is part of it.
    pub(super) fn has_built_in(&self, module: &str) -> bool {
        depmod::is_built_in(&self.builtin, module)
    }

    /// Its release, if its name shows one.
    pub(super) fn release(&self) -> Option<Release> {
        Release::parse(self.name.as_deref()?)
    }

    /// The ticks of its clock in a second, if its configuration lies beside it.
    pub(super) fn hz(&self) -> Option<i64> {
        self.hz
    }

    /// The directory of its modules, if it has one.
    pub(super) fn directory(&self) -> Option<&Path> {
        Some(self.directory.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// The file in which depmod lists its modules.
    pub(super) fn index(&self) -> PathBuf {
        self.directory.join(DEPENDENCIES)
    }

    /// The modules that `module` needs, in the order in which they are loaded. None: it has no such module.
    pub(super) fn needs(&self, module: &str) -> Option<Vec<String>> {
        let mut needed = depmod::needs(&self.dependencies, module)?;
        needed.reverse();
        Some(needed)
    }

    /// The first file of `module`, or of one that it needs, that its index lists although the file is gone. An image may have
    /// the indexes alone.
    pub(super) fn missing(&self, tree: &Tree, module: &str) -> Option<PathBuf> {
        // What is assumed of a kernel without an index names no files.
        tree.get(self.index())?;
        let files = depmod::files(&self.dependencies, module).into_iter().map(|file| self.directory.join(file));
        let is_gone =
            |file: &PathBuf| tree.get(file).is_none() && file.parent().is_some_and(|it| tree.get(it).is_some());
        files.into_iter().find(is_gone)
    }

    /// The pairs of pattern and module of its aliases.
    pub(super) fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        depmod::aliases(&self.aliases)
    }
}

/// The kernels of which one boots next, the newest first; never none. The running kernel has connection tracking as
/// `module` says.
pub(super) fn bootable(tree: &Tree, module: Module) -> Vec<Kernel<'_>> {
    let on_disk = directories(tree).into_iter().map(|(directory, release)| {
        let text = |name| tree.text(directory.join(name));
        let is_flat = tree.get(directory.join(FLAT)).is_some() && tree.get(directory.join(DEPENDENCIES)).is_none();
        Kernel {
            directory: directory.clone(),
            dependencies: if is_flat { ASSUMED.as_str().into() } else { text(DEPENDENCIES) },
            aliases: text(ALIASES),
            builtin: text(BUILT_IN),
            hz: hz_of(tree, &release),
            pages: configuration::pages(tree, Some(&release)),
            name: Some(release),
            is_guess: false,
        }
    });
    let mut kernels: Vec<Kernel> = on_disk.collect();
    let running = running(tree);
    if module == Module::BuiltIn && running.is_some() {
        if kernels.iter().all(|kernel| kernel.name != running) {
            let hz = running.as_deref().and_then(|name| hz_of(tree, name));
            kernels.push(Kernel { name: running.clone(), hz, ..assumed(tree) });
        }
        // The kernel itself knows better than a list beside it.
        let is_it = |kernel: &&mut Kernel| kernel.name == running;
        kernels.iter_mut().filter(is_it).for_each(|kernel| kernel.builtin = all_built_in());
    }
    if kernels.is_empty() {
        let builtin = if module == Module::BuiltIn { all_built_in() } else { Cow::default() };
        let is_guess = module != Module::Loaded && running.is_none();
        kernels.push(Kernel { builtin, is_guess, ..assumed(tree) });
    }
    kernels
}

/// The kernel of a container: the running one, about which the container's files say nothing.
pub(super) fn of_container(tree: &Tree, module: Module) -> Kernel<'static> {
    let builtin = if module == Module::BuiltIn { all_built_in() } else { Cow::default() };
    Kernel { name: running(tree), builtin, ..assumed(tree) }
}

/// Whether the reads so far leave it open that a kernel boots next which has connection tracking as a module.
pub(super) fn may_need_module(tree: &Tree, module: Module) -> bool {
    module != Module::BuiltIn || bootable(tree, module).iter().any(|kernel| !kernel.has_built_in(modules::CONNTRACK))
}

/// A list of modules that are part of a kernel, with those that matter here.
fn all_built_in() -> Cow<'static, str> {
    OWN.map(|name| format!("{name}.ko\n")).concat().into()
}

/// The name of the running kernel's release.
pub(super) fn running(tree: &Tree) -> Option<String> {
    let text = String::from_utf8_lossy(tree.bytes(RUNNING)?).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The index of the modules of a kernel of today.
static ASSUMED: LazyLock<String> = LazyLock::new(|| {
    let needs_conntrack = |name: &&str| format!("{name}.ko: {}.ko {}\n", modules::CONNTRACK, modules::NEEDED);
    let others: String = modules::BRINGS_CONNTRACK.iter().map(needs_conntrack).collect();
    format!("{others}{}.ko: {}\n{}.ko:\n", modules::CONNTRACK, modules::NEEDED, modules::REASSEMBLY)
});

fn assumed(tree: &Tree) -> Kernel<'static> {
    Kernel {
        directory: PathBuf::new(),
        name: None,
        dependencies: ASSUMED.as_str().into(),
        aliases: modules::ALIASES.into(),
        builtin: Cow::default(),
        hz: None,
        pages: configuration::pages(tree, None),
        is_guess: false,
    }
}

/// The reads that find the kernels, and which of them have connection tracking built in.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads: Vec<Read> = Read::directories(&MODULES, "").collect();
    reads.push(Read::OfKernel(RUNNING.into()));
    for (directory, release) in releases(tree) {
        reads.extend(images(&directory, &release).map(Read::Presence));
    }
    let directories = directories(tree);
    reads.extend(directories.iter().map(|(directory, _)| of_modules(directory.join(BUILT_IN), OWN.into_iter())));
    let names: BTreeSet<String> = directories.into_iter().map(|(_, name)| name).chain(running(tree)).into_set();
    reads.extend(configuration::reads());
    for name in names.iter().filter(|name| hz_of(tree, name).is_none()) {
        reads.extend(configuration::reads_of(tree, name));
    }
    reads
}

/// The most modules that are looked up because an alias means them.
const MOST_MEANT: usize = 256;

/// The modules that are looked up in any case.
const OWN: [&str; 2] = [modules::CONNTRACK, modules::REASSEMBLY];

/// The read of what an index of depmod has about these modules.
fn of_modules<'a>(path: PathBuf, names: impl Iterator<Item = &'a str>) -> Read {
    let words = names.into_set().into_iter().map(|name| format!("/{name}.ko")).collect();
    Read::Lines { path, words }
}

/// The reads of what depmod wrote about the modules of these `names`.
pub(super) fn indexes(tree: &Tree, names: &BTreeSet<String>) -> Vec<Read> {
    let mut reads = Vec::new();
    for (directory, _) in directories(tree) {
        reads.push(Read::Candidate(directory.join(SOFT_DEPENDENCIES)));
        let (modules, aliases) = (directory.join(DEPENDENCIES), directory.join(ALIASES));
        let (dependencies, text) = (tree.text(&modules), tree.text(&aliases));
        let meant = depmod::aliases(&text).map(|(_, module)| module).take(MOST_MEANT);
        reads.push(of_modules(modules.clone(), names.iter().map(String::as_str).chain(OWN).chain(meant)));
        if tree.get(&modules).is_none() {
            reads.push(Read::Presence(directory.join(FLAT)));
        }
        let files = depmod::files(&dependencies, modules::CONNTRACK).into_iter().map(|file| directory.join(file));
        let with_directory = files.flat_map(|file| [file.parent().map(Path::to_owned), Some(file)]);
        reads.extend(with_directory.flatten().map(Read::Presence));
        if tree.get(modules).is_some() {
            // The index of aliases is the largest: it is searched only for names that no module has.
            let others = names.iter().filter(|name| depmod::needs(&dependencies, name).is_none());
            let words: Vec<String> = others.map(|name| format!("alias {name} ")).collect();
            if !words.is_empty() {
                reads.push(Read::Lines { path: aliases, words });
            }
        }
    }
    reads
}

/// The directories of the kernels that can boot next, each with its release, the newest first.
pub(super) fn directories(tree: &Tree) -> Vec<(PathBuf, String)> {
    let running = running(tree);
    let mut releases = releases(tree);
    let newest = releases.first().map(|(_, release)| release.clone());
    releases.retain(|(directory, release)| {
        let has_image = || images(directory, release).any(|path| tree.get(path).is_some());
        Some(release) == running.as_ref() || Some(release) == newest.as_ref() || has_image()
    });
    releases
}

/// The directories of all kernels, each with its release, the newest first.
fn releases(tree: &Tree) -> Vec<(PathBuf, String)> {
    let listed = MODULES.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let directories = listed.filter(|(_, entry)| **entry == Entry::Directory);
    let releases: Vec<(PathBuf, String)> =
        directories.filter_map(|(path, _)| Some((path.to_owned(), path.file_name()?.to_str()?.to_owned()))).collect();
    let mut releases = sorted_by(releases, |(_, one), (_, other)| newer_first(one, other));
    releases.truncate(MOST);
    releases
}

/// The possible files of a kernel's image, as distributions name them.
fn images(directory: &Path, release: &str) -> impl Iterator<Item = PathBuf> + use<> {
    [directory.join("vmlinuz"), format!("/boot/vmlinuz-{release}").into(), format!("/boot/vmlinux-{release}").into()]
        .into_iter()
}

/// The order of releases by the numbers in them: 6.12 is newer than 6.9.
fn newer_first(one: &str, other: &str) -> Ordering {
    let numbers = |release: &str| -> Vec<u64> {
        release.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    numbers(other).cmp(&numbers(one)).then_with(|| other.cmp(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[(&str, Entry)]) -> Tree {
        paths.iter().map(|(path, entry)| ((*path).into(), entry.clone())).collect()
    }

    fn releases_of(paths: &[(&str, Entry)]) -> Vec<Option<String>> {
        bootable(&tree(paths), Module::Loaded).into_iter().map(|kernel| kernel.name).collect()
    }

    #[test]
    fn a_kernel_boots_that_has_an_image_and_the_newest_and_the_running_one() {
        let directory = |release| (release, Entry::Directory);
        let mut paths = vec![
            directory("/usr/lib/modules/6.9.1"),
            directory("/usr/lib/modules/6.12.1"),
            directory("/usr/lib/modules/6.1.0"),
            directory("/usr/lib/modules/5.10.0"),
            ("/boot/vmlinuz-6.1.0", Entry::Program),
        ];
        let some = |releases: &[&str]| releases.iter().map(|release| Some((*release).to_owned())).collect::<Vec<_>>();
        assert_eq!(releases_of(&paths), some(&["6.12.1", "6.1.0"]));
        paths.push((RUNNING, Entry::File(b"6.9.1\n".to_vec())));
        assert_eq!(releases_of(&paths), some(&["6.12.1", "6.9.1", "6.1.0"]));
        paths.push(("/usr/lib/modules/5.10.0/vmlinuz", Entry::Program));
        assert_eq!(releases_of(&paths).len(), 4);
        assert_eq!(releases_of(&[]), [None]);
    }
}
