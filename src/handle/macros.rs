//! Macros that clone handles into closures.

/// A computed of the current graph over clones of the named handles.
///
/// ```
/// let (a, b) = (isobar::signal(1), isobar::signal(2));
/// let sum = isobar::computed!([a, b] a.get() + b.get());
/// a.set(5);
/// assert_eq!(sum.get(), 7);
/// ```
#[macro_export]
macro_rules! computed {
    ([$($handle:ident),* $(,)?] $($body:tt)+) => {{
        $(let $handle = $handle.clone();)*
        $crate::computed(move || { $($body)+ })
    }};
}

/// An effect of the current graph over clones of the named handles.
///
/// ```
/// let a = isobar::signal(1);
/// let e = isobar::effect!([a] println!("{}", a.get()));
/// a.set(2);
/// # drop(e);
/// ```
#[macro_export]
macro_rules! effect {
    ([$($handle:ident),* $(,)?] $($body:tt)+) => {{
        $(let $handle = $handle.clone();)*
        $crate::effect(move || { $($body)+; })
    }};
}
