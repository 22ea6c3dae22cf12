//! Reports for people: take figures, give readable text, while a run lasts and at its end.
//!
//! Standard output belongs to data, so nothing here ever writes to it. Siblings: [`summary`] (the end of a run; [`told`],
//! parts of the stream in it),
//! [`progress`] (while it lasts), [`verdict`] (which stage held the others up), [`leaderboard`] (the learners of a sweep),
//! [`mod@compare`] (runs side by side), [`view`] (what stands below its bar), [`run`] and [`sweep`] (a run and a sweep as
//! pages), [`page`] (parts of pages), [`exposition`] (figures for monitors).

pub mod compare;
pub mod exposition;
pub mod leaderboard;
pub(crate) mod number;
pub mod page;
pub mod progress;
pub mod run;
pub mod summary;
pub mod sweep;
pub mod told;
pub mod verdict;
pub mod view;
