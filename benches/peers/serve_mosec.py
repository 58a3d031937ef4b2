"""mosec with two worker processes behind its Rust front: python serve_mosec.py PORT. The route is /inference."""

import sys

from mosec import Server, Worker

from work import work


class Echo(Worker):
    def forward(self, data):
        return work(data)


if __name__ == "__main__":
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", sys.argv[1]]
    server = Server()
    server.append_worker(Echo, num=2)
    server.run()
