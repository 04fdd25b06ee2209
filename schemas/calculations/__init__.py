"""Inputs and outputs of the calculations, one module each, named like the calculation with underscores.

Invariants: an unknown field is refused; money and rates are exact decimals, written as JSON strings; days are
"YYYY-MM-DD", months "YYYY-MM"; whatever may be chosen is an enumeration, so that the JSON Schema names every allowed
value; each model carries a working example. Nothing is computed here: that is `domain/calculations/`.
"""
