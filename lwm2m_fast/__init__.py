"""An OMA LwM2M server with a compiled core. See docs/design.md for the house plan."""

__version__ = "0.1.0"
