//! The units that the packages install, and those that the documents show, by their text.

use conntrack_sysctl::formats::unit;

use crate::support::documents::{blocks, documents, project, text};

/// The settings with which a service sees other files, another network or other sysctls than root does (systemd.exec(5)).
const HIDES: [&str; 24] = [
    "BindPaths",
    "BindReadOnlyPaths",
    "DynamicUser",
    "ExecPaths",
    "Group",
    "InaccessiblePaths",
    "JoinsNamespaceOf",
    "MountImages",
    "NetworkNamespacePath",
    "NoExecPaths",
    "PrivateMounts",
    "PrivateNetwork",
    "PrivateTmp",
    "PrivateUsers",
    "ProcSubset",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "RootDirectory",
    "RootImage",
    "RootHash",
    "TemporaryFileSystem",
    "User",
    "ExtensionDirectories",
];

/// The lines of a service that hide something from it.
fn hidden_by(text: &str) -> Vec<String> {
    let hides = |name: &str, value: &str| match name {
        "ProtectHome" => value != "read-only",
        name => HIDES.contains(&name),
    };
    let lines = unit::parse(text.as_bytes()).into_iter().filter(|line| hides(&line.name, &line.value));
    lines.map(|line| format!("{}={}", line.name, line.value)).collect()
}

#[test]
fn a_service_that_checks_sees_what_root_sees() {
    let packaged = text(&project().join("packaging/systemd/conntrack-sysctl-check.service"));
    let shown =
        documents().iter().flat_map(|document| blocks(&text(document))).map(|(_, block)| block).collect::<Vec<_>>();
    let services = [packaged].into_iter().chain(shown).filter(|text| text.contains("[Service]"));
    let mut count = 0;
    for service in services.filter(|text| text.contains("conntrack-sysctl check")) {
        assert_eq!(hidden_by(&service), Vec::<String>::new(), "{service}");
        count += 1;
    }
    assert!(count >= 2, "only {count} services were found");
    let hides = ["ProtectHome=yes", "ProtectHome=tmpfs", "PrivateTmp=yes", "InaccessiblePaths=/root"];
    for line in hides {
        assert_eq!(hidden_by(&format!("[Service]\n{line}\n")), [line]);
    }
}

/// The address of the project is a word of many files, which packaging/address replaces.
#[test]
fn every_file_names_the_same_address() {
    let named = |file: &str, before: &str| {
        let text = text(&project().join(file));
        let line = text.lines().find_map(|line| line.strip_prefix(before));
        line.unwrap_or_else(|| panic!("{file} has no `{before}`")).trim_matches('"').to_owned()
    };
    let address = named("Cargo.toml", "repository = ");
    let others = [
        ("Cargo.toml", "homepage = "),
        ("Cargo.toml", "documentation = "),
        ("ansible/galaxy.yml", "repository: "),
        ("ansible/galaxy.yml", "documentation: "),
        ("ansible/galaxy.yml", "homepage: "),
        ("salt/pyproject.toml", "Repository = "),
    ];
    for (file, before) in others {
        assert_eq!(named(file, before), address, "{file}: {before}");
    }
    assert_eq!(named("ansible/galaxy.yml", "issues: "), format!("{address}/issues"));
    let alerts = text(&project().join("docs/prometheus/alerts.yml"));
    let pages = alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: "));
    assert!(pages.inspect(|page| assert!(page.starts_with(&format!("{address}/")), "{page}")).count() > 5);
}
