"""Options of a training in groups: what is decided together is one frozen dataclass. Loads neither torch nor numpy."""
