//! Opens the backend that the user asked for.
