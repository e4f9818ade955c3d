"""Training of an index and a query adapter on frozen embeddings."""
