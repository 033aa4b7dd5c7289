"""The parts of the conformance kit; the command is `examples/conformance_kit.py`."""
