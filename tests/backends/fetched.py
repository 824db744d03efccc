"""What a service found in a document, as the bytes of its file."""

from io import BytesIO

from hotfolder.backends.base import Backend, Parcel, Receipt


def fetched(backend: Backend, receipt: Receipt, sent: Parcel) -> bytes:
    """Fetch the results of a document; empty where there is nothing to have."""
    into = BytesIO()
    return into.getvalue() if backend.results(receipt, sent, into) else b""
