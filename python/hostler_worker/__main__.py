"""`python -m hostler_worker serve` runs a replica on the socket that is its standard input;
`python -m hostler_worker describe FOLDER [DIALECT]` says what a folder holds, as JSON on standard output."""

import os
import sys


def main(arguments):
    # `python -m` puts the working directory first: the author's json.py is not for us. The folder comes back when it is loaded.
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    if arguments == ["serve"]:
        from . import guardian
        guardian.start()  # while there is little in memory for it to keep
        from .process import serve
        return serve()
    if len(arguments) in (2, 3) and arguments[0] == "describe":
        from .describe import describe
        return describe(*arguments[1:])
    sys.stderr.write(__doc__ + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
