"""LitServe with two workers: python serve_litserve.py PORT."""

import sys

import litserve

from work import work


class Api(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, value):
        return work(value)


if __name__ == "__main__":
    server = litserve.LitServer(Api(api_path="/"), accelerator="cpu", devices=1, workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
