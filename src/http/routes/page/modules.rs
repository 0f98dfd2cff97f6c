//! The modules of the page: which files a script imports, so that the browser can fetch all at once and need
//! not discover them one after the other.

use std::collections::BTreeSet;

/// The modules that a script imports before it runs, as it names them.
fn static_imports(script: &str) -> impl Iterator<Item = &str> {
    let lines = script.lines().filter(|line| !line.trim_start().starts_with(['*', '/']));
    let statements = lines.filter_map(|line| {
        let specifier = line.split_once(" from \"").or(line.split_once("import \""))?.1;
        specifier.split_once('"').map(|(name, _)| name)
    });
    statements.filter(|name| name.starts_with('.'))
}

/// The path of a file that `from` names relative to itself.
pub fn resolve(from: &str, name: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Scripts and all that they import before they run, in the order of discovery. `source` is the text of a
/// module; an unknown one is left out.
pub fn closure<'a>(entries: &[&str], source: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let mut found: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
    let mut known: BTreeSet<String> = found.iter().cloned().collect();
    let mut next = 0;
    while let Some(module) = found.get(next).cloned() {
        let Some(text) = source(&module) else {
            found.remove(next);
            continue;
        };
        for name in static_imports(text) {
            let path = resolve(&module, name);
            if known.insert(path.clone()) {
                found.push(path);
            }
        }
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_needs_what_it_imports_and_what_that_imports() {
        let source = |name: &str| match name {
            "page.js" => Some("import { a } from \"./player/a.js\";\nimport \"./side.js\";\n"),
            "player/a.js" => Some(
                "import {\n  b,\n} from \"../words.js\";\nexport * from \"./c.js\";\n\
                 // import { no } from \"./comment.js\";\n/** from \"./doc.js\" */\n\
                 const later = () => import(\"./later.js\");\nimport \"https://other.example/\";\n",
            ),
            "words.js" | "side.js" | "player/c.js" => Some("import \"./page.js\";"),
            _ => None,
        };
        let found = closure(&["page.js", "none.js"], source);
        assert_eq!(found, ["page.js", "player/a.js", "side.js", "words.js", "player/c.js"]);
    }

    #[test]
    fn names_are_relative_to_the_file_that_has_them() {
        for (from, name, path) in [
            ("page.js", "./words.js", "words.js"),
            ("player/a.js", "./b.js", "player/b.js"),
            ("player/a.js", "../b.js", "b.js"),
            ("a/b/c.js", "../../d.js", "d.js"),
        ] {
            assert_eq!(resolve(from, name), path);
        }
    }
}
