"""Machines a student can get a shell on. Imports nothing: a node's pid 1 and every `labs node` start here."""
