//! Decides which live values are written, and in which order.

use super::{Step, Target};
use crate::boot;
use crate::failure::{Failure, Kind};
use crate::kernel::bounds::{Bounds, Takes};
use crate::kernel::catalog::{self, BUCKETS, FRAG6_HIGH, FRAG6_LOW, Name, Setting, ValueKind};
use crate::kernel::number::kernel_value;
use crate::request::{Aim, Desired, ModulePolicy, Want};
use crate::snapshot::{LiveKernel, Module, Snapshot};
use crate::verify::{is_missing, is_out_of_reach, satisfies};

pub(super) fn steps(desired: &Desired, snapshot: &Snapshot) -> Result<Vec<Step>, Failure> {
    let wants: Vec<&Want> = desired.wants.values().filter(|want| want.aim != Aim::Absent).collect();
    let Some(live) = snapshot.live.as_ref().filter(|_| desired.live && !wants.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut steps = Vec::new();
    // Another module may have made the keys of reassembly.
    if snapshot.module == Module::Absent && wants.iter().any(|want| snapshot.live_key(&want.name).is_none()) {
        if desired.module != ModulePolicy::Load {
            return Err(Failure::new(
                Kind::ModuleAbsent,
                "connection tracking is not loaded, and `module` says not to load it",
            )
            .at("/module")
            .hint("set `module` to load, or `live` to false to prepare the next boot only"));
        }
        if snapshot.container().is_some_and(|container| !container.loads_modules) {
            let message = "connection tracking is not loaded, and this container cannot load it";
            return Err(Failure::new(Kind::ModuleAbsent, message).hint("run `modprobe nf_conntrack` on the machine"));
        }
        steps.push(Step::LoadModule);
    }
    for want in wants {
        steps.extend(step(want, snapshot, live)?);
    }
    order_thresholds(&mut steps);
    Ok(steps)
}

fn step(want: &Want, snapshot: &Snapshot, live: &LiveKernel) -> Result<Option<Step>, Failure> {
    let name = &want.name;
    if is_missing(snapshot, name) {
        return Err(not_on_this_kernel(want));
    }
    let before = snapshot.live_value(name);
    if satisfies(want, before, snapshot.pages) {
        return Ok(None);
    }
    let (Aim::Exactly(number) | Aim::AtLeast(number)) = want.aim else { return Ok(None) };
    let target = match live.sysctl(name) {
        Some(_) if live.is_foreign => return Err(foreign(want)),
        Some(_) if live.read_only && !is_out_of_reach(snapshot, name) => {
            let remedy = match &live.container {
                Some(_) => "set it where the container is made (`podman run --sysctl KEY=VALUE`)",
                None => "run on the machine itself, not in a confined unit, or set `live` to false",
            };
            return Err(read_only(want, "/proc/sys/net is mounted read-only here", remedy));
        }
        Some(_) if is_out_of_reach(snapshot, name) => return Err(out_of_reach(want, snapshot)),
        Some(_) if *name == BUCKETS && live.buckets_need_hashsize() => Target::Hashsize,
        Some((_, sysctl)) if !sysctl.writable => {
            let remedy = "leave it out of the request for this kernel, or set `live` to false";
            return Err(read_only(want, "it is read-only on this kernel", remedy));
        }
        Some((key, _)) => Target::Sysctl(key.clone()),
        // The first step loads the module, and today's kernels have the setting under its canonical name.
        None => Target::Sysctl(name.clone().into()),
    };
    let bounds = boot::running_bounds(snapshot);
    if bounds.take(name, number) == Takes::Never {
        return Err(out_of_bounds(want, number, &bounds));
    }
    let after = kernel_value(name, number, snapshot.pages);
    Ok(Some(Step::SetLive { target, name: name.clone(), aim: want.aim, before, write: number, after }))
}

/// The failure of a setting that the running kernel does not have.
pub(super) fn not_on_this_kernel(want: &Want) -> Failure {
    let name = &want.name;
    let Setting { since, until, .. } = name.setting();
    let failure = match (until, since) {
        (Some(until), _) => Failure::new(
            Kind::RemovedInKernel,
            format!("this kernel does not have `{name}`; kernels up to {until} have it"),
        ),
        (None, Some(since)) => Failure::new(
            Kind::UnknownSetting,
            format!("this kernel does not have `{name}`; kernels from {since} on can have it"),
        ),
        (None, None) => Failure::new(Kind::UnknownSetting, format!("this kernel does not have `{name}`")),
    };
    let hint = match catalog::nearest(name.as_str()).filter(|_| !name.is_catalogued()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "leave it out of the request for this kernel".to_owned(),
    };
    failure.key(name).at(&want.pointer).hint(hint)
}

/// The failure of a number that a kernel refuses because of its release or its clock.
pub(super) fn out_of_bounds(want: &Want, number: i64, bounds: &Bounds) -> Failure {
    let setting = want.name.setting();
    let unit = setting.unit;
    let kernel = bounds.release.map_or("this kernel".to_owned(), |release| format!("Linux {release}"));
    let message = format!("`{}` cannot be {number}: {kernel} takes {} {unit}", want.name, bounds.range(setting));
    let hint = match setting.kind {
        ValueKind::Seconds => "set a shorter timeout: this one does not fit into the ticks of the clock (CONFIG_HZ)",
        ValueKind::Integer | ValueKind::Boolean => "set a larger number: only older kernels take this one",
    };
    Failure::new(Kind::OutOfRange, message).key(&want.name).at(&want.pointer).hint(hint)
}

/// The failure of a setting that is one number for the whole machine, in a network namespace or a container.
pub(super) fn out_of_reach(want: &Want, snapshot: &Snapshot) -> Failure {
    let why = "it is one number for the whole machine, and this is";
    if snapshot.container().is_some() {
        // No file in a container sets it either.
        read_only(want, &format!("{why} a container on it"), "set it on the machine")
    } else {
        let remedy = "run in the initial network namespace of the machine, or set `live` to false";
        read_only(want, &format!("{why} a network namespace within it"), remedy)
    }
}

/// The failure of a setting whose network belongs to a user namespace outside.
fn foreign(want: &Want) -> Failure {
    let why = "root is only root of a user namespace here, and the network belongs to another one";
    Failure::new(Kind::Permission, format!("`{}` cannot be written: {why}", want.name))
        .key(&want.name)
        .at(&want.pointer)
        .hint("run as root of the machine, or in a container with a network of its own")
}

fn read_only(want: &Want, why: &str, remedy: &str) -> Failure {
    Failure::new(Kind::ReadOnly, format!("`{}` cannot be written: {why}", want.name))
        .key(&want.name)
        .at(&want.pointer)
        .hint(remedy)
}

/// Puts the two thresholds of IPv6 reassembly into an order that the kernel accepts. It refuses a low threshold above the
/// high one at each write: to lower both, the low one is written first.
fn order_thresholds(steps: &mut [Step]) {
    let find = |steps: &[Step], wanted: &Name| {
        steps.iter().position(|step| matches!(step, Step::SetLive { name, .. } if name == wanted))
    };
    let (Some(high), Some(low)) = (find(steps, &FRAG6_HIGH), find(steps, &FRAG6_LOW)) else { return };
    let Step::SetLive { before, after, .. } = &steps[high] else { return };
    let lowers = before.is_some_and(|before| *after < before);
    if lowers == (high < low) {
        steps.swap(high, low);
    }
}
