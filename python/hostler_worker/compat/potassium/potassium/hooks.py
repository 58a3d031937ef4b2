"""send_webhook: posts JSON from the author's code to an address of the author's own."""

from __future__ import annotations

import http.client
import json as _json
import urllib.error
import urllib.request

TIMEOUT = 60.0
"""Seconds: a receiver that never answers must not hold the replica for ever."""


def send_webhook(url: str, json: dict):
    """Posts `json` to `url`. A receiver that cannot be reached, or that answers with a fault, does not fail the handler."""
    headers = {"Content-Type": "application/json", "User-Agent": "Hostler"}
    request = urllib.request.Request(url, _json.dumps(json).encode("utf-8"), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, http.client.HTTPException) as error:  # the first is also URLError and time-outs
        print("the webhook to %s was not delivered: %s" % (url, getattr(error, "reason", error)))
