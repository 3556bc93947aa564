"""Desktop notifications: one seam, one backend per platform."""
