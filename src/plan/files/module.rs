//! Decides how the boot brings the module before the loader writes its settings: by a line in a file, as far as the request and the
//! machine allow one.

use std::path::Path;

use super::Editor;
use crate::boot::{Boot, Early};
use crate::failure::{Failure, Kind};
use crate::kernel::modules::{CONNTRACK, REASSEMBLY};
use crate::request::{ModulePolicy, Want};
use crate::sysctl_d::Assignment;
use crate::tree::Place;
use crate::verify::{Remedy, bar_text};
use crate::warning::{Code, Warning};

impl Editor<'_, '_> {
    /// Whether a loader writes `want` before the module is loaded, so that the write is lost: under the key of a fresh
    /// line, or under the key of a line in our file.
    pub(super) fn comes_too_late(&self, want: &Want) -> bool {
        let fresh = want.name.keys().find(|key| self.has_key(key));
        let is_lost = |boot: &Boot| {
            let own = self.ours(boot.dialect, |name| *name == want.name);
            let own = own.iter().filter_map(Assignment::dotted_key).filter(|key| self.has_key(key)).cloned();
            own.chain(fresh.clone()).any(|key| !boot.reaches(&key))
        };
        Self::unsatisfied(want, self.boots()).is_some() && self.boots().iter().any(is_lost)
    }

    /// Makes the boot load the module before the loader runs, as far as the request allows that.
    pub(super) fn bring_module_early(&mut self, wants: &[&Want]) -> Result<(), Failure> {
        if let Some(bar) = self.boots().iter().find_map(|boot| boot.arrival.barred().cloned()) {
            return self.leave_barred(bar);
        }
        let late = self.boots().iter().find(|boot| !boot.arrival.is_in_time()).or(self.boots().first());
        match late.map(|boot| boot.system.early(&self.after.tree)) {
            Some(Early::ByFile(file)) => self.name_early(wants, file),
            Some(Early::Never { why, remedy }) => self.leave_late(why, remedy),
            None => Ok(()),
        }
    }

    /// Names the module in `file`, as far as the request allows that.
    fn name_early(&mut self, wants: &[&Want], file: &'static str) -> Result<(), Failure> {
        match self.desired.module {
            ModulePolicy::Load => {
                if self.boots().iter().any(|boot| !boot.arrival.is_in_time()) {
                    self.name_module(CONNTRACK, file)?;
                }
                // Before 4.19 connection tracking does not bring the reassembly of IPv6 with it.
                let fragments = wants.iter().filter(|want| want.name.setting().module == REASSEMBLY);
                if fragments.into_iter().any(|want| self.comes_too_late(want)) {
                    self.name_module(REASSEMBLY, file)?;
                }
                Ok(())
            }
            ModulePolicy::Require => Err(Failure::new(
                Kind::ModuleAbsent,
                "nothing loads nf_conntrack early at boot, so the values in the files would be lost, and `module` \
                 forbids a change",
            )
            .at("/module")
            .hint(format!("name nf_conntrack in {file}, or set `module` to load"))),
            ModulePolicy::Ignore => {
                let message = format!(
                    "nothing loads nf_conntrack early at boot, so the values in the files are lost; name it in {file}, or \
                     set `module` to load"
                );
                self.warnings.push(Warning::new(Code::BootNotGuaranteed, message));
                Ok(())
            }
        }
    }

    /// Fails or warns, because no file of this init system has the module loaded early.
    fn leave_late(&mut self, why: &str, remedy: &str) -> Result<(), Failure> {
        if self.desired.module == ModulePolicy::Ignore {
            let message = format!("{why}: the values in the files are lost; {remedy}");
            self.warnings.push(Warning::new(Code::BootNotGuaranteed, message));
            return Ok(());
        }
        let message = format!("{why}, so the values in the files would be lost");
        Err(Failure::new(Kind::ModuleAbsent, message).hint(format!("{remedy}, or set `module` to ignore")))
    }

    /// Adds `module` to the modules that the boot loads early.
    fn name_module(&mut self, module: &str, file: &str) -> Result<(), Failure> {
        let file = Path::new(file);
        // Where nobody knows what a command makes of the name, a second line with it tells no more.
        if self.after.tree.text(file).lines().any(|line| line.trim() == module) {
            return Ok(());
        }
        let mut document = self.document(file);
        document.append(module);
        self.put(file, &document)
    }

    /// Fails or warns, because the line at `bar` prevents early loading and no run may change that line.
    fn leave_barred(&mut self, bar: Place) -> Result<(), Failure> {
        let message = format!("{} prevents early loading of nf_conntrack at boot", bar_text(&bar));
        let remedy = Remedy::AllowModule(bar);
        if self.desired.module == ModulePolicy::Ignore {
            let message = format!("{message}: the values in the files are lost; {remedy}");
            self.warnings.push(Warning::new(Code::BootNotGuaranteed, message));
            return Ok(());
        }
        Err(Failure::new(Kind::ModuleAbsent, message).hint(format!("{remedy}, or set `module` to ignore")))
    }
}
