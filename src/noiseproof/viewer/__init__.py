"""Run folders below a folder, looked at in a browser: a table that follows them, a page for each; read only."""
