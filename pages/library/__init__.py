"""The parts of the Signature Library page."""
