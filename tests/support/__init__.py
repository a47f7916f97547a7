"""What tests are made of: real servers, a real browser, free ports."""
