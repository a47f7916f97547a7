"""What several kinds of tests share: real servers, a real browser, free ports, the invariants."""
