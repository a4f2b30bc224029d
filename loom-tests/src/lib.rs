//! Loom scenarios; run with `cargo test --release` from this folder.
