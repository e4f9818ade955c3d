"""Image retrieval without labels (SPQ) on Fashion-MNIST."""
