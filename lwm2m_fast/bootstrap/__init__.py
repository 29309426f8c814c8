"""The bootstrap server: who may bootstrap, what each device is given, and what came of it."""
