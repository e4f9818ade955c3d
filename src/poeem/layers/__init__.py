"""The index as nn.Modules: each owns its parameters and calls the functions of ``poeem.functional``."""
