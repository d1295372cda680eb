"""Garbage collection: what becomes of objects whose owners go (`pkg/controller/garbagecollector`)."""
