"""Search events: what users typed and which products they chose."""
