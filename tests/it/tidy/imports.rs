//! Who imports whom, read from the syntax trees of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::Visit;
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// A file of the crate as others see it.
#[derive(Default)]
pub struct Module {
    /// The items that it defines itself.
    defines: BTreeSet<String>,
    /// What it lends its name to: the name, and the path behind it.
    lends: BTreeMap<String, Vec<String>>,
    /// Every path in it that begins at the crate or one of its crates, tests left out.
    paths: BTreeSet<Vec<String>>,
}

/// The files below `src` that belong to the library, by module path such as `matrix::cell`.
pub struct Imports {
    modules: BTreeMap<String, Module>,
}

impl Imports {
    /// Reads all of `src`.
    pub fn read(src: &Path, files: &[std::path::PathBuf]) -> Self {
        let mut modules = BTreeMap::new();
        for file in files {
            let below = file.strip_prefix(src).expect("below src").with_extension("");
            let parts: Vec<String> =
                below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            let parts = match parts.as_slice() {
                [one] if ["lib", "main", "cli"].contains(&one.as_str()) => continue,
                [folder @ .., last] if last == "mod" => folder.to_vec(),
                all => all.to_vec(),
            };
            let text = fs::read_to_string(file).expect("a file");
            let tree = syn::parse_file(&text).expect("it compiles");
            modules.insert(parts.join("::"), Module::of(&parts, &tree));
        }
        Self { modules }
    }

    /// The modules that are there.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// The crates that a module names, such as `postgres`.
    pub fn crates_of(&self, module: &str) -> BTreeSet<&str> {
        let paths = self.modules[module].paths.iter();
        paths.filter(|path| path[0] != "crate").map(|path| path[0].as_str()).collect()
    }

    /// The modules that a module imports from.
    pub fn imports_of(&self, module: &str) -> BTreeSet<&str> {
        let paths = self.modules[module].paths.iter().filter(|path| path[0] == "crate");
        let homes = paths.filter_map(|path| self.home(&path[1..]).map(|(home, _)| home));
        homes.filter(|home| *home != module).collect()
    }

    /// Imports that name a module which only lends its name to the item.
    pub fn borrowed(&self, module: &str) -> Vec<String> {
        let paths = self.modules[module].paths.iter().filter(|path| path[0] == "crate");
        let is_borrowed = |path: &&Vec<String>| {
            self.home(&path[1..]).is_some_and(|(home, item)| {
                let item = item.first().map(String::as_str);
                item.is_some_and(|item| {
                    let home = &self.modules[home];
                    home.lends.contains_key(item) && !home.defines.contains(item)
                })
            })
        };
        paths.filter(is_borrowed).map(|path| format!("{module}: {}", path.join("::"))).collect()
    }

    /// The longest part of a path that is a module, and what is left of the path.
    fn home<'a, 'p>(&'a self, path: &'p [String]) -> Option<(&'a str, &'p [String])> {
        (1..=path.len()).rev().find_map(|length| {
            let (module, _) = self.modules.get_key_value(&path[..length].join("::"))?;
            Some((module.as_str(), &path[length..]))
        })
    }

    /// The sets of modules that import each other in a circle.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.modules().map(|module| (module, self.reached_from(module))).collect();
        let mut circles = BTreeSet::new();
        for (module, others) in &reached {
            if others.contains(module) {
                let is_back = |other: &&&str| reached[**other].contains(module);
                circles.insert(others.iter().filter(is_back).copied().collect());
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from<'a>(&'a self, module: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut coming = vec![module];
        while let Some(next) = coming.pop() {
            coming.extend(self.imports_of(next).into_iter().filter(|one| reached.insert(*one)));
        }
        reached
    }
}

impl Module {
    fn of(place: &[String], tree: &syn::File) -> Self {
        let mut module = Self::default();
        for item in &tree.items {
            if let Some(name) = defined(item) {
                module.defines.insert(name);
            }
        }
        let mut visitor = Paths { place, found: &mut module.paths, lends: &mut module.lends };
        visitor.visit_file(tree);
        module
    }
}

fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

struct Paths<'a> {
    place: &'a [String],
    found: &'a mut BTreeSet<Vec<String>>,
    lends: &'a mut BTreeMap<String, Vec<String>>,
}

