"""Reading of interactions, vectors and id files; splits, histories, training batches; data sets by name."""
