"""The story of a product: how it came to be, whether it is still right, and how two of them differ."""
