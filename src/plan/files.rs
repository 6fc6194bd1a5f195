//! Decides which lines of which files are written, so that the next boot gives the settings their desired values.
//!
//! All edits are made on a copy of the tree. After each edit the boot is played through again on that copy, so that an edit
//! is judged by the boot that it leads to, never by the text of a line.

mod carried;
mod module;
mod overruled;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::live::{not_on_this_kernel, out_of_bounds, out_of_reach};
use crate::boot::{self, Arrivals, Boot, HASHSIZE_FILE, Lost, Outlook, System};
use crate::failure::{Failure, Kind};
use crate::kernel::bounds::Takes;
use crate::kernel::catalog::{BUCKETS, FRAG6_HIGH, FRAG6_LOW, Key, Name};
use crate::kernel::number::kernel_reading;
use crate::kernel::pages::Pages;
use crate::kernel::sizes::FRAG6_LOW_DEFAULT;
use crate::order::InOrder;
use crate::request::{Aim, Conflicts, Desired, FILE_HINT, Want};
use crate::snapshot::{LiveKernel, Module, Snapshot};
use crate::sysctl_d::{self, Assignment, Dialect, Document};
use crate::tree::{Entry, LARGEST, Place, Tree};
use crate::verify::{Forecast, satisfies};
use crate::warning::{Code, Warning};

/// The desired files, and the warnings about them.
pub(super) struct Persistent<'a, 'b> {
    editor: Editor<'a, 'b>,
    boots: OnceCell<Vec<Boot>>,
}

impl Persistent<'_, '_> {
    pub(super) fn warnings(&self) -> &[Warning] {
        &self.editor.warnings
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.editor.after.tree
    }

    /// The boots of the machine with these files.
    pub(super) fn boots(&self) -> &[Boot] {
        let editor = &self.editor;
        if editor.stage == Stage::Unedited {
            return editor.before.boots();
        }
        let boots = || editor.arrivals().iter().flat_map(|arrivals| arrivals.boots(&editor.after)).collect();
        self.boots.get_or_init(boots)
    }

    /// The forecast of `after`, the machine with these files. Its boots are known if nothing else of it has changed.
    pub(super) fn forecast<'c>(self, desired: &Desired, after: Snapshot) -> Forecast<'c> {
        let Persistent { editor, boots } = self;
        let is_known = editor.stage > Stage::Unedited && after == editor.after;
        let forecast = Forecast::of(desired, after);
        if is_known && forecast.systems() == editor.systems { forecast.known(editor.arrivals, boots) } else { forecast }
    }
}

pub(super) fn persistent<'a, 'b>(
    desired: &'a Desired,
    before: &'a Forecast<'b>,
) -> Result<Persistent<'a, 'b>, Failure> {
    let mut editor = Editor {
        desired,
        before,
        systems: before.systems().to_vec(),
        after: before.snapshot().clone(),
        stage: Stage::Unedited,
        arrivals: OnceCell::new(),
        boots: OnceCell::new(),
        boots_in_time: OnceCell::new(),
        warnings: Vec::new(),
    };
    if desired.persist {
        editor.edit()?;
    }
    Ok(Persistent { editor, boots: OnceCell::new() })
}

/// How far the edits have changed the boots of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// There was no edit: the boots are those of the machine before.
    Unedited,
    /// Only files of the loader are edited: the modules come as before.
    Reassigned,
    /// Other files are edited too.
    Rearranged,
}

struct Editor<'a, 'b> {
    desired: &'a Desired,
    before: &'a Forecast<'b>,
    systems: Vec<&'static System>,
    /// The machine after the edits so far.
    after: Snapshot,
    stage: Stage,
    /// How the modules come at its boots after the last edit of a file that is not the loader's, if there was one.
    arrivals: OnceCell<Vec<Arrivals>>,
    /// The boots of that machine without the doubts about them, until the next edit.
    boots: OnceCell<Vec<Boot>>,
    boots_in_time: OnceCell<Vec<Boot>>,
    warnings: Vec<Warning>,
}