impl Paths<'_> {
    /// The path from the crate's root, or from another crate's.
    fn absolute(&self, path: &[String]) -> Vec<String> {
        let root = || vec!["crate".to_owned()];
        match path.first().map(String::as_str) {
            Some("self") => [&root(), self.place, &path[1..]].concat(),
            Some("super") => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let above = &self.place[..self.place.len().saturating_sub(ups)];
                [&root(), above, &path[ups..]].concat()
            }
            _ => path.to_vec(),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !item.attrs.iter().any(is_for_tests) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        for (name, path) in paths {
            let path = self.absolute(&path);
            if matches!(item.vis, Visibility::Inherited) {
                self.found.insert(path);
            } else {
                self.found.insert(path.clone());
                self.lends.insert(name, path);
            }
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(in crate::world)` imports nothing.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        let is_rooted = ["crate", "super", "self"].contains(&parts[0].as_str()) && parts.len() > 1;
        if is_rooted || parts[0] == "postgres" {
            let path = self.absolute(&parts);
            self.found.insert(path);
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let path = attribute.path();
    path.is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}

/// Each name that a `use` brings in, and its path.
fn flatten(tree: &UseTree, above: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(path) => {
            above.push(path.ident.to_string());
            flatten(&path.tree, above, found);
            above.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            found.push((above.last().cloned().unwrap_or_default(), above.clone()));
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            found.push((name.clone(), [above.as_slice(), &[name]].concat()));
        }
        UseTree::Rename(rename) => {
            let path = [above.as_slice(), &[rename.ident.to_string()]].concat();
            found.push((rename.rename.to_string(), path));
        }
        UseTree::Glob(_) => found.push(("*".into(), above.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, above, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(modules: &[(&str, &str)]) -> Imports {
        let module = |(name, text): &(&str, &str)| {
            let place: Vec<String> = name.split("::").map(str::to_owned).collect();
            ((*name).to_owned(), Module::of(&place, &syn::parse_file(text).expect("Rust")))
        };
        Imports { modules: modules.iter().map(module).collect() }
    }

    #[test]
    fn circles_are_seen_in_every_way_to_write_them() {
        for back in [
            "use crate::a::A;",
            "use super::super::a::A;",
            "use crate::{a::A};",
            "fn f() -> crate::a::A { todo!() }",
        ] {
            let found = imports(&[("a", "use crate::b::c::C; pub struct A;"), ("b::c", back)]);
            assert_eq!(found.circles(), [["a", "b::c"]], "{back}");
        }
        for quiet in [
            "use std::fmt;",
            "#[cfg(test)] mod tests { use crate::a::A; }",
            "pub(in crate::a) fn f() {}",
        ] {
            let found = imports(&[("a", "use crate::b::c::C; pub struct A;"), ("b::c", quiet)]);
            assert!(found.circles().is_empty(), "{quiet}");
        }
    }

    #[test]
    fn a_borrowed_name_is_seen() {
        let modules =
            |import| [("a", "pub use crate::a::b::B;"), ("a::b", "pub struct B;"), ("c", import)];
        let through = imports(&modules("use crate::a::B;"));
        assert_eq!(through.borrowed("c"), ["c: crate::a::B"]);
        assert!(imports(&modules("use crate::a::b::B;")).borrowed("c").is_empty());
    }

    #[test]
    fn crates_are_seen() {
        let found = imports(&[("a", "use postgres::Client;"), ("b", "fn f(_: postgres::Row) {}")]);
        assert!(found.crates_of("a").contains("postgres"));
        assert!(found.crates_of("b").contains("postgres"));
    }
}
