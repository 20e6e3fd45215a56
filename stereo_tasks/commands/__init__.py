"""The commands of ``stereo``, one module a subject; `stereo_tasks.cli` mounts them."""
