"""Start the command line: ``course``, or ``python -m course``."""

import signal
import sys


def main() -> int:
    """Import the command line and run it.

    Returns:
        Its exit code.
    """
    # Ctrl-C during the imports ends the command silently, as it ends any other program.
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from course import cli

    signal.signal(signal.SIGINT, usual)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
