"""Product search: the model, its training, and a finished run."""
