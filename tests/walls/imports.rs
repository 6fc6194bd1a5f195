//! Reads which modules, and which names from outside of the crate, the files of a crate mention.
//!
//! A mention is a path: in a `use` item, in an expression, a type or a pattern, in the tokens of a macro, or in an
//! attribute. Each path is followed through renames, groups, globs, re-exports and modules brought in by `use`, so that
//! it counts for what it names and not for how it is written. A module that is marked `#[cfg(test)]` is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A path as it is written, or the names on the way to a module. In front of a name of another crate, `::` is an empty
/// segment.
type Segments = Vec<String>;

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A module of the crate, or something that this module defines.
    Inside(Segments),
    /// A name that this crate does not define.
    Outside(Segments),
}

/// One arrow: a file that mentions something, and how it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mention {
    /// The file below `src`.
    pub(super) file: String,
    /// Its module, or the one inside of it that has the path.
    pub(super) module: Segments,
    /// The path as the file writes it.
    pub(super) written: String,
    /// The target.
    pub(super) target: Target,
}

/// The imports and names of one module.
#[derive(Default)]
struct Scope {
    file: String,
    /// The names that the module defines, but for modules and other names of types.
    items: BTreeSet<String>,
    /// The names that `use` and `type` bring in, each with the paths that it may stand for.
    aliases: BTreeMap<String, BTreeSet<Segments>>,
    globs: BTreeSet<Segments>,
    mentions: BTreeSet<Segments>,
}

/// The modules of a crate.
#[derive(Default)]
pub(super) struct Crate {
    scopes: BTreeMap<Segments, Scope>,
}

impl Crate {
    /// The crate whose source lies in `directory`.
    pub(super) fn read(directory: &Path) -> Crate {
        let mut whole = Crate::default();
        whole.read_directory(directory, directory);
        whole
    }

    fn read_directory(&mut self, source: &Path, directory: &Path) {
        for item in fs::read_dir(directory).expect("the source can be read") {
            let path = item.expect("the source can be read").path();
            if path.is_dir() {
                self.read_directory(source, &path);
            } else if path.extension() == Some("rs".as_ref()) {
                let name = path.strip_prefix(source).expect("it is below the source");
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                self.add(&name.display().to_string(), &text);
            }
        }
    }

    /// Adds the file `name`, a path below `src` such as `table/model/entry.rs`.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut reader = Reader { whole: self, file: name, module: module_of(name) };
        reader.enter();
        reader.visit_file(&syntax);
    }

    /// The file that holds `module`.
    pub(super) fn file_of(&self, module: &[String]) -> &str {
        self.scopes.get(module).map_or("lib.rs", |scope| &scope.file)
    }

    /// All that each file mentions.
    pub(super) fn mentions(&self) -> BTreeSet<Mention> {
        let mut found = BTreeSet::new();
        for (module, scope) in &self.scopes {
            for path in &scope.mentions {
                for target in self.resolve(module, path, &mut BTreeSet::new()) {
                    let (file, module, written) = (scope.file.clone(), module.clone(), path.join("::"));
                    found.insert(Mention { file, module, written, target });
                }
            }
        }
        found
    }

    /// The targets of `path` in `module`.
    fn resolve(&self, module: &[String], path: &[String], seen: &mut BTreeSet<Segments>) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        match first.as_str() {
            "" if rest.first().is_some_and(|name| name == "conntrack_sysctl") => self.descend(&[], &rest[1..], seen),
            "" => BTreeSet::from([Target::Outside(rest.to_vec())]),
            "crate" | "conntrack_sysctl" => self.descend(&[], rest, seen),
            "self" | "super" => {
                let above = &module[..module.len().saturating_sub(1)];
                let module = if first == "self" { module } else { above };
                match rest.first().map(String::as_str) {
                    Some("self" | "super") => self.resolve(module, rest, seen),
                    _ => self.descend(module, rest, seen),
                }
            }
            _ => self.step(module, path, seen).unwrap_or_else(|| BTreeSet::from([Target::Outside(path.to_vec())])),
        }
    }

    /// The targets of `path` inside of `module`; a path that leads to no other module leads to `module` itself.
    fn descend(&self, module: &[String], path: &[String], seen: &mut BTreeSet<Segments>) -> BTreeSet<Target> {
        self.step(module, path, seen).unwrap_or_else(|| BTreeSet::from([Target::Inside(module.to_vec())]))
    }

    /// The same, if the first name of `path` is a module below `module`, or a name that `module` brings in.
    fn step(&self, module: &[String], path: &[String], seen: &mut BTreeSet<Segments>) -> Option<BTreeSet<Target>> {
        let (first, rest) = path.split_first()?;
        let child = [module, std::slice::from_ref(first)].concat();
        if self.scopes.contains_key(&child) {
            return Some(self.descend(&child, rest, seen));
        }
        if !seen.insert(child) {
            return None;
        }
        let scope = self.scopes.get(module)?;
        if rest.is_empty() && scope.items.contains(first) {
            return None;
        }
        if let Some(paths) = scope.aliases.get(first) {
            let whole = |path: &Segments| [path.as_slice(), rest].concat();
            return Some(paths.iter().flat_map(|path| self.resolve(module, &whole(path), seen)).collect());
        }
        let mut found = BTreeSet::new();
        for glob in &scope.globs {
            for target in self.resolve(module, glob, seen) {
                if let Target::Inside(from) = target {
                    found.extend(self.step(&from, path, seen).into_iter().flatten());
                }
            }
        }
        (!found.is_empty()).then_some(found)
    }
}

