"""Adapters to other libraries. Each needs its package, and is imported by its own name."""
