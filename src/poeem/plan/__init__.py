"""Plan of a deployment: memory, disk, build time, machines and cost, from figures measured per row and query."""
