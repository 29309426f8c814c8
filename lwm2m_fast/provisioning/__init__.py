"""Devices as people configure them: kept, found, changed and removed, one or a hundred thousand."""
