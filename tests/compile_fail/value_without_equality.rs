//! Without `PartialEq` nobody can tell what a change is; the builder's `always` says it.
struct Opaque;

fn main() {
    let _told = isobar::Signal::builder(Opaque).always().build();
    let _untold = isobar::signal(Opaque);
}
