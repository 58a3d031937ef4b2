"""The names of the `potassium` package, for folders whose Python does not have it installed.

An app written for Potassium 0.2 to 0.5 finds here what it imports. Nothing is served by this package: Hostler reads
the handlers that the decorators note down, and calls them."""

from .exceptions import InvalidEndpointTypeException, RouteAlreadyInUseException
from .hooks import send_webhook
from .potassium import Endpoint, HandlerType, Potassium
from .store import RedisConfig, S3Config, Store
from .types import Request, RequestHeaders, Response, ResponseBody

__all__ = [
    "Endpoint", "HandlerType", "InvalidEndpointTypeException", "Potassium", "RedisConfig", "Request", "RequestHeaders",
    "Response", "ResponseBody", "RouteAlreadyInUseException", "S3Config", "Store", "send_webhook",
]
