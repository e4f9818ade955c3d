"""Targets for recall, size or latency: settings that reach them, or what to train."""
