"""Attacks on files and commands: damage, full disks, kills, bad command lines."""
