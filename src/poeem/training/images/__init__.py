"""Training on images: model, batches, evaluation, and the stored run."""
