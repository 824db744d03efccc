"""Watch drop folders and upload every new document to the queue it is mapped to.

The journey of a document, one module a step, in the order of the folder listing:

    arrivals   dropped      notice what lands: events are hints, the scan is the truth
    backends/  the services the contract, and one module for each service that speaks it
    checks/    ready        decide whether a file is whole and acceptable (pure)
    claims     claimed      make it ours: a journal row, then a no-clobber move
    delivery   delivered    hand it to its backend, with deadline and attempts
    filing     filed        done/ or failed/, sidecar first
    followup   followed up  ask until the answer is final
    journal    recorded     the book of every step; the only SQL
"""

__version__ = "0.1.0"
