"""What `kubectl get` prints: rows made by the server, as `pkg/printers/internalversion` makes them."""

from ._columns import table, table_row

__all__ = ["table", "table_row"]
