//! Laws of the language that no case can state.
