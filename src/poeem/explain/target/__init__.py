"""Find settings that reach a target (recall, size or latency), or what to train."""
