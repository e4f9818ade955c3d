"""The maths: pure functions of tensors, without state or configuration, one concept a file."""
