//! Loom scenarios against the real engine. Run `cargo test --release` from this folder.

#[cfg(not(loom))]
compile_error!("run `cargo test --release` from inside loom-tests/, without RUSTFLAGS set");
