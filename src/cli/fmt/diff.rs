//! What changed between two texts, line by line, as `diff -u` shows it.

/// How many unchanged lines are shown around a change.
const AROUND: usize = 3;
/// Above so many pairs of lines no common line is looked for.
const MOST: usize = 1 << 24;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The difference; empty if there is none.
pub fn diff(name: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let edits = edits(&old, &new);
    let mut text = String::new();
    let mut at = 0;
    // The lines of both before `at`.
    let (mut a, mut b) = (0, 0);
    while let Some(next) = edits[at..].iter().position(|edit| *edit != Edit::Keep) {
        let skipped = next.saturating_sub(AROUND);
        (at, a, b) = (at + skipped, a + skipped, b + skipped);
        let end = end_of_hunk(&edits, at);
        let hunk = &edits[at..end];
        let removed = hunk.iter().filter(|edit| **edit != Edit::Add).count();
        let added = hunk.iter().filter(|edit| **edit != Edit::Remove).count();
        if text.is_empty() {
            text.push_str(&format!("--- {name}\n+++ {name}, laid out\n"));
        }
        text.push_str(&format!("@@ -{},{removed} +{},{added} @@\n", a + 1, b + 1));
        for edit in hunk {
            let (sign, line) = match edit {
                Edit::Keep => (' ', old[a]),
                Edit::Remove => ('-', old[a]),
                Edit::Add => ('+', new[b]),
            };
            text.push_str(&format!("{sign}{line}\n"));
            a += usize::from(*edit != Edit::Add);
            b += usize::from(*edit != Edit::Remove);
        }
        at = end;
    }
    text
}

/// Where so many lines are kept in a row that another hunk begins behind them.
fn end_of_hunk(edits: &[Edit], start: usize) -> usize {
    let mut last = start;
    for (at, edit) in edits.iter().enumerate().skip(start) {
        if *edit != Edit::Keep {
            last = at;
        } else if at > last + 2 * AROUND && last > start {
            break;
        }
    }
    edits.len().min(last + 1 + AROUND)
}

/// What makes `new` of `old`: as many lines as possible are kept.
fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut edits = vec![Edit::Keep; head];
    if old.len().saturating_mul(new.len()) > MOST {
        edits.extend(std::iter::repeat_n(Edit::Remove, old.len()));
        edits.extend(std::iter::repeat_n(Edit::Add, new.len()));
    } else {
        middle(old, new, &mut edits);
    }
    edits.extend(std::iter::repeat_n(Edit::Keep, tail));
    edits
}

/// By the length of the longest common subsequence of what is left.
fn middle(old: &[&str], new: &[&str], edits: &mut Vec<Edit>) {
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for (a, line) in old.iter().enumerate().rev() {
        for (b, other) in new.iter().enumerate().rev() {
            common[a][b] = if line == other {
                common[a + 1][b + 1] + 1
            } else {
                common[a + 1][b].max(common[a][b + 1])
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    while a < old.len() || b < new.len() {
        let edit = if a < old.len() && b < new.len() && old[a] == new[b] {
            Edit::Keep
        } else if b == new.len() || (a < old.len() && common[a + 1][b] >= common[a][b + 1]) {
            Edit::Remove
        } else {
            Edit::Add
        };
        edits.push(edit);
        a += usize::from(edit != Edit::Add);
        b += usize::from(edit != Edit::Remove);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_what_went_and_what_came() {
        let (old, new) = ("a\nb\nc\nd\ne\nf\ng\nh\n", "a\nb\nc\nd\nE\nf\ng\nh\ni\n");
        let shown = "--- x\n+++ x, laid out\n@@ -2,7 +2,8 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n+i\n";
        assert_eq!(diff("x", old, new), shown);
        assert_eq!(diff("x", old, old), "");
    }

    #[test]
    fn far_changes_are_two_hunks() {
        let old: String = (0..40).map(|n| format!("{n}\n")).collect();
        let new = old.replace("\n5\n", "\nfive\n").replace("\n30\n", "\n");
        let shown = diff("x", &old, &new);
        assert_eq!(shown.matches("@@ -").count(), 2, "{shown}");
        assert!(
            shown.contains("@@ -3,7 +3,7 @@") && shown.contains("@@ -28,7 +28,6 @@"),
            "{shown}"
        );
    }
}
