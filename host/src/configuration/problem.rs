//! What is wrong in a file, and where.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::configuration::document::{Misfit, Place};

/// A file to be checked.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// How messages call it.
    pub shown: &'s str,
    /// Where it is.
    pub path: &'s Path,
    /// What it holds.
    pub text: &'s str,
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Where in it, if that is known.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong, and where it is not plain what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl Source<'_> {
    /// Something wrong in this file.
    pub(crate) fn problem(&self, place: Option<Place>, message: impl Into<String>) -> Problem {
        Problem { file: self.shown.to_owned(), place, message: message.into() }
    }

    pub(crate) fn misfit(&self, misfit: Misfit) -> Problem {
        self.problem(misfit.place, misfit.message)
    }
}
