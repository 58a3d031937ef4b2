"""Checks signatures of webhooks with the package of the scheme's authors.

Reads {"secret", "posts": [{"headers", "body"}]} from standard input, and writes how many posts hold. A post holds when
its signature is right, and no longer is after any change of body, id, timestamp or secret.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

OTHER = "whsec_" + "B" * 32


def is_right(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def holds(secret, post):
    body, headers = post["body"], post["headers"]
    later = str(int(headers["webhook-timestamp"]) + 1)
    return is_right(secret, body, headers) and not (
        is_right(secret, body + " ", headers)
        or is_right(secret, body, {**headers, "webhook-id": headers["webhook-id"] + "x"})
        or is_right(secret, body, {**headers, "webhook-timestamp": later})
        or is_right(OTHER, body, headers)
    )


def main():
    told = json.load(sys.stdin)
    print(sum(holds(told["secret"], post) for post in told["posts"]))


if __name__ == "__main__":
    main()
