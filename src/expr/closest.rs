//! "Did you mean": the known name that a person probably had in mind.

/// The known name that was probably meant: at most a third of the letters differ, ignoring case.
pub(super) fn closest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let name = name.to_lowercase();
    let distance = |known: &'static str| (strsim::damerau_levenshtein(&known.to_lowercase(), &name), known);
    let tolerance = |known: &str| (known.len() / 3).max(1);
    known
        .map(distance)
        .filter(|(distance, known)| *distance <= tolerance(known))
        .min()
        .map(|(_, known)| known)
}
