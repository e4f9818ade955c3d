"""The command line: option parsing and calls of the library."""
