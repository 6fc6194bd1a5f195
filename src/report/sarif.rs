//! Renders a report as SARIF 2.1.0, the format in which code scanners exchange findings.

use std::os::unix::ffi::OsStrExt;

use crate::order::InOrder;
use std::path::Path;

use serde_json::{Value, json};

use super::finding::{Finding, Severity, findings};
use super::{Report, rules};

/// The SARIF document.
#[must_use]
pub fn report(report: &Report) -> String {
    let findings = findings(report);
    let rules = findings.iter().map(|finding| finding.rule.as_str()).into_set();
    crate::answer::json(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "conntrack-sysctl",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.iter().map(|id| rule(id)).collect::<Vec<_>>(),
            }},
            // If nothing could be compared, the machine was not scanned.
            "invocations": [{"executionSuccessful": report.failure.is_none() || !report.settings.is_empty()}],
            "originalUriBaseIds": {"ROOT": {"uri": "file:///"}},
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    }))
}

/// The description of a rule. GitHub shows no finding whose rule lacks a description or help.
fn rule(id: &str) -> Value {
    let (about, help) = rules::of(id).map_or((id, id), |rule| (rule.about, rule.help));
    json!({
        "id": id,
        "shortDescription": {"text": about},
        "fullDescription": {"text": about},
        "help": {"text": help},
        "properties": {"tags": ["configuration"]},
    })
}

fn result(finding: &Finding) -> Value {
    let level = match finding.level {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut result = json!({"ruleId": finding.rule, "level": level, "message": {"text": finding.message}});
    // Code scanners want a place for every finding. If no line of a file is wrong, it is the setting's file in /proc/sys.
    let uri = match (&finding.file, &finding.setting) {
        (Some(file), _) => uri(file),
        (None, Some(setting)) => uri(&Path::new("/proc/sys").join(setting.replace('.', "/"))),
        (None, None) => return result,
    };
    // GitHub shows no finding without a line. The first one stands for the whole file.
    let region = json!({"startLine": finding.line.unwrap_or(1)});
    let place = json!({"artifactLocation": {"uri": uri, "uriBaseId": "ROOT"}, "region": region});
    result["locations"] = json!([{"physicalLocation": place}]);
    if let Some(setting) = &finding.setting {
        // A drift keeps its identity when the line moves. Two programs may write one setting.
        let parts: Vec<&str> = [Some(&finding.rule), finding.by.as_ref(), Some(setting)]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        result["partialFingerprints"] = json!({"setting/v1": parts.join(":")});
    }
    result
}

/// The path relative to the root, as a URI.
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for byte in path.as_os_str().as_bytes().iter().skip_while(|byte| **byte == b'/') {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(*byte)),
            byte => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}
