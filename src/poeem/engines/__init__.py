"""Engines: writers from a bundle, the reference scorer they must agree with, and one table of what each can do."""
