"""The command line, one module a verb; nothing is computed here."""
