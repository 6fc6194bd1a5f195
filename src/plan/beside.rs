//! Warns of settings that the request does not name, and that the next boot makes otherwise because of the plan: a module that comes
//! earlier brings the lines of other files to effect, and `exclusive` takes lines away.

use std::collections::BTreeSet;

use crate::boot::Boot;
use crate::kernel::catalog::{Key, Name};
use crate::order::InOrder;
use crate::request::Desired;
use crate::warning::{Code, Warning};

/// The warnings about the settings that `desired` does not name; `before` and `after` are the boots without and with the plan.
pub(super) fn warnings(desired: &Desired, before: &[Boot], after: &[Boot]) -> Vec<Warning> {
    let of_kernels = before.iter().chain(after).flat_map(|boot| &boot.keys).filter_map(Key::name);
    let assigned = before.iter().chain(after).flat_map(Boot::assigned).cloned();
    let names: BTreeSet<Name> = of_kernels.chain(assigned).filter(|name| !desired.wants.contains_key(name)).into_set();
    names.iter().filter_map(|name| warning(name, before, after)).collect()
}

fn warning(name: &Name, before: &[Boot], after: &[Boot]) -> Option<Warning> {
    let values = |boots: &[Boot]| boots.iter().map(|boot| boot.told(name).value).into_set();
    if values(before) == values(after) {
        return None;
    }
    let (from, to) = (told(name, before)?, told(name, after)?);
    let message = format!(
        "`{name}` is not in the request, and the changes also give it another value at the next boot: {from} before, {to} after"
    );
    Some(Warning::new(Code::AlsoChanges, message).key(name))
}

/// The value of the setting at the first of `boots`, and the line that decides it.
fn told(name: &Name, boots: &[Boot]) -> Option<String> {
    let outlook = boots.first()?.told(name);
    let value = outlook.value.map_or_else(|| "the kernel's default".to_owned(), |value| value.to_string());
    Some(match outlook.winner {
        Some(winner) => format!("{value} (`{winner}`)"),
        None => value,
    })
}
