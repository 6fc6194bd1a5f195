//! Decides which part comes next, and how long all of them take.

use super::rows::Part;

/// The first part that waits and can start: the parts that it comes after have ended, and no part that runs uses what it
/// needs for itself.
pub(crate) fn next(waiting: &[&'static Part], running: &[&'static Part]) -> Option<usize> {
    waiting.iter().position(|part| {
        let comes_later = |other: &&Part| part.after.contains(&other.name);
        let collides = |other: &&Part| part.uses.iter().any(|shared| other.uses.contains(shared));
        !waiting.iter().chain(running).any(comes_later) && !running.iter().any(collides)
    })
}

/// How many seconds the parts take together, if each takes as long as its row says.
pub(crate) fn expected(parts: &[&'static Part], lanes: usize) -> u32 {
    let mut waiting = parts.to_vec();
    // Each part that runs, and when it ends.
    let mut running: Vec<(u32, &'static Part)> = Vec::new();
    let mut now = 0;
    loop {
        let parts: Vec<_> = running.iter().map(|(_, part)| *part).collect();
        let next = if running.len() < lanes { next(&waiting, &parts) } else { None };
        if let Some(next) = next {
            let part = waiting.remove(next);
            running.push((now + part.seconds, part));
        } else if let Some((first, (end, _))) = running.iter().enumerate().min_by_key(|(_, (end, _))| *end) {
            now = *end;
            running.remove(first);
        } else {
            return now;
        }
    }
}
