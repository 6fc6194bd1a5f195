//! The escapes of C, as systemd reads them in several files (`cunescape` in its src/basic/escape.c), and those of paths in
//! the names of units (systemd-escape(1)).

/// `text` with the escapes of C. None: an escape that is none.
#[must_use]
pub fn unescaped(text: &str) -> Option<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        result += before;
        let escape = behind.chars().next()?;
        let mut length = escape.len_utf8();
        let code = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        result.push(match escape {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            's' => ' ',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '\\' | '"' | '\'' => escape,
            'x' => {
                length = 3;
                code(behind.get(1..3)?, 16)?
            }
            '0'..='3' => {
                length = 3;
                code(behind.get(..3)?, 8)?
            }
            _ => return None,
        });
        rest = &behind[length..];
    }
    Some(result + rest)
}

/// The path that the name of a unit stands for: `etc-sysctl.d` is `/etc/sysctl.d`. None: it stands for none.
#[must_use]
pub fn unescaped_path(name: &str) -> Option<String> {
    let path = unescaped(&name.replace('-', "/"))?;
    (!name.is_empty()).then(|| if name == "-" { path } else { format!("/{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_unit_stands_for_a_path() {
        let cases = [
            ("etc-sysctl.d", Some("/etc/sysctl.d")),
            (r"etc-modules\x2dload.d", Some("/etc/modules-load.d")),
            ("-", Some("/")),
            ("", None),
            (r"a\q", None),
        ];
        for (name, path) in cases {
            assert_eq!(unescaped_path(name).as_deref(), path, "{name}");
        }
    }
}
