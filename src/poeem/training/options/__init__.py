"""Options of a training: a frozen dataclass for each group of related options. Imports neither torch nor numpy."""
