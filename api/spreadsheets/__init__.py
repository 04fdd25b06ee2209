"""Reading the spreadsheets that colleges send, whatever they look like, and writing back the rows that were refused.

`reader` turns bytes into rows of cells, `columns` turns cells into clean values of known fields, `cells` knows dates,
digits and money, `refused` writes the rows that did not start. Nothing here knows the database, the rules of the law or
HTTP: faults of a file are `SpreadsheetError`, faults of a cell are `CellFault`.
"""
