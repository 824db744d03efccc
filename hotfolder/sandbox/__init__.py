"""The three services on loopback, true to their specifications, with faults on request."""
