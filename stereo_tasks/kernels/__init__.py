"""Kernels: the tools of magic-cta-pipe as functions on arrays, equal to them byte by byte, at a fraction of their cost.

A module a tool, with a function that takes the tool's arguments and writes its file. What a kernel does not cover it
refuses before it writes anything (`errors.NotCovered`), and the tool does it. `coverage` says for which versions
equality was shown. No module imports ctapipe, magic-cta-pipe or pandas, and only those that work once a run (`dl3`,
`irfs`, `index`) astropy: their start costs seconds.
"""
