"""Desktop notifications: a seam (`base`), a factory, a backend for desktops and one for machines without."""
