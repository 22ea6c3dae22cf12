//! A report as a page of its own.

use super::result::Report;

/// The whole page.
pub fn html(report: &Report) -> String {
    format!("<!doctype html><title>tidemill {} bench</title>", report.tidemill)
}
