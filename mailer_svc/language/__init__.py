"""The language of templates: a small, total one in Jinja's syntax.

A tenant writes templates, and events bring the values, so a rendering has to end soon, in bounded memory, with something to send,
whatever both say. Jinja's own compiler is not up to that: it takes seconds for some expressions of 500 bytes. Only its parser is used.
`parser` makes a program of a template, `program` runs it and counts every character that it touches. Nothing in a program can fail but
by its bounds: what is absent is empty, and every operation takes every value.

This package is what a rendering process imports; it stays light.
"""
