"""An index for embeddings that stay as they are: fitted to how queries see them."""
