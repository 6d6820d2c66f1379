//! Paths of states, such as `Each@2/3/Charge#4`: the fourth visit of `Charge` in iteration 3 of the
//! second attempt of `Each`.

/// Where a state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The state that it runs within; nothing at the top.
    pub(super) outer: Option<Outer>,
    /// Its name as the definition has it.
    pub(super) name: String,
    /// Which visit, from 1.
    pub(super) visit: u32,
}

/// The branch or iteration that a state runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outer {
    /// Path of the state that has branches or iterations.
    pub(super) path: String,
    /// Which attempt of it.
    pub(super) attempt: u32,
    /// Which branch or iteration.
    pub(super) number: u32,
}

impl Place {
    /// Reads a path. What is none of ours is a state of that name.
    pub(super) fn of(path: &str) -> Self {
        let (outer, segment) = match path.rsplit_once('/') {
            Some((outer, segment)) => (Outer::of(outer), segment),
            None => (None, path),
        };
        let (name, visit) = numbered(segment, '#');
        // `%25` last: it may stand before what looks like another escape.
        let name = name.replace("%2F", "/").replace("%23", "#").replace("%40", "@").replace("%25", "%");
        Self { outer, name, visit }
    }
}

impl Outer {
    fn of(path: &str) -> Option<Self> {
        let (path, number) = path.rsplit_once('/')?;
        let (path, attempt) = numbered(path, '@');
        Some(Self { path: path.to_owned(), attempt, number: number.parse().ok()? })
    }
}

/// The number behind a mark, 1 where there is none.
fn numbered(text: &str, mark: char) -> (&str, u32) {
    let numbered = text.rsplit_once(mark).and_then(|(text, number)| Some((text, number.parse().ok()?)));
    numbered.unwrap_or((text, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_states_around_and_their_attempts() {
        let place = Place::of("A@2/0/B#2@3/14/C%2F%2540#5");
        assert_eq!((&*place.name, place.visit), ("C/%40", 5));
        let outer = place.outer.unwrap();
        assert_eq!((&*outer.path, outer.attempt, outer.number), ("A@2/0/B#2", 3, 14));
        let place = Place::of(&outer.path);
        assert_eq!((&*place.name, place.visit), ("B", 2));
        assert_eq!(place.outer, Some(Outer { path: "A".to_owned(), attempt: 2, number: 0 }));
        assert_eq!(Place::of("A"), Place { outer: None, name: "A".to_owned(), visit: 1 });
        for odd in ["", "/", "a/b", "a/b/c", "#", "a#x"] {
            Place::of(odd);
        }
    }
}
