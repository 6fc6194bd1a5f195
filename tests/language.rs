//! Keeps the source to the Rust of the version in Cargo.toml, which a newer compiler does not do: it takes a condition that joins a
//! `let` and another one, which Rust 1.85 refuses.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::support::documents::{project, text};

/// Finds a `let` within a condition that has another part.
#[derive(Default)]
struct Joined {
    found: bool,
}

impl Visit<'_> for Joined {
    fn visit_expr_binary(&mut self, binary: &syn::ExprBinary) {
        self.found |= [&binary.left, &binary.right].into_iter().any(|side| matches!(**side, syn::Expr::Let(_)));
        visit::visit_expr_binary(self, binary);
    }
}

fn joins_a_let(source: &str) -> bool {
    let mut joined = Joined::default();
    joined.visit_file(&syn::parse_file(source).expect("it is Rust"));
    joined.found
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(directory).expect("a directory can be read");
    let paths = items.map(|item| item.expect("a directory can be read").path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    paths.flat_map(below).filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn no_condition_joins_a_let_and_another() {
    assert!(joins_a_let("fn f(a: Option<u8>, b: bool) { if let Some(_) = a && b {} }"));
    assert!(!joins_a_let("fn f(a: bool, b: bool) { if let true = (a && b) {} }"));
    let wrong: Vec<PathBuf> =
        sources(&project().join("src")).into_iter().filter(|path| joins_a_let(&text(path))).collect();
    assert!(wrong.is_empty(), "Rust 1.85 cannot compile {wrong:?}");
}
