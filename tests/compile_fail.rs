//! Wrong uses that the compiler refuses; the texts beside the cases are those of rustc 1.95.

#[test]
fn wrong_uses_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
