"""Training: the loop's pieces, and the recipes made of them."""
