"""Make journal and folders agree again before anything else happens.

`table` holds every combination of row, folders and sidecar with its repair, `evidence` looks at what there is,
`rebuilt` draws journeys from what the folders tell where the journal is lost, and `repairs` carries out.
"""

from hotfolder.recovery.repairs import Recovered, Site, recover

__all__ = ["Recovered", "Site", "recover"]
