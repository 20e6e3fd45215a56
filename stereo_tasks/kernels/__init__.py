"""Fast kernels: what magic-cta-pipe's tools do, on arrays, with the same bytes in the same files.

Each module has a function with the name, the arguments, the products and the exits of one of the tools. What a kernel
does not know it refuses before it writes anything, with :class:`~stereo_tasks.kernels.errors.NotCovered`.
"""
