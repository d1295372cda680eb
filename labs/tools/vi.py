"""`vi` on a node whose host has none: pyvim, set up for YAML as the node's ~/.vimrc sets up vim."""

from __future__ import annotations

import sys

from prompt_toolkit.filters import has_focus, vi_insert_mode
from prompt_toolkit.key_binding import KeyPressEvent
from pyvim.editor import Editor

INDENT = "  "


def indent(event: KeyPressEvent) -> None:
    """Insert one level of YAML's indentation."""
    event.current_buffer.insert_text(INDENT)


def main(arguments: list[str]) -> None:
    """Edit the named files, each in a buffer; options of vim are not known and passed over."""
    editor = Editor()
    editor.enable_mouse_support = False

    # pyvim's own Tab key is four spaces wide, whatever `tabstop` says
    editor.key_bindings.add("tab", filter=vi_insert_mode & ~has_focus(editor.command_buffer))(indent)
    editor.load_initial_files([argument for argument in arguments if not argument.startswith(("-", "+"))])
    editor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
