//! Where records come from: text goes out in whole records, nothing here parses or learns.

pub mod synthetic;
