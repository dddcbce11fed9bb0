"""What each archive that answers queries holds."""

from pathlib import Path

from testbench.loopback.catalogues import catalogues
from testbench.loopback.gaia_tables import METADATA, gaia_tables, vizier_light_curves
from testbench.loopback.tables import Database
from testbench.loopback.vvv_tables import eso_tables, vsa_tables


def open_holdings(folder: Path, dr4: str = "as_dr3") -> dict[str, Database]:
    """Return the tables of each archive, by service.

    Parameters
    ----------
    folder
        Laid out as the mirror. A table is read when a query first asks for it; what the
        folder has not is an empty table.
    dr4
        One of `testbench.loopback.datalink.DR4_MODES`.
    """
    return {
        "gaia": Database(gaia_tables(folder, "gaia", epochs=False, dr4=dr4), METADATA),
        "gaia_aip": Database(
            {
                **gaia_tables(folder, "g", epochs=True),
                # Of DR3 it has the archive's own schema.
                **gaia_tables(folder, "gaia", epochs=True),
            },
            METADATA,
        ),
        "eso": Database(eso_tables(folder)),
        "vsa": Database(vsa_tables(folder)),
        "vizier": Database(catalogues(folder)),
        "vizier_tap": Database(vizier_light_curves(folder)),
    }
