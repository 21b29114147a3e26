//! Laid out once or twice, a configuration means what it meant, and says what it said.

use super::layout::{ORDER, layout};
use crate::config;

/// Lays out twice: the second time changes nothing, and neither time changes the meaning.
fn laid(text: &str) -> String {
    let meaning = |text: &str| {
        toml::from_str::<toml::Table>(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let once = layout(text);
    assert_eq!(meaning(&once), meaning(text), "the meaning of\n{text}\n--- is not that of\n{once}");
    assert_eq!(layout(&once), once, "laid out again");
    let comments = |text: &str| {
        let mut comments: Vec<String> = text
            .lines()
            .filter_map(|line| Some(line.split_once('#')?.1.trim().to_owned()))
            .collect();
        comments.sort();
        comments
    };
    // A `#` within a text may be anywhere; none of these tests has one.
    assert_eq!(
        comments(&once),
        comments(text),
        "the comments of\n{text}\n--- are not those of\n{once}"
    );
    once
}

#[test]
fn sections_come_in_reading_order_with_their_comments() {
    let text = "\
#:schema weir.schema.json
# The shop.

# Where it runs.
[pools.app.health]   # checked
path='/'

[ pools . app ]
endpoints=['10.0.0.1:80']
# balance = \"random\"

# Who may ask.
[listeners.web]


address   = \":80\" # all
          # of them
pool = \"app\"
[runtime]
# workers = 4


drain_timeout = \"1s\"

# The end.
";
    let wanted = "\
#:schema weir.schema.json
# The shop.

[runtime]
# workers = 4

drain_timeout = \"1s\"

# Who may ask.
[listeners.web]
address = \":80\"  # all
                 # of them
pool = \"app\"

[pools.app]
endpoints = ['10.0.0.1:80']
# balance = \"random\"

# Where it runs.
[pools.app.health]  # checked
path = '/'

# The end.
";
    assert_eq!(laid(text), wanted);
}

#[test]
fn lists_keep_their_shape_and_what_is_said_in_them() {
    let text = "\
a = [ 'x','y', ]
b = [
  # above
  'x' # behind x
  , { k = 1,
      # inside
      l = [ 1
      ] } , # behind the table


  # at the end
]
c = [1, 2,
3]
d = { e.f = 1.5, g = { }, h = [ ] }
e = \"\\e[\\x41\\\\x\"
f = [ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'ccccccccccc', 'd' ]
";
    let wanted = "\
a = ['x', 'y']
b = [
  # above
  'x',  # behind x
  # inside
  { k = 1, l = [
    1,
  ] },  # behind the table

  # at the end
]
c = [
  1,
  2,
  3,
]
d = { e.f = 1.5, g = {}, h = [] }
e = \"\\u001B[\\u0041\\\\x\"
f = [
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
  'ccccccccccc',
  'd',
]
";
    assert_eq!(laid(text), wanted);
}

#[test]
fn keys_above_the_first_header_stay_there_include_first() {
    let text = "metrics.address = 'off'\n# more\ninclude = ['a']\r\n\n[pools.a]\n";
    assert_eq!(laid(text), "# more\ninclude = ['a']\nmetrics.address = 'off'\n\n[pools.a]\n");
    assert_eq!(laid(""), "");
    assert_eq!(laid("\n\n# only this\n\n"), "# only this\n");
    assert_eq!(laid("\u{feff}a = 1"), "a = 1\n");
}

#[test]
fn lists_of_tables_keep_their_order() {
    let text = "[[tests]]\nname = 'b'\n[tests.request]\na = 1\n[[tests]]\nname = 'a'\n[tests.request]\na = 2\n[runtime]\n";
    assert!(
        laid(text).starts_with(
            "[runtime]\n\n[[tests]]\nname = 'b'\n\n[tests.request]\na = 1\n\n[[tests]]"
        )
    );
    let text =
        "[pools.a.x]\n[[pools.a.y]]\nb = 1\n[pools.a.y.z]\n[[pools.a.y]]\n[pools.a.y.z]\nc = 1\n";
    laid(text);
}

#[test]
fn every_section_has_its_place() {
    for key in config::keys().iter().filter(|key| !key.contains('.')) {
        assert!(ORDER.contains(&&**key), "`{key}` is not in ORDER");
    }
}

#[test]
fn files_of_this_repository_keep_meaning() {
    let meaning = |text: &str| toml::from_str::<toml::Table>(text).ok();
    let mut count = 0;
    for folder in ["config", "config/examples", "tests/broken"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let Some(before) = meaning(&text) else { continue };
            let once = layout(&text);
            assert_eq!(meaning(&once), Some(before), "{}", path.display());
            assert_eq!(layout(&once), once, "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 40, "only {count}");
}

#[test]
fn made_up_files_keep_meaning_and_comments() {
    for seed in 0..400 {
        laid(&made_up(&mut fastrand::Rng::with_seed(seed)));
    }
}

/// A valid text with blanks, comments and line ends wherever there may be some.
fn made_up(random: &mut fastrand::Rng) -> String {
    let mut text = String::new();
    let mut number = 0;
    for at in 0..random.usize(1..9) {
        noise(random, &mut text, &mut number);
        let section = random.choice(ORDER).copied().unwrap_or("pools");
        match random.u8(0..4) {
            0 if at > 0 => {
                text.push_str(&format!("[{section}.n{at}]{}\n", remark(random, &mut number)));
            }
            1 if at > 0 => text.push_str(&format!(
                "[ {section} . n{at}.\"sub\" ]{}\n",
                remark(random, &mut number)
            )),
            2 if at > 0 => text.push_str(&format!("[[list{}]]\n", random.u8(0..2))),
            _ => {}
        }
        for key in 0..random.usize(0..5) {
            noise(random, &mut text, &mut number);
            text.push_str(random.choice(["", "  ", "\t"]).unwrap_or_default());
            text.push_str(&format!(
                "k{at}_{key}{}=",
                random.choice(["", " ", ".a . b "]).unwrap_or_default()
            ));
            value(random, &mut text, &mut number, 3);
            text.push_str(&remark(random, &mut number));
            text.push_str(random.choice(["\n", "\r\n"]).unwrap_or("\n"));
        }
    }
    noise(random, &mut text, &mut number);
    text
}

fn noise(random: &mut fastrand::Rng, text: &mut String, number: &mut u32) {
    for _ in 0..random.u8(0..3) {
        *number += 1;
        match random.u8(0..3) {
            0 => text.push('\n'),
            1 => text.push_str(&format!("# c{number}\n")),
            _ => text.push_str(&format!("    # c{number}\n\n")),
        }
    }
}

fn remark(random: &mut fastrand::Rng, number: &mut u32) -> String {
    *number += 1;
    if random.bool() { format!(" # r{number}") } else { String::new() }
}

fn value(random: &mut fastrand::Rng, text: &mut String, number: &mut u32, depth: u8) {
    let scalars = [
        "1",
        "-1.5e3",
        "true",
        "\"a\"",
        "'b\\'",
        "\"\\\"]\"",
        "1979-05-27 07:32:00",
        "\"\"\"x\n y\"\"\"",
        "'''\nz'''",
        "0xff",
        "\"\\e\"",
    ];
    let gap = |random: &mut fastrand::Rng, text: &mut String, number: &mut u32| {
        match random.u8(0..5) {
            0 => text.push('\n'),
            1 => text.push_str(&format!("# g{number}\n")),
            2 => text.push_str("  "),
            _ => {}
        }
        *number += 1;
    };
    match random.u8(0..6) {
        0 if depth > 0 => {
            text.push('[');
            for at in 0..random.u8(0..4) {
                if at > 0 {
                    text.push(',');
                }
                gap(random, text, number);
                value(random, text, number, depth - 1);
                gap(random, text, number);
            }
            text.push(']');
        }
        1 if depth > 0 => {
            text.push('{');
            for at in 0..random.u8(0..4) {
                if at > 0 {
                    text.push(',');
                }
                gap(random, text, number);
                text.push_str(&format!("t{at} ="));
                value(random, text, number, depth - 1);
                gap(random, text, number);
            }
            text.push('}');
        }
        _ => text.push_str(random.choice(scalars).unwrap_or("1")),
    }
}
