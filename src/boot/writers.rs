//! Finds who writes conntrack sysctls after the boot's loader: ufw's file is read and played through, tuned and
//! kube-proxy are named in a warning, because what they write is not decided by files alone.

pub(super) mod kernel;

use std::path::Path;

use super::arrival::line_where;
use super::wanted::{KUBERNETES, UFW_CONF, tuned_profiles, ufw_file};
use crate::kernel::catalog;
use crate::sysctl_d::{self, PROCPS, Placed};
use crate::tree::{Place, Tree};
use crate::warning::{Code, Warning};

/// What ufw writes as it starts, after the loader, if it is enabled: it runs `sysctl -e -q -p FILE`.
pub(super) fn assignments(tree: &Tree) -> Vec<Placed> {
    if ufw_enabled(tree).is_none() {
        return Vec::new();
    }
    let Some(file) = ufw_file(tree) else { return Vec::new() };
    let read = sysctl_d::parse(tree.bytes(&file).unwrap_or_default(), &PROCPS);
    read.into_iter()
        .map(|assignment| Placed { place: Place { file: file.clone(), line: assignment.line }, assignment })
        .collect()
}

fn ufw_enabled(tree: &Tree) -> Option<Place> {
    line_where(tree, Path::new(UFW_CONF), |line| {
        line.split_once('=')
            .is_some_and(|(key, value)| key == "ENABLED" && value.trim_matches(['"', '\'']).eq_ignore_ascii_case("yes"))
    })
}

/// The warnings about programs that write some of `keys` (dotted) after the boot, whatever the files say.
#[must_use]
pub fn later_writers(tree: &Tree, keys: &[&str]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let of_ufw = assignments(tree).into_iter().find_map(|placed| {
        let name = placed.assignment.setting()?.name;
        keys.contains(&name.as_ref()).then_some((name, placed.place))
    });
    if let Some((name, place)) = of_ufw {
        let message =
            format!("ufw is enabled and sets `{name}` after the boot's loader: `{place}`; make the two agree");
        warnings.push(Warning::new(Code::Ufw, message).key(name));
    }
    warnings.extend(tuned(tree, keys));
    let writes_here = |key: &&str| KUBE_PROXY.contains(key);
    if let Some(marker) =
        KUBERNETES.iter().find(|path| tree.get(path).is_some()).filter(|_| keys.iter().any(writes_here))
    {
        let message = format!(
            "this is a node of a Kubernetes cluster (`{marker}`): kube-proxy writes nf_conntrack_max and the timeouts \
             of established and close_wait as it starts; set them in its configuration (`conntrack:`)"
        );
        warnings.push(Warning::new(Code::KubeProxy, message));
    }
    warnings
}

/// What kube-proxy writes (kubernetes: cmd/kube-proxy/app/conntrack.go).
const KUBE_PROXY: [&str; 5] = [
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_udp_timeout",
    "net.netfilter.nf_conntrack_udp_timeout_stream",
];

/// A line of tuned's active profile, or of one that it includes, that sets one of `keys`.
fn tuned(tree: &Tree, keys: &[&str]) -> Option<Warning> {
    let profiles = tuned_profiles(tree);
    let line_of = |name: &str| {
        let sets_it = |line: &str| {
            let setting = line.split_once('=').and_then(|(key, _)| catalog::find(key.trim()).ok());
            setting.is_some_and(|setting| setting.name == name)
        };
        profiles.iter().find_map(|file| line_where(tree, file, sets_it))
    };
    let (name, place) = keys.iter().find_map(|name| Some((*name, line_of(name)?)))?;
    let message = format!("tuned sets `{name}` as it starts, after the boot's loader: `{place}`; make the two agree");
    Some(Warning::new(Code::Tuned, message).key(name))
}
