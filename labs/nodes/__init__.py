"""Machines a student can get a shell on. Imports nothing: pid 1 of a node and every `labs node` start here."""
