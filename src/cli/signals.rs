//! Signals: the first Ctrl-C or SIGTERM asks a run to stop, the second ends the process at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::pipeline::Stop;

/// What a run asks whether it is to stop.
pub(super) fn stop_by_signal() -> Stop {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and puts it up, the second finds it up. A system without
        // such signals loses nothing but the clean end.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, stop.flag());
        let _ = flag::register(signal, stop.flag());
    }
    stop
}