/// The module of a file: `table/model/entry.rs` is `table::model::entry`, `lib.rs` the root.
fn module_of(file: &str) -> Segments {
    let name = file.strip_suffix(".rs").expect("it is a file of Rust");
    if name == "lib" { Vec::new() } else { name.split('/').map(str::to_owned).collect() }
}

/// Walks through one file.
struct Reader<'a> {
    whole: &'a mut Crate,
    file: &'a str,
    module: Segments,
}

impl Reader<'_> {
    /// Begins the module whose name the reader has.
    fn enter(&mut self) {
        let scope = Scope { file: self.file.to_owned(), ..Scope::default() };
        self.whole.scopes.entry(self.module.clone()).or_insert(scope);
    }

    fn scope(&mut self) -> &mut Scope {
        self.whole.scopes.get_mut(&self.module).expect("the module was entered")
    }

    /// A path in an expression, a type or a pattern. One name alone was brought in by `use`, and is counted there.
    fn mention(&mut self, path: Segments) {
        if path.len() > 1 {
            self.scope().mentions.insert(path);
        }
    }

    fn bring_in(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let whole = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.bring_in(&path.tree, &whole(&path.ident)),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.bring_in(tree, prefix)),
            syn::UseTree::Glob(_) => {
                self.scope().globs.insert(prefix.to_vec());
                self.scope().mentions.insert([prefix, &["*".to_owned()]].concat());
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.name(prefix.last().cloned().unwrap_or_default(), prefix.to_vec());
            }
            syn::UseTree::Name(name) => self.name(name.ident.to_string(), whole(&name.ident)),
            syn::UseTree::Rename(rename) if rename.ident == "self" => {
                self.name(rename.rename.to_string(), prefix.to_vec());
            }
            syn::UseTree::Rename(rename) => self.name(rename.rename.to_string(), whole(&rename.ident)),
        }
    }

    /// Notes that `alias` stands for `path` in this module.
    fn name(&mut self, alias: String, path: Segments) {
        let scope = self.scope();
        scope.mentions.insert(path.clone());
        scope.aliases.entry(alias).or_default().insert(path);
    }

    /// The paths among the tokens of a macro or an attribute, which no parser of Rust has read: names with `::` between
    /// them, and groups in braces behind a `::`. A string with `::` in it, as serde's attributes have, counts as a path.
    fn scan(&mut self, tokens: TokenStream, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) if colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) if colons == 2 && group.delimiter() == Delimiter::Brace => {
                    self.scan(group.stream(), &path);
                    (path, colons) = (prefix.to_vec(), 0);
                }
                token => {
                    self.mention(std::mem::replace(&mut path, prefix.to_vec()));
                    colons = 0;
                    match token {
                        TokenTree::Ident(name) => path.push(name.to_string()),
                        TokenTree::Group(group) => self.scan(group.stream(), &[]),
                        TokenTree::Literal(literal) => {
                            let text = literal.to_string();
                            let inner = text.trim_matches('"');
                            if let Ok(path) = syn::parse_str::<syn::Path>(inner) {
                                self.visit_path(&path);
                            }
                        }
                        TokenTree::Punct(_) => {}
                    }
                }
            }
        }
        self.mention(path);
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        if item.attrs.iter().any(is_for_tests) {
            return;
        }
        let is_elsewhere = item.attrs.iter().any(|attribute| attribute.path().is_ident("path"));
        assert!(!is_elsewhere, "{}: #[path] puts a module where this test does not look", self.file);
        if let Some((_, items)) = &item.content {
            self.module.push(item.ident.to_string());
            self.enter();
            for item in items {
                self.visit_item(item);
            }
            self.module.pop();
        }
    }

    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        self.scope().items.insert(item.sig.ident.to_string());
        visit::visit_item_fn(self, item);
    }

    /// A second name of a type leads where the first one does.
    fn visit_item_type(&mut self, item: &syn::ItemType) {
        if let syn::Type::Path(of) = &*item.ty {
            self.name(item.ident.to_string(), segments(&of.path));
        }
        visit::visit_item_type(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &syn::ExprMethodCall) {
        let name = call.method.to_string();
        if let Some((_, function)) = METHODS.iter().find(|(method, _)| name == *method) {
            self.mention(function.split("::").map(str::to_owned).collect());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        let prefix = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
        self.bring_in(&item.tree, &prefix);
    }

    fn visit_item_extern_crate(&mut self, item: &syn::ItemExternCrate) {
        let alias = item.rename.as_ref().map_or(&item.ident, |(_, rename)| rename);
        self.name(alias.to_string(), vec![String::new(), item.ident.to_string()]);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        self.mention(segments(path));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        assert!(!call.path.is_ident("include"), "{}: include! hides its text from this test", self.file);
        self.visit_path(&call.path);
        self.scan(call.tokens.clone(), &[]);
    }

    fn visit_attribute(&mut self, attribute: &syn::Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        match &attribute.meta {
            syn::Meta::List(list) => self.scan(list.tokens.clone(), &[]),
            meta => visit::visit_meta(self, meta),
        }
    }

    /// `pub(in crate::boot)` says who may see, and asks for nothing.
    fn visit_visibility(&mut self, _: &syn::Visibility) {}
}

/// The names in a path.
fn segments(path: &syn::Path) -> Segments {
    let colons = path.leading_colon.as_ref().map(|_| String::new());
    colons.into_iter().chain(path.segments.iter().map(|part| part.ident.to_string())).collect()
}

/// Methods that reach a disk or a clock without naming it: those of `Path`, and `Instant::elapsed`. Each stands for a
/// function that does the same.
const METHODS: &[(&str, &str)] = &[
    ("canonicalize", "::std::fs::canonicalize"),
    ("elapsed", "::std::time::Instant::now"),
    ("exists", "::std::fs::exists"),
    ("is_dir", "::std::fs::metadata"),
    ("is_file", "::std::fs::metadata"),
    ("is_symlink", "::std::fs::symlink_metadata"),
    ("metadata", "::std::fs::metadata"),
    ("read_dir", "::std::fs::read_dir"),
    ("read_link", "::std::fs::read_link"),
    ("symlink_metadata", "::std::fs::symlink_metadata"),
    ("try_exists", "::std::fs::exists"),
];

/// Whether an attribute is `#[cfg(test)]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}
