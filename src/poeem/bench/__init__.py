"""Methods compared on vectors that stay as they are: every method, at several sizes, with several seeds."""
