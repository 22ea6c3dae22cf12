//! The course of a run in the engine: takes scored micro-batches, keeps what a report draws of them. What it holds is
//! [`crate::metric::course`]'s business.

use super::Engine;
use crate::error::Result;
use crate::metric::course::Course;
use crate::snapshot::State;

impl Engine {
    /// The same, which keeps the course of the run where that is asked for.
    #[must_use]
    pub fn keeping_course(self, is_asked: bool) -> Self {
        Self { course: is_asked.then(Course::default), ..self }
    }

    /// The course of the run; `None` where nobody asked for it.
    pub fn course(&self) -> Option<&Course> {
        self.course.as_ref()
    }

    /// Goes on with the course that was saved; where none was, it begins behind the records of the checkpoint.
    pub(super) fn restore_course(&mut self, state: &State) -> Result<()> {
        let Some(course) = &mut self.course else { return Ok(()) };
        course.begin_behind(self.counts.records);
        state.restore(course)
    }
}
