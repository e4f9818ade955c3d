"""Image towers: networks trained from scratch, pretrained backbones, and the tower of either."""
