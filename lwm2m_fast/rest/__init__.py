"""The HTTP interface: one file per subject, their routes gathered in table.py.

`create_app` makes the application over a Service (base.py), `HttpServer` serves it in the
running loop. Imports no other room but fleet/ (tokens) and what an order means (core/orders,
core/shell, core/operations); the server is given as a protocol. Nothing is imported here: whoever
wants a limit from base.py does not wait for FastAPI.
"""
