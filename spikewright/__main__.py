"""`python -m spikewright` is the command `spikewright`."""

from .cli.main import entry

if __name__ == "__main__":
    entry()
