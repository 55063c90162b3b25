"""Our HTTP/1.1 server: listeners, connections, strict rules, limits; and a host for ASGI applications.

Law: no byte of a request reaches a handler before its head has passed the grammar and the door policy; a
connection that fails hurts no other one. Owner: ``HttpServer`` owns its listeners and its connections.
"""

from lodestard.http.certificate import Certificate, read_certificate
from lodestard.http.content import read_content
from lodestard.http.exchange import HttpExchange
from lodestard.http.faults import ClientLeft
from lodestard.http.headers import Headers
from lodestard.http.listeners import adopt_listeners, find_exposed, open_tcp_listeners, open_unix_listener
from lodestard.http.load import Load
from lodestard.http.peer import Peer
from lodestard.http.server import KEPT_DESCRIPTORS, HttpServer
from lodestard.http.terms import Handler, WriteFault

__all__ = [
    "KEPT_DESCRIPTORS",
    "Certificate",
    "ClientLeft",
    "Handler",
    "Headers",
    "HttpExchange",
    "HttpServer",
    "Load",
    "Peer",
    "WriteFault",
    "adopt_listeners",
    "find_exposed",
    "open_tcp_listeners",
    "open_unix_listener",
    "read_certificate",
    "read_content",
]