impl Editor<'_, '_> {
    fn edit(&mut self) -> Result<(), Failure> {
        self.is_read()?;
        // If our file cannot be read, its assignments are not known, so it must not be edited.
        if let Some(Entry::Unreadable(_)) = self.after.tree.get(self.file()) {
            self.may_edit(self.file())?;
        }
        self.renew_carried_lines()?;
        if self.desired.exclusive {
            self.remove(|wants, name| !wants.contains_key(name))?;
        }
        if self.desired.wants.values().any(|want| want.aim == Aim::Absent) {
            self.remove(|wants, name| wants.get(name).is_some_and(|want| want.aim == Aim::Absent))?;
        }
        self.drop_if_emptied();
        let wants: Vec<&Want> = self.desired.wants.values().filter(|want| want.aim != Aim::Absent).collect();
        if wants.iter().any(|want| self.comes_too_late(want)) {
            self.bring_module_early(&wants)?;
        }
        // A line for a setting that nothing assigns changes no other one, so that the boot is played through once for
        // all such lines that follow each other.
        let unassigned = self.unassigned(&wants);
        let mut added = Vec::new();
        for want in thresholds_in_order(wants) {
            if let (true, Some(dialect)) = (unassigned.contains(&want.name), self.systems.first()) {
                let dialect = dialect.dialect(&self.after.tree);
                self.add(want, dialect)?;
                added.push(want);
                continue;
            }
            for want in std::mem::take(&mut added) {
                self.set(want)?;
            }
            self.set(want)?;
        }
        added.into_iter().try_for_each(|want| self.set(want))
    }

    /// The settings that no boot finds an assignment of, and that need no more than a line of their own.
    fn unassigned(&self, wants: &[&Want]) -> BTreeSet<Name> {
        let boots = self.boots_in_time();
        let is_simple = |want: &&&Want| {
            ![BUCKETS, FRAG6_HIGH, FRAG6_LOW].contains(&want.name)
                && !self.after.is_outside_container(&want.name)
                && self.boot_key(want).is_ok()
                && boots.iter().all(|boot| boot.is_silent_on(&want.name))
        };
        wants.iter().filter(is_simple).map(|want| want.name.clone()).into_set()
    }

    /// Adds the line for a setting that nothing assigns. [`Editor::set`] must follow.
    fn add(&mut self, want: &Want, dialect: &Dialect) -> Result<(), Failure> {
        let (Some(number), key) = (self.number(want), self.boot_key(want)?) else { return Ok(()) };
        self.correct_own_lines(want, &key, number, dialect, &Outlook::default()).map(|_| ())
    }

    /// The number that the boot should give the setting. None: none in particular.
    fn number(&self, want: &Want) -> Option<i64> {
        match want.aim {
            Aim::Exactly(number) => Some(number),
            // A floor below the live value would lower the value at the next boot.
            Aim::AtLeast(floor) => Some(self.after.live_value(&want.name).map_or(floor, |live| live.max(floor))),
            Aim::Absent => None,
        }
    }

    /// The boots of the machine after the edits so far. After an edit, the doubts about them are not asked for.
    fn boots(&self) -> &[Boot] {
        if self.stage == Stage::Unedited {
            return self.before.boots();
        }
        let played = || self.arrivals().iter().flat_map(|arrivals| arrivals.rehearsals(&self.after)).collect();
        self.boots.get_or_init(played)
    }

    fn arrivals(&self) -> &[Arrivals] {
        if self.stage < Stage::Rearranged {
            return self.before.arrivals();
        }
        let of = |system: &&'static System| Arrivals::of(&self.after, system);
        self.arrivals.get_or_init(|| self.systems.iter().map(of).collect())
    }

    /// The same boots, as if the module were always loaded in time. Even if `module` is `ignore`, the lines are
    /// corrected, so that they take effect once the module is loaded early.
    fn boots_in_time(&self) -> &[Boot] {
        if self.arrivals().iter().all(Arrivals::are_in_time) {
            return self.boots();
        }
        self.boots_in_time.get_or_init(|| {
            let in_time = self.arrivals().iter().map(Arrivals::in_time);
            in_time.flat_map(|arrivals| arrivals.rehearsals(&self.after)).collect()
        })
    }

