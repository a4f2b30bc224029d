# Each recipe is a command a person could type; `.ci/run` has all of them.
test:
    cargo test --release --features cli
lint:
    cargo fmt --all --check && cargo clippy --all-targets --features cli,serde,tracing,tokio -- -D warnings
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features cli,serde,tracing,tokio
loom:
    cd loom-tests && cargo test --release
