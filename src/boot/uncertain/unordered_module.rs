//! Finds a boot in which nothing orders the program that loads the modules and the loader.

use super::Played;
use crate::boot::arrival::Arrival;
use crate::boot::doubt::{Doubt, Reason};
use crate::boot::systems::Pace;

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let Arrival::Early(place) = played.arrival else { return Vec::new() };
    let Pace::AtOnce { remedy } = played.system.pace(&played.snapshot.tree) else { return Vec::new() };
    let doubt = Doubt::of_line(Reason::UnorderedModule, place).detail(played.system.command);
    vec![Doubt { remedy: Some(remedy.to_owned()), ..doubt }]
}