    /// Whether one of the kernels that can boot has `key`.
    fn has_key(&self, key: &Key) -> bool {
        self.arrivals().iter().any(|arrivals| arrivals.have(key))
    }

    /// Changes the file at `path`, and forgets the boots that were played through before.
    fn write(&mut self, path: &Path, bytes: Option<&[u8]>) {
        self.after.tree.write(path, bytes);
        if sysctl_d::paths::is_of_loader(path) {
            self.stage = self.stage.max(Stage::Reassigned);
        } else {
            self.stage = Stage::Rearranged;
            self.arrivals.take();
        }
        self.boots.take();
        self.boots_in_time.take();
    }

    /// The first of `boots` whose outcome for the setting is not as desired: the dialect in which it reads our file,
    /// and its outlook.
    fn unsatisfied(want: &Want, boots: &[Boot]) -> Option<(&'static Dialect, Outlook)> {
        let outlooks = boots.iter().map(|boot| (boot, boot.outlook(&want.name)));
        let drifts = outlooks.filter(|(boot, outlook)| !satisfies(want, outlook.value, boot.bounds.pages));
        let drifts = drifts.map(|(boot, outlook)| (boot.dialect, outlook));
        // A kernel that does not take the setting at all comes last.
        drifts.min_by_key(|(_, outlook)| matches!(outlook.lost, Some(Lost::NoSuchKey(_) | Lost::Refused(_))))
    }

    /// The smallest pages of the kernels that can boot: where a line is right under these, it is right under all.
    fn pages(&self) -> Pages {
        let pages = self.boots_in_time().iter().map(|boot| boot.bounds.pages);
        pages.min_by_key(|pages| pages.fewest_buckets()).unwrap_or(self.after.pages)
    }

    fn file(&self) -> &Path {
        &self.desired.file
    }

    fn document(&self, path: &Path) -> Document {
        Document::new(self.after.tree.bytes(path).unwrap_or_default().to_vec())
    }

    /// The assignments of our file for which `picks` is true, as `dialect` reads them.
    fn ours(&self, dialect: &Dialect, picks: impl Fn(&Name) -> bool) -> Vec<Assignment> {
        let read = sysctl_d::parse(self.after.tree.bytes(self.file()).unwrap_or_default(), dialect);
        let picked = |assignment: &Assignment| assignment.value.is_some() && assignment.name().is_some_and(&picks);
        read.into_iter().filter(picked).collect()
    }

    /// Removes from our file the assignments of the settings that `picks` names.
    fn remove(&mut self, picks: impl Fn(&BTreeMap<Name, Want>, &Name) -> bool) -> Result<(), Failure> {
        let desired = self.desired;
        for system in self.systems.clone() {
            let dialect = system.dialect(&self.after.tree);
            loop {
                let unwanted = self.ours(dialect, |name| picks(&desired.wants, name));
                if unwanted.is_empty() {
                    break;
                }
                let mut document = self.document(&desired.file);
                document.remove_lines(&unwanted);
                self.put(&desired.file, &document)?;
            }
        }
        Ok(())
    }

