"""The `labs` command: `shell` holds what must answer at once, `app` all the rest."""
