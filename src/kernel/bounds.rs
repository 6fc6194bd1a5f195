//! Decides whether a kernel takes a number, where kernels differ in that: by their release, and by their clock.

use std::fmt;

use super::names::Name;
use super::pages::Pages;
use super::release::Release;
use super::setting::{Setting, ValueKind};
use super::settings::INT_MAX;

/// Whether a kernel takes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It does.
    Surely,
    /// It depends on facts that are not known here.
    Perhaps,
    /// It refuses the number, and the old one stays.
    Never,
}

/// The numbers that a kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Its release, if it is known.
    pub release: Option<Release>,
    /// Its clock.
    pub clock: Clock,
    /// Its pages.
    pub pages: Pages,
}

/// The clock of a kernel, which keeps a timeout as an `int` of ticks (`proc_dointvec_jiffies` in kernel/time/jiffies.c and
/// kernel/sysctl.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The most seconds that fit for certain.
    surely: i64,
    /// The most seconds that may fit.
    perhaps: i64,
}

impl Clock {
    /// A clock with between 100 and 1000 ticks a second, as kernels are built.
    pub const UNKNOWN: Clock = Clock { surely: INT_MAX / 1000, perhaps: INT_MAX / 100 };

    /// A clock with `hz` ticks a second.
    #[must_use]
    pub fn of_hz(hz: i64) -> Clock {
        let most = INT_MAX / hz.max(1);
        Clock { surely: most, perhaps: most }
    }

    /// The same clock, of a kernel that holds a timeout of so many `seconds`.
    #[must_use]
    pub fn holding(self, seconds: i64) -> Clock {
        Clock { surely: self.surely.max(seconds.min(self.perhaps)), ..self }
    }
}

impl Bounds {
    /// Whether the kernel takes `number` for the setting `name`, which some kernel takes.
    #[must_use]
    pub fn take(&self, name: &Name, number: i64) -> Takes {
        let setting = name.setting();
        // The kernel compares the number without its sign.
        let seconds = if setting.kind == ValueKind::Seconds { number.saturating_abs() } else { 0 };
        let raised = setting.raised.filter(|raised| number < raised.min);
        match raised.map(|raised| (raised, self.release)) {
            Some((raised, Some(release))) if release >= raised.from => Takes::Never,
            Some((raised, release)) if release.is_none_or(|release| release > raised.not_until) => Takes::Perhaps,
            _ if seconds > self.clock.perhaps => Takes::Never,
            _ if seconds > self.clock.surely => Takes::Perhaps,
            _ => Takes::Surely,
        }
    }

    /// The numbers that the kernel takes for `setting`, for a message.
    #[must_use]
    pub fn range(&self, setting: &Setting) -> impl fmt::Display + use<> {
        let min = match (setting.raised, self.release) {
            (Some(raised), Some(release)) if release >= raised.from => raised.min,
            _ => setting.min,
        };
        let max = if setting.kind == ValueKind::Seconds { self.clock.perhaps } else { setting.max };
        format!("{min}..={max}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::catalog::{MAX, find};

    #[test]
    fn a_timeout_must_fit_into_the_ticks_of_the_clock() {
        let timeout = find("nf_conntrack_tcp_timeout_syn_recv").expect("it is a setting");
        let take = |clock, number| Bounds { release: None, clock, pages: Pages::USUAL }.take(&timeout, number);
        let known = Clock::of_hz(250);
        assert_eq!(
            [8_589_934, -8_589_934, 8_589_935, -8_589_935].map(|number| take(known, number)),
            [Takes::Surely, Takes::Surely, Takes::Never, Takes::Never]
        );
        let unknown = [2_147_483, 2_147_484, 21_474_836, 21_474_837].map(|number| take(Clock::UNKNOWN, number));
        assert_eq!(unknown, [Takes::Surely, Takes::Perhaps, Takes::Perhaps, Takes::Never]);
        let holding = Clock::UNKNOWN.holding(5_000_000);
        assert_eq!([5_000_000, 5_000_001].map(|number| take(holding, number)), [Takes::Surely, Takes::Perhaps]);
    }

    #[test]
    fn a_limit_of_0_is_refused_by_new_kernels() {
        let take = |release, number| Bounds { release, clock: Clock::UNKNOWN, pages: Pages::USUAL }.take(&MAX, number);
        assert_eq!(take(Some(Release::new(6, 18)), 0), Takes::Surely);
        assert_eq!(take(Some(Release::new(7, 0)), 0), Takes::Perhaps);
        assert_eq!(take(Some(Release::new(7, 2)), 0), Takes::Never);
        assert_eq!(take(None, 0), Takes::Perhaps);
        assert_eq!(take(Some(Release::new(7, 2)), 1), Takes::Surely);
        assert_eq!(take(Some(Release::new(7, 2)), INT_MAX), Takes::Surely);
    }
}
