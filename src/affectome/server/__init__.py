"""How do people without Python reach it? An HTTP server with jobs, streams and a page; needs the ``serve`` extra."""

from affectome.server.access import make_key
from affectome.server.application import create_app
from affectome.server.listening import listener
from affectome.server.settings import ServerSettings
from affectome.server.sql_store import open_store

__all__ = ["ServerSettings", "create_app", "listener", "make_key", "open_store"]
