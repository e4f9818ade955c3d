"""Losses: what pulls a query towards its item, on float and on quantized vectors."""
