"""Damaged and mischievous input, made from seeds: nothing of it may do harm.

    python -m hostile [KIND ...]     (in tests/; all of every kind, as a table for the docs)

A kind is a module here with `TITLE`; `COUNT`, how many inputs there are altogether; `SHARE`, how
many of them the fast tests take; `cases(seed, count)`, which makes them one by one; and
`attempt(case, folder) -> Outcome`, which lets the program have one, in a folder of its own.
"""
