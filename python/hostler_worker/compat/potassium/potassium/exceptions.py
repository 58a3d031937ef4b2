"""What a Potassium app raises when its routes make no sense."""


class InvalidEndpointTypeException(Exception):
    def __init__(self):
        super().__init__("an endpoint is either a handler or a background task")


class RouteAlreadyInUseException(Exception):
    def __init__(self, route=None):
        where = "the route %s" % route if route else "the route"
        super().__init__("%s already has a handler; give each its own route" % where)
