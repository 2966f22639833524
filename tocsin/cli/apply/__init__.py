"""`tocsin apply`: an installation becomes what files say.

`reader` reads documents, `kinds` knows what the contract can make, `shapes` brings what is written and what is stored into one form, `plan`
compares them, `server` reads and writes, `run` does it in order, `report` tells of it.
"""
