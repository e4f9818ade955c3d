"""Towers for product search: a typed query and a user's behaviour on one side, products with titles on the other."""
