"""What ThingsBoard asks of a device, for those who come from there: its RPC methods.

One file per subject, as in rest/. Every method becomes orders of ours, on the same queue as
everybody's; its path syntax and its answers stay in here.
"""

from __future__ import annotations

from lwm2m_fast.rest.thingsboard import rpc

ROUTES = rpc.ROUTES
