"""The columns of hourly files (`H_…`), as upstream names them, and what each is among the marts' fields."""

# Each quantity has a quality code in a column named Q and its name: 0 protected, 1 validated, 2 doubtful, 9 passed the
# first filters. These are measured numbers; times are hhmm as integers (55 is 00:55).
NUMBERS = (
    *("RR1", "DRR1", "FF", "DD", "FXY", "DXY", "HXY", "FXI", "DXI", "HXI", "FF2", "DD2", "FXI2", "DXI2", "HXI2"),
    *("FXI3S", "DXI3S", "HFXI3S", "T", "TD", "TN", "HTN", "TX", "HTX", "DG", "T10", "T20", "T50", "T100", "TNSOL"),
    *("TN50", "TCHAUSSEE", "DHUMEC", "U", "UN", "HUN", "UX", "HUX", "DHUMI40", "DHUMI80", "TSV", "PMER", "PSTAT"),
    *("PMERMIN", "GEOP", "B1", "B2", "B3", "B4", "VV", "DVV200", "TMER", "VVMER", "HVAGUE", "PVAGUE", "HNEIGEF"),
    *("NEIGETOT", "TSNEIGE", "TUBENEIGE", "HNEIGEFI3", "HNEIGEFI1", "CHARGENEIGE", "GLO", "GLO2", "DIR", "DIR2"),
    *("DIF", "DIF2", "UV", "UV2", "UV_INDICE", "INFRAR", "INFRAR2", "INS", "INS2", "TLAGON", "TVEGETAUX"),
    *("ECOULEMENT", "DIRHOULE"),
)
# Codes of tables. Upstream writes `/` for clouds that could not be seen.
CODES = (
    *("N", "NBAS", "CL", "CM", "CH", "N1", "C1", "N2", "C2", "N3", "C3", "N4", "C4"),
    *("WW", "W1", "W2", "SOL", "SOLNG", "ETATMER", "ESNEIGE"),
)
QUANTITIES = (*NUMBERS, *CODES)

# Other spellings: the files of 2024 have two, and DPClim and the daily files have another name for one.
SPELLINGS = {"QPERMIN": "QPMERMIN", "QCB2": "QB2", "HXI3S": "HFXI3S", "QHXI3S": "QHFXI3S"}

# Files are written with these columns whether the file has them or not, so that any two can be read as one table.
READ = (
    *("RR1", "FF", "DD", "FXY", "DXY", "FXI", "DXI", "FXI3S", "DXI3S", "T", "TD", "TN", "TX", "U", "UN", "UX"),
    *("T10", "T20", "T50", "T100", "VV", "N", "NEIGETOT", "INS", "GLO", "PSTAT", "PMER"),
)
