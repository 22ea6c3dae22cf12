//! What `tidemill --version` tells: the version, and which optional parts this build has.

use std::sync::LazyLock;

/// The optional parts, and whether this build has them.
const PARTS: [(&str, bool); 2] = [("gpu", cfg!(feature = "gpu")), ("parquet", cfg!(feature = "parquet"))];

/// The version and a line of parts.
pub(super) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let parts =
            |has: bool| PARTS.iter().filter(|part| part.1 == has).map(|part| part.0).collect::<Vec<_>>().join(", ");
        let lines = [("with", parts(true)), ("without", parts(false))];
        let told = lines.iter().filter(|(_, parts)| !parts.is_empty()).map(|(word, parts)| format!("\n{word} {parts}"));
        env!("CARGO_PKG_VERSION").to_owned() + &told.collect::<String>()
    });
    &TEXT
}
