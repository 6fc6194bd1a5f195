//! Decides the action if the next boot of some settings cannot be known: a run warns or refuses, as the request says.

use crate::boot::Boot;
use crate::failure::{Failure, Kind};
use crate::request::{Desired, Uncertain, Want};
use crate::snapshot::Snapshot;
use crate::verify::{Advice, Doubt, Reason, doubt_remedy, judge};
use crate::warning::{Code, Warning};

/// The warnings about the `boots` of the machine after the plan, or the refusal of the request.
pub(super) fn warnings(desired: &Desired, after: &Snapshot, boots: &[Boot]) -> Result<Vec<Warning>, Failure> {
    let mut found: Vec<(Doubt, Vec<&Want>)> = Vec::new();
    // Most machines leave no doubt.
    for want in desired.wants.values().filter(|_| boots.iter().any(|boot| !boot.doubts.is_empty())) {
        for doubt in judge(want, desired, after, boots).doubts {
            match found.iter_mut().find(|(known, _)| *known == doubt) {
                Some((_, wants)) => wants.push(want),
                None => found.push((doubt, vec![want])),
            }
        }
    }
    match found.first() {
        Some((doubt, wants)) if desired.uncertain == Uncertain::Fail => Err(refusal(doubt, wants[0])),
        // A warning of its own tells of all that a later writer may write.
        _ => Ok(found
            .into_iter()
            .filter(|(doubt, _)| doubt.reason != Reason::WrittenLater)
            .map(|(doubt, wants)| warning(doubt, &wants))
            .collect()),
    }
}

fn refusal(doubt: &Doubt, want: &Want) -> Failure {
    let message = format!("the value of `{}` after the next boot cannot be known: {doubt}", want.name);
    let hint = format!("{}, or set `uncertain` to warn", doubt_remedy(doubt));
    Failure::new(Kind::BootUnknown, message).key(&want.name).at(&want.pointer).hint(hint)
}

fn warning(doubt: Doubt, wants: &[&Want]) -> Warning {
    let warning = Warning::new(Code::BootUnknown, Advice::Clear(doubt).to_string());
    match wants {
        [want] => warning.key(&want.name),
        _ => warning,
    }
}
