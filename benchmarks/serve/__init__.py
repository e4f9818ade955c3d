"""Measurements of ``poeem serve`` on the loopback interface."""
