"""The Python side of Hostler: runs an author's model folder as one replica and speaks the wire on a socket.

Python 3.8's syntax and standard library only; what an author's folder brings (numpy, pydantic, …) is used when it is there."""
