"""Sinks: who hears what happens to devices. One file each; server.py holds the ones in use."""
