"""Model bundles and policies on disk, and which of them is served."""
