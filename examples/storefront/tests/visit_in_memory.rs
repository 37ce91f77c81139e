//! The visit to three instances in one process, and what the program says to nonsense.

mod support;

use support::Storefront;

#[test]
fn nothing_is_stale() {
    let (status, output, errors) = Storefront::start(&["--once"], None).end();
    assert!(status.success(), "{output}\n{errors}");
    assert!(output.contains("\n  0 stale reads"), "{output}");
    assert!(output.contains("\n200 more changes"), "{output}");
    // What the page promises: the second answer to the same question is from memory, "not there" included.
    let again: Vec<_> = output.lines().filter(|line| line.contains("memory ")).collect();
    assert!(again.len() >= 6, "{output}");
}

#[test]
fn a_mistake_in_the_arguments_is_named_and_a_password_is_not() {
    let (status, _, errors) = Storefront::start(&["--processes"], None).end();
    assert_eq!(status.code(), Some(2));
    assert!(errors.contains("--processes needs --redis or --azure"), "{errors}");

    let url = "http://user:secret@nowhere";
    let (status, output, errors) = Storefront::start(&["--once"], Some(url)).end();
    assert_eq!(status.code(), Some(2));
    assert!(errors.contains("URL"), "{errors}");
    assert!(!errors.contains("secret") && !output.contains("secret"), "{output}\n{errors}");
}
