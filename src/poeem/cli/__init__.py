"""The command line: a parser, and calls of the library."""
