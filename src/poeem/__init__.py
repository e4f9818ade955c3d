"""An embedding index that is trained together with the retrieval model."""