    /// Edits until the boot gives the setting its desired value, or nothing is left to edit.
    fn set(&mut self, want: &Want) -> Result<(), Failure> {
        let Some(number) = self.number(want) else { return Ok(()) };
        if self.after.is_outside_container(&want.name) {
            return Err(out_of_reach(want, &self.after));
        }
        if Self::unsatisfied(want, self.boots_in_time()).is_none() {
            return Ok(());
        }
        if want.name == BUCKETS && self.after.live.as_ref().is_some_and(LiveKernel::buckets_need_hashsize) {
            return self.set_hashsize(want, number);
        }
        let key = self.boot_key(want)?;
        while let Some((dialect, outlook)) = Self::unsatisfied(want, self.boots_in_time()) {
            if !self.correct_own_lines(want, &key, number, dialect, &outlook)?
                && !self.overrule(want, dialect, &outlook)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Makes one edit in our file that brings the setting nearer to `number`; false: there was none to make.
    fn correct_own_lines(
        &mut self,
        want: &Want,
        key: &Key,
        number: i64,
        dialect: &Dialect,
        outlook: &Outlook,
    ) -> Result<bool, Failure> {
        let file = self.desired.file.clone();
        let pages = self.pages();
        let own = self.ours(dialect, |name| *name == want.name);
        let is_live = |assignment: &Assignment| assignment.dotted_key().is_some_and(|key| self.has_key(key));
        let reads_as = |assignment: &Assignment| {
            kernel_reading(assignment.value.as_deref().unwrap_or_default(), &want.name, pages)
        };
        let right = |assignment: &Assignment| satisfies(want, reads_as(assignment), pages);
        let wins =
            |assignment: &Assignment| outlook.winner.as_ref().is_some_and(|winner| self.is_own(winner, assignment));
        let wrong = own.iter().find(|assignment| wins(assignment)).or(own.iter().rfind(|own| is_live(own)));
        let is_own_glob =
            outlook.winner.as_ref().is_some_and(|winner| self.is_in_our_file(winner)) && !own.iter().any(wins);
        let is_named = |key: &Key| own.iter().any(|assignment| assignment.dotted_key() == Some(key));
        let unnamed = want.name.keys().find(|key| self.has_key(key) && !is_named(key));
        let mut document = self.document(&file);
        let exclusions = self.own_exclusions(want, dialect, outlook);
        if !exclusions.is_empty() {
            // They keep the key from globs, as every line that names the key does.
            document.comment_out_each(&exclusions, "");
        } else if let Some(assignment) = wrong.filter(|assignment| !right(assignment)) {
            document.set_values(&with_equals_behind(&own, assignment), &number.to_string());
        } else if own.iter().any(|assignment| !is_live(assignment)) {
            // No note: the new line, with today's name, is inserted right after the last of these commented ones.
            let legacy: Vec<Assignment> = own.into_iter().filter(|assignment| !is_live(assignment)).collect();
            document.comment_out_each(&legacy, "");
        } else if wrong.is_none() {
            let line = format!("{key} = {number}");
            let paths: Vec<String> = want.name.keys().map(|key| key.path()).collect();
            match document.commented_twin(&paths) {
                Some(twin) => document.insert_after_line(twin, &line),
                None => document.append(&line),
            }
        } else if let Some(unnamed) = unnamed.filter(|_| is_own_glob) {
            // A loader keeps a glob away from every key that some line names.
            document.append(&format!("{unnamed} = {number}"));
        } else {
            return Ok(false);
        }
        // If the bytes did not change, stop; otherwise the caller would repeat this edit forever.
        let changes = self.after.tree.bytes(&file) != Some(document.as_bytes());
        self.put(&file, &document)?;
        Ok(changes)
    }

    /// The lines of our file that name the key without a value, if they are the reason why the loader does not write the key.
    fn own_exclusions(&self, want: &Want, dialect: &Dialect, outlook: &Outlook) -> Vec<Assignment> {
        let Some(Lost::Excluded { by, .. }) = &outlook.lost else { return Vec::new() };
        let mut read = sysctl_d::parse(self.after.tree.bytes(self.file()).unwrap_or_default(), dialect);
        read.retain(|it| it.value.is_none() && it.name() == Some(&want.name));
        let cause = read.iter().find(|exclusion| self.is_own(by, exclusion)).map(|cause| cause.subject.clone());
        read.retain(|exclusion| cause.as_ref().is_some_and(|cause| cause.path == exclusion.subject.path));
        read
    }

    /// Whether `assignment` is the one at `place`, in our file, under whatever name the loader reads that file.
    fn is_own(&self, place: &Place, assignment: &Assignment) -> bool {
        place.line == assignment.line && self.is_in_our_file(place)
    }

    fn is_in_our_file(&self, place: &Place) -> bool {
        let tree = &self.after.tree;
        tree.real(&place.file) == tree.real(self.file())
    }

    /// The newest name of the setting that the kernel of the next boot has.
    fn boot_key(&self, want: &Want) -> Result<Key, Failure> {
        let key = want.name.keys().find(|key| self.has_key(key));
        key.ok_or_else(|| not_on_this_kernel(want))
    }

    /// Sets the number of buckets by the module's option, if its sysctl cannot be written.
    fn set_hashsize(&mut self, want: &Want, buckets: i64) -> Result<(), Failure> {
        let file = Path::new(HASHSIZE_FILE);
        let line = boot::hashsize_line(buckets);
        if self.after.module == Module::BuiltIn {
            let message = format!("`{BUCKETS}` cannot be written on this kernel, and connection tracking is built in");
            return Err(Failure::new(Kind::ReadOnly, message).key(BUCKETS).at(&want.pointer).hint(format!(
                "add nf_conntrack.hashsize={buckets} to the kernel command line, or set `persist` to false"
            )));
        }
        let without = self.after.tree.bytes(file).map(<[u8]>::to_vec);
        let mut document = self.document(file);
        // Of several such lines modprobe obeys the last, so that an older line may stay.
        document.append(&line);
        self.put(file, &document)?;
        let Some((_, outlook)) = Self::unsatisfied(want, self.boots_in_time()) else { return Ok(()) };
        // A line without effect must not stay: the next run would add another.
        self.write(file, without.as_deref());
        let winner = outlook.winner.map(|winner| winner.to_string()).unwrap_or_default();
        let message = format!("at boot `{winner}` decides `{BUCKETS}`, whatever {HASHSIZE_FILE} says");
        if self.desired.conflicts == Conflicts::Warn {
            self.warnings.push(Warning::new(Code::Shadowed, message).key(BUCKETS));
            return Ok(());
        }
        let failure = Failure::new(Kind::Conflict, message).key(BUCKETS).at(&want.pointer);
        Err(failure.hint("remove that line, or set `conflicts` to warn"))
    }

    /// Puts `document` into the file at `path`, if a run may write there.
    fn put(&mut self, path: &Path, document: &Document) -> Result<(), Failure> {
        self.may_edit(path)?;
        let bytes = document.as_bytes();
        // Neither the run itself nor the next one could read such a file, and an undo would not know it again.
        if bytes.len() as u64 > LARGEST {
            let message =
                format!("`{}` would have {} bytes, and at most {LARGEST} are read", path.display(), bytes.len());
            let hint = format!("remove lines of `{}` that assign nothing, or divide it", path.display());
            return Err(Failure::new(Kind::Conflict, message).hint(hint));
        }
        match self.hidden_by_new(path) {
            None => self.write(path, Some(bytes)),
            Some(hidden) if hidden.loses_nothing() || (self.carries() && hidden.is_known()) => {
                self.write(path, Some(&[&hidden.block(self.desired, bytes), bytes].concat()));
            }
            Some(hidden) => return Err(hidden.refusal(path, self.other_file(path).as_deref())),
        }
        Ok(())
    }

    /// Refuses to edit the entry at `path` unless it is a file that a run may write to.
    fn may_edit(&self, path: &Path) -> Result<(), Failure> {
        let refuse = |kind, why: &str| {
            let failure = Failure::new(kind, format!("`{}` cannot be edited: {why}", path.display()));
            if path == self.file() {
                Err(failure.at("/file").hint("put a regular file there, or name another `file`"))
            } else {
                Err(failure.hint("put a regular file there"))
            }
        };
        let tree = &self.after.tree;
        if boot::is_mount_point(tree, tree.real(path)) {
            let failure = refuse(Kind::ReadOnly, "it is a mount point, which cannot be replaced");
            let other = if path == self.file() { ", or name another `file`" } else { "" };
            return failure.map_err(|failure| failure.hint(format!("edit the file that is mounted there{other}")));
        }
        if let Some((mount, remedy)) = boot::read_only_mount(tree, tree.real(path)) {
            let failure = refuse(Kind::ReadOnly, &format!("what is mounted on `{}` is read-only", mount.display()));
            return failure.map_err(|failure| failure.hint(format!("{remedy}, or set `persist` to false")));
        }
        match tree.get(path) {
            None | Some(Entry::File(_)) => Ok(()),
            Some(Entry::Link { target, .. }) if target.starts_with("/etc") => Ok(()),
            Some(Entry::Link { target, .. }) => {
                let why = format!("it is a link to `{}`, which is not under /etc", target.display());
                refuse(Kind::BadRequest, &why)
            }
            Some(Entry::Null) => refuse(Kind::BadRequest, "it is masked by a link to /dev/null"),
            Some(Entry::Dangling) => refuse(Kind::BadRequest, "it is a link to nothing"),
            Some(Entry::Endless) => refuse(Kind::BadRequest, "it is a link that cannot be followed"),
            Some(Entry::Directory) => refuse(Kind::BadRequest, "it is a directory"),
            Some(Entry::Program) => refuse(Kind::BadRequest, "it is a program"),
            Some(Entry::Unreadable(why)) => refuse(Kind::Permission, &why.to_string())
                .map_err(|failure| failure.hint("run as root, and look at that file")),
        }
    }

    /// The failure of a value that the boot refuses, whichever line sets it.
    fn boot_refuses_value(&self, want: &Want) -> Failure {
        let name = &want.name;
        let (Aim::Exactly(number) | Aim::AtLeast(number)) = want.aim else { unreachable!("nothing is set") };
        let refuses = |boot: &&Boot| boot.bounds.take(name, number) == Takes::Never;
        if let Some(boot) = self.boots_in_time().iter().find(refuses) {
            return out_of_bounds(want, number, &boot.bounds);
        }
        Failure::new(Kind::OutOfRange, format!("the boot would refuse the value of `{name}`"))
            .key(name)
            .at(&want.pointer)
            .hint("compare it with the settings that bound it (a low threshold must not lie above the high one)")
    }

    /// Refuses our file if a boot does not read it: not every loader reads /etc/sysctl.conf.
    fn is_read(&self) -> Result<(), Failure> {
        let file = self.file();
        let Some(system) = self.systems.iter().find(|system| !system.loads(&self.after.tree, file)) else {
            return Ok(());
        };
        if system.runs(&self.after.tree).is_empty() {
            let (why, remedy) = system.idle();
            let message = format!("`{}` is not read at boot: {why}", file.display());
            return Err(Failure::new(Kind::BadRequest, message).hint(remedy));
        }
        let message = format!("`{}` is not read at boot: this machine boots with {}", file.display(), system.command);
        Err(Failure::new(Kind::BadRequest, message).at("/file").hint(FILE_HINT))
    }
}

/// `assignment`, one of `read`, and the same ones that follow it: systemd obeys the first of equal lines, and the next one as
/// soon as the first has another value.
fn with_equals_behind(read: &[Assignment], assignment: &Assignment) -> Vec<Assignment> {
    let of_key = read.iter().filter(|other| other.subject.path == assignment.subject.path);
    let from_here = of_key.skip_while(|other| other.key_span.start < assignment.key_span.start);
    from_here.take_while(|other| other.value == assignment.value).cloned().collect()
}

/// The wants in the order in which fresh lines are written. To lower both thresholds of IPv6 reassembly, the low one goes
/// first, because the kernel refuses a high threshold below the low one.
fn thresholds_in_order(mut wants: Vec<&Want>) -> Vec<&Want> {
    let position = |wants: &[&Want], name: &Name| wants.iter().position(|want| want.name == *name);
    let (Some(high), Some(low)) = (position(&wants, &FRAG6_HIGH), position(&wants, &FRAG6_LOW)) else {
        return wants;
    };
    let lowers = matches!(wants[high].aim, Aim::Exactly(number) if number < FRAG6_LOW_DEFAULT);
    if lowers == (high < low) {
        wants.swap(high, low);
    }
    wants
}
