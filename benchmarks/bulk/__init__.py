"""Encoding and serving of many rows: memory, speed, kills."""
