"""What `kubectl get` prints: rows made by the server, as `pkg/printers/internalversion` makes them."""

from ._columns import table, table_row
from ._format import selector_text

__all__ = ["selector_text", "table", "table_row"]
