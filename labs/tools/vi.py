"""`vi` on a node whose host has none: pyvim, set up for YAML as the node's ~/.vimrc sets up vim."""

import sys

from pyvim.editor import Editor


def main(arguments: list[str]) -> None:
    """Edit the named files, each in a buffer; options of vim are not known and passed over."""
    editor = Editor()
    editor.expand_tab = True
    editor.tabstop = 2
    editor.enable_mouse_support = False
    editor.load_initial_files([argument for argument in arguments if not argument.startswith(("-", "+"))])
    editor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
